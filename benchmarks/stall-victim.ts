/**
 * The victim of `stalls.ts`, in a process of its own: asks members for one key, again and again, and
 * remembers the longest wait. `report` makes it answer and begin anew.
 */
import { EtcdClient } from "../src/client/index.ts";

const PAUSE_MS = 2;
const TIMEOUT_MS = 60_000;

/** The longest waits in milliseconds since the last report. */
export interface VictimReport {
  readonly serializableMs: number;
  readonly linearizableMs: number;
  readonly answers: number;
}

const [endpoints = "", key = "victim"] = process.argv.slice(2);
const waits = { serializable: 0, linearizable: 0 };
let answers = 0;
let sinceMs = performance.now();

async function ask(endpoint: string, kind: keyof typeof waits): Promise<void> {
  const client = new EtcdClient({ endpoints: endpoint, requestTimeoutMs: TIMEOUT_MS });
  for (;;) {
    const start = performance.now();
    await client.kv.get(key, { serializable: kind === "serializable" }).catch(() => undefined);
    // A wait that began in the interval before counts from where this one begins.
    waits[kind] = Math.max(waits[kind], performance.now() - Math.max(start, sinceMs));
    answers++;
    await new Promise((done) => setTimeout(done, PAUSE_MS));
  }
}

process.on("message", () => {
  const report: VictimReport = {
    serializableMs: waits.serializable,
    linearizableMs: waits.linearizable,
    answers,
  };
  waits.serializable = 0;
  waits.linearizable = 0;
  answers = 0;
  sinceMs = performance.now();
  process.send?.(report);
});

for (const endpoint of endpoints.split(",")) {
  void ask(endpoint, "serializable");
  void ask(endpoint, "linearizable");
}
