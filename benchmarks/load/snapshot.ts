/** A backup of a member, as `etcdctl snapshot save` takes it, without the file. */
import { SnapshotRequest } from "../../src/api/gen/rpc.ts";
import { Histogram } from "./histogram.ts";
import type { LoadResult, SnapshotJob } from "./jobs.ts";
import { LoadConnection } from "./load-connection.ts";
import { dataFrame, headersFrame } from "./requests.ts";

const MEGABYTE = 1e6;

/** The only latency is that of the whole. */
export function runSnapshot(job: SnapshotJob): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const startMs = performance.now();
    let bytes = 0;
    const connection = new LoadConnection(job.port, {
      onData: (_, _chunk, start, end) => {
        bytes += end - start;
      },
      onEnd: (_, status, nowMs) => {
        connection.close();
        if (status !== 0) reject(new Error(`the snapshot ended with status ${status}`));
        const histogram = new Histogram();
        histogram.record(nowMs - startMs);
        resolve({
          operations: bytes / MEGABYTE,
          errors: 0,
          seconds: (nowMs - startMs) / 1000,
          latency: histogram.summary(),
        });
      },
      onClose: reject,
    });
    const stream = connection.open(headersFrame("/etcdserverpb.Maintenance/Snapshot"));
    connection.message(stream, dataFrame(SnapshotRequest.encode(SnapshotRequest.create({})), true));
  });
}
