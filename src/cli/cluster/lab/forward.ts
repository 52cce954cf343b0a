/** Passes a browser's request on to a member that runs, as it is. */
import {
  type ClientRequest,
  type IncomingMessage,
  request as ask,
  type ServerResponse,
} from "node:http";
import { request as askSecurely } from "node:https";
import type { ProcessReport } from "../supervisor.ts";

/** Meant for one connection, or said anew by the next one. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  ...["host", "connection", "keep-alive", "transfer-encoding", "content-length", "upgrade"],
  ...["origin", "referer"],
]);

/** To the first member that can be reached; one that stands still is passed over. */
export async function forward(
  processes: readonly ProcessReport[],
  request: IncomingMessage,
  body: Buffer,
  response: ServerResponse,
): Promise<void> {
  for (const { state, endpoint } of processes) {
    if (state.kind !== "running" || endpoint === undefined) continue;
    const answer = await answerOf(endpoint, request, body, response);
    if (answer === undefined) continue;
    response.writeHead(answer.statusCode ?? 502, headersOf(answer));
    answer.on("error", () => response.destroy());
    answer.pipe(response);
    return;
  }
  response.writeHead(502, { "content-type": "text/plain; charset=utf-8" });
  response.end("No member runs. `etcd-cluster run start NAME` starts one.\n");
}

/** Undefined when the member is not there; then nothing has been asked of it. */
function answerOf(
  endpoint: string,
  { method, url = "/", headers }: IncomingMessage,
  body: Buffer,
  response: ServerResponse,
): Promise<IncomingMessage | undefined> {
  return new Promise((resolve) => {
    const kept = Object.entries(headers).filter(([name]) => !OWN_HEADERS.has(name));
    const options = {
      method,
      agent: false as const,
      headers: { ...Object.fromEntries(kept), "content-length": body.length },
    };
    const target = `${endpoint}${url}`;
    // The launcher's own member, on this machine.
    const asking: ClientRequest = target.startsWith("https:")
      ? askSecurely(target, { ...options, rejectUnauthorized: false }, resolve)
      : ask(target, options, resolve);
    asking.on("error", () => resolve(undefined));
    response.on("close", () => asking.destroy());
    asking.end(body);
  });
}

function headersOf(answer: IncomingMessage): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(answer.headers)) {
    const isPassed = value !== undefined && (!OWN_HEADERS.has(name) || name === "content-length");
    if (isPassed) headers[name] = value;
  }
  return headers;
}
