/** Puts or gets of large values, one after the other on each connection, through our own client. */
import { EtcdClient } from "../../src/client/index.ts";
import { Histogram } from "./histogram.ts";
import type { LargeValueJob, LoadResult } from "./jobs.ts";
import { keyOf } from "./requests.ts";

/** For each put or get; a disk that does not keep up is an error of the run. */
const TIMEOUT_MS = 30_000;

/** Latencies are from the call to the whole answer. */
export async function runLargeValues(job: LargeValueJob): Promise<LoadResult> {
  const histogram = new Histogram();
  const value = Buffer.alloc(job.valueBytes, "v");
  const clients = Array.from(
    { length: job.connections },
    () => new EtcdClient({ endpoints: [`http://127.0.0.1:${job.port}`] }),
  );
  let next = 0;
  const call = (client: EtcdClient): Promise<unknown> => {
    const key = keyOf(next++ % job.keys);
    const options = { timeoutMs: TIMEOUT_MS };
    return job.operation === "put"
      ? client.kv.put(key, value, options)
      : client.kv.get(key, options);
  };
  // Each has its connection before the first call that counts.
  await Promise.all(clients.map((client) => call(client)));
  const startMs = performance.now();
  const endMs = startMs + job.seconds * 1000;
  await Promise.all(
    clients.map(async (client) => {
      for (let nowMs = performance.now(); nowMs < endMs; ) {
        await call(client);
        const doneMs = performance.now();
        histogram.record(doneMs - nowMs);
        nowMs = doneMs;
      }
    }),
  );
  const latency = histogram.summary();
  const seconds = (performance.now() - startMs) / 1000;
  for (const client of clients) client.close();
  return { operations: latency.count, errors: 0, seconds, latency };
}
