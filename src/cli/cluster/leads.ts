/** Whether a member leads its cluster, by its own word over the JSON gateway. */
import { type IncomingMessage, request } from "node:http";
import { request as requestSecurely } from "node:https";
import type { Clock } from "../../env/clock.ts";

/** A member that does not say so soon is stopped like one that does not lead. */
const ANSWER_TIMEOUT_MS = 500;
/** The answer is a few numbers. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** False for whoever does not answer, and for endpoints other than http and https. Never rejects. */
export async function leads(endpoint: string, clock: Clock): Promise<boolean> {
  if (!/^https?:\/\//.test(endpoint)) return false;
  try {
    const { leader, header } = JSON.parse(await askStatus(endpoint, clock)) as {
      readonly leader?: unknown;
      readonly header?: { readonly member_id?: unknown };
    };
    return typeof leader === "string" && leader === header?.member_id;
  } catch {
    // Not there, slow, or no etcd: none of these leads.
    return false;
  }
}

function askStatus(endpoint: string, clock: Clock): Promise<string> {
  return new Promise((resolve, reject) => {
    const url = `${endpoint}/v3/maintenance/status`;
    const options = { method: "POST", agent: false } as const;
    const onAnswer = (answer: IncomingMessage): void => {
      readAll(answer).then(resolve, reject);
    };
    // Which of its own processes the launcher stops first is no secret: nobody need prove anything.
    const asking = url.startsWith("https:")
      ? requestSecurely(url, { ...options, rejectUnauthorized: false }, onAnswer)
      : request(url, options, onAnswer);
    const patience = clock.setTimer(ANSWER_TIMEOUT_MS, () => asking.destroy(new Error("slow")));
    asking.on("close", () => patience.cancel());
    asking.on("error", reject);
    asking.end("{}");
  });
}

async function readAll(answer: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer) {
    bytes += (chunk as Buffer).length;
    if (bytes > MAX_ANSWER_BYTES) throw new Error("the answer is too long");
    parts.push(chunk as Buffer);
  }
  return Buffer.concat(parts).toString("utf8");
}
