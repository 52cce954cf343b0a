/** How much of the past automatic compaction leaves. */
import type { ServerOptions } from "../server/index.ts";
import { durationMs } from "./duration.ts";

type Retention = Pick<ServerOptions, "autoCompactionMode" | "autoCompactionRetention">;

/** @throws TypeError for what is no duration and no number of revisions. */
export function retentionOf(autoCompaction: string | number | undefined): Retention {
  if (autoCompaction === undefined) {
    return { autoCompactionMode: "periodic", autoCompactionRetention: 0 };
  }
  if (typeof autoCompaction === "string") {
    const periodMs = durationMs("autoCompaction", autoCompaction);
    return { autoCompactionMode: "periodic", autoCompactionRetention: periodMs };
  }
  if (!Number.isSafeInteger(autoCompaction) || autoCompaction < 0) {
    throw new TypeError(`autoCompaction: ${autoCompaction} is no number of revisions`);
  }
  return { autoCompactionMode: "revision", autoCompactionRetention: autoCompaction };
}
