/**
 * Opens the member's db, whose lock says that no other process uses the data directory. While one
 * does, this waits as etcd does: whoever starts a member again need not wait for the old process.
 */
import { type BoltBackend, BackendLockedError, openBackend } from "../../backend/index.ts";
import { ETCD_BUCKETS } from "../../backend/types.ts";
import { formatDuration } from "../../base/go-text.ts";
import type { ServerDeps, ServerOptions } from "../options.ts";

/** Between two attempts to take the lock, as bbolt's. */
const LOCK_RETRY_MS = 50;
/** How long to wait for the lock before saying so, as etcd. */
const LOCK_PATIENCE_MS = 10_000;

/** Settles once the lock is held. Rejects with the errors of a damaged file. */
export async function openOwnBackend(
  options: ServerOptions,
  deps: ServerDeps,
  path: string,
): Promise<BoltBackend> {
  const { clock, logger } = deps;
  const yieldTurn = () => new Promise<void>((resolve) => deps.defer(resolve));
  const startMs = clock.nowMs();
  const took = () => formatDuration(clock.nowMs() - startMs);
  let hasTold = false;
  for (;;) {
    try {
      // Opened anew each time: whoever holds the lock may replace the file meanwhile.
      const backend = await openBackend({ ...deps, yieldTurn }, path, {
        pageCacheBytes: options.pageCacheBytes,
        batchIntervalMs: options.backendBatchIntervalMs,
        batchLimit: options.backendBatchLimit,
        slabBytes: options.limits?.slabBytes,
        noFsync: options.unsafeNoFsync,
        ensureBuckets: ETCD_BUCKETS,
      });
      logger.info("opened backend db", { path, took: took() });
      return backend;
    } catch (error) {
      if (!(error instanceof BackendLockedError)) throw error;
    }
    if (!hasTold && clock.nowMs() - startMs >= LOCK_PATIENCE_MS) {
      hasTold = true;
      const fields = { path, took: took() };
      logger.info("db file is flocked by another process, or taking too long", fields);
    }
    await new Promise<void>((resolve) => void clock.setTimer(LOCK_RETRY_MS, resolve));
  }
}
