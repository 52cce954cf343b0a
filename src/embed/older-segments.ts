/**
 * Checks the part of a WAL that start-up does not read on another thread, while this one restores
 * the key index: the log of a busy member is hundreds of megabytes, and its checksums take seconds.
 */
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import type { Index } from "../base/ids.ts";
import { WalCorruptError } from "../wal/index.ts";

export interface OlderSegmentsJob {
  readonly directory: string;
  readonly index: Index;
}

/** What the worker answers. */
export type OlderSegmentsReply =
  | { readonly kind: "sound" }
  | {
      readonly kind: "corrupt";
      readonly file: string;
      readonly offset: number;
      readonly reason: string;
    }
  | { readonly kind: "failed"; readonly message: string };

/** Rejects with `WalCorruptError`, or an error that says why the check could not be made. */
export function verifyOlderSegmentsInWorker(directory: string, index: Index): Promise<void> {
  const url = new URL(`./older-segments-worker${extname(import.meta.url)}`, import.meta.url);
  const job: OlderSegmentsJob = { directory, index };
  const worker = new Worker(url, { workerData: job });
  return new Promise((resolve, reject) => {
    worker.once("message", (reply: OlderSegmentsReply) => {
      if (reply.kind === "sound") resolve();
      else if (reply.kind === "failed") reject(new Error(reply.message));
      else reject(new WalCorruptError(reply.file, reply.offset, reply.reason));
    });
    worker.once("error", reject);
    worker.once("exit", () => reject(new Error("the check of the WAL ended without a result")));
  });
}
