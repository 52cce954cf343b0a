/** What a backend is opened with. */

import type { Clock } from "../env/clock.ts";
import type { Disk } from "../env/disk.ts";
import type { Logger } from "../env/logger.ts";
import type { Metrics } from "../env/metrics.ts";
import type { BoltFileOptions } from "./bolt/bolt-file.ts";
import type { YieldTurn } from "./slicer.ts";
import type { Bucket } from "./types.ts";

export interface BackendDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: Metrics;
  /** How long work lets others run; default: one turn of Node's event loop. */
  readonly yieldTurn?: YieldTurn;
}

export interface BackendOptions {
  /** Bound on committed pages kept in memory. Default 64 MiB. */
  readonly pageCacheBytes?: number;
  /** Longest time that a write stays uncommitted. Default 100, etcd's --backend-batch-interval. */
  readonly batchIntervalMs?: number;
  /** Writes per transaction. Default 10000, etcd's --backend-batch-limit. */
  readonly batchLimit?: number;
  /** Keep the list of free pages in the file. Default false, as etcd. */
  readonly freelistSync?: boolean;
  /** etcd's --unsafe-no-fsync. Default false. */
  readonly noFsync?: boolean;
  /** Of the memory that writes wait in: see `SlabPool`. */
  readonly slabBytes?: number | undefined;
  /** Buckets that exist after opening. */
  readonly ensureBuckets?: readonly Bucket[];
  /** Take no lock and refuse writes. Default false. */
  readonly readOnly?: boolean;
  /** Refuse to create the file. Default false; readOnly implies it. */
  readonly mustExist?: boolean;
}

const DEFAULT_PAGE_CACHE_BYTES = 64 * 1024 * 1024;
export const DEFAULT_BATCH_INTERVAL_MS = 100;
/** Operations after which a batch is committed without waiting for its interval, as in etcd. */
export const DEFAULT_BATCH_LIMIT = 10_000;

export function fileOptions(options: BackendOptions): BoltFileOptions {
  return {
    pageCacheBytes: options.pageCacheBytes ?? DEFAULT_PAGE_CACHE_BYTES,
    readOnly: options.readOnly === true,
    freelistSync: options.freelistSync === true,
    noFsync: options.noFsync === true,
    mustExist: options.mustExist === true,
  };
}
