/**
 * Where a browser meets the launcher: `/lab/` tells of the members and does things to them, and all
 * else goes to a member that runs, so that the dashboard works on when one is killed.
 *
 * On the loopback interface only. Who may break the cluster is who has seen the launcher's output: a
 * secret in the address behind "#", which no browser sends by itself, comes back in a header of its
 * own; and a request that names another host, or comes from another site's page, is refused.
 */
import { timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { errorMessage } from "../../../base/error-message.ts";
import { type ControlReply, type ControlRequest, parseRequest } from "../control-protocol.ts";
import type { Supervisor } from "../supervisor.ts";
import { forward } from "./forward.ts";

const HOST = "127.0.0.1";
const SECRET_HEADER = "x-etcd-cluster-secret";
/** A put of the dashboard with the largest value that etcd takes, in base64. */
const MAX_FORWARDED_BYTES = 4 * 1024 * 1024;
/** Of one answer; the page asks several times a second. */
const EVENTS_PER_ANSWER = 2000;

const FROM_A_PAGE: ReadonlySet<string> = new Set([
  ...["start", "kill", "pause", "resume", "partition", "heal", "slow", "load"],
]);

export interface LabServerDeps {
  readonly supervisor: Supervisor;
  readonly secret: string;
  carryOut(request: ControlRequest): Promise<ControlReply>;
}

export class LabServer {
  readonly #deps: LabServerDeps;
  readonly #server: Server;

  private constructor(deps: LabServerDeps) {
    this.#deps = deps;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        sendJson(response, 500, { error: errorMessage(error) });
      });
    });
  }

  static async open(deps: LabServerDeps): Promise<LabServer> {
    const lab = new LabServer(deps);
    await new Promise<void>((resolve, reject) => {
      lab.#server.once("error", reject);
      lab.#server.listen(0, HOST, resolve);
    });
    return lab;
  }

  /** With the secret. */
  get url(): string {
    return `http://${HOST}:${this.#port}/dashboard/#/learn?secret=${this.#deps.secret}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const hosts = [`${HOST}:${this.#port}`, `localhost:${this.#port}`];
    const { host = "", origin } = request.headers;
    const isOwnPage = origin === undefined || origin === `http://${host}`;
    if (!hosts.includes(host) || !isOwnPage) {
      sendJson(response, 403, { error: "not from the launcher's own pages" });
      return;
    }
    const url = new URL(request.url ?? "/", `http://${host}`);
    const body = await readBody(request);
    if (body === undefined) sendJson(response, 413, { error: "the request is too long" });
    else if (url.pathname === "/dashboard/config.json") {
      sendJson(response, 200, { readOnly: false, lab: true });
    } else if (url.pathname.startsWith("/lab/")) await this.#lab(url, request, body, response);
    else await forward(this.#deps.supervisor.reports(), request, body, response);
  }

  async #lab(
    url: URL,
    request: IncomingMessage,
    body: Buffer,
    response: ServerResponse,
  ): Promise<void> {
    if (!isSame(String(request.headers[SECRET_HEADER] ?? ""), this.#deps.secret)) {
      sendJson(response, 403, { error: "open the address that the launcher has printed" });
    } else if (url.pathname === "/lab/state" && request.method === "GET") {
      sendJson(response, 200, this.#state(Number(url.searchParams.get("after") ?? 0)));
    } else if (url.pathname === "/lab/do" && request.method === "POST") {
      await this.#do(body.toString("utf8"), response);
    } else sendJson(response, 404, { error: "not found" });
  }

  #state(after: number): object {
    const { lab, load } = this.#deps.supervisor;
    const processes = this.#deps.supervisor.reports();
    const events = lab.timeline.after(after, EVENTS_PER_ANSWER);
    return { nowMs: lab.monotonicMs(), processes, load: load.report, events };
  }

  async #do(text: string, response: ServerResponse): Promise<void> {
    const asked = parseRequest(text);
    if (asked === undefined || !FROM_A_PAGE.has(asked.command)) {
      sendJson(response, 400, { error: "not a request of the page" });
      return;
    }
    try {
      const reply = await this.#deps.carryOut(asked);
      if (reply.kind === "done") sendJson(response, 200, {});
      else sendJson(response, 409, { error: reply.reason });
    } catch (error) {
      sendJson(response, 409, { error: errorMessage(error) });
    }
  }
}

function isSame(given: string, secret: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(secret)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Undefined when it is too long. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > MAX_FORWARDED_BYTES) return undefined;
    parts.push(chunk as Buffer);
  }
  return Buffer.concat(parts);
}

function sendJson(response: ServerResponse, status: number, value: object): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, {
    "content-type": "application/json",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  response.end(JSON.stringify(value));
}
