/** The thread of `older-segments.ts`: one check, one answer. It only reads. */
import { errorMessage } from "../base/error-message.ts";
import { parentPort, workerData } from "node:worker_threads";
import type { Logger } from "../env/logger.ts";
import { NodeDisk } from "../platform/index.ts";
import { verifySegmentsBefore, WalCorruptError } from "../wal/index.ts";
import type { OlderSegmentsJob, OlderSegmentsReply } from "./older-segments.ts";

/** What there is to say about the directory, start-up itself has said. */
const SILENT: Logger = {
  enabled: () => false,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  fatal: () => undefined,
  child: () => SILENT,
};

function verify({ directory, index }: OlderSegmentsJob): OlderSegmentsReply {
  try {
    verifySegmentsBefore({ disk: new NodeDisk(), logger: SILENT }, directory, index);
    return { kind: "sound" };
  } catch (error) {
    if (error instanceof WalCorruptError) {
      return { kind: "corrupt", file: error.file, offset: error.offset, reason: error.reason };
    }
    return { kind: "failed", message: errorMessage(error) };
  }
}

parentPort?.postMessage(verify(workerData as OlderSegmentsJob));
