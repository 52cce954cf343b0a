/**
 * The multi-version key-value layer: store, requests, watches.
 *
 * How the server uses it: `new Store({backend, leases})`, `restore()`; for each client request
 * `checkX` before raft; for each committed entry `executeX`, then `encodeXResponse`; for reads
 * `executeRange`, or `RangeExecution` in slices. Between entries, and never inside one:
 * `store.runCompaction(n)` while `store.compactionPending`, `watchable.syncWatchers(n)` while
 * `watchable.hasUnsynced`, `HashJob.step(n)`.
 */

export type { CompactionResult, CompactionStep } from "./compaction.ts";
export { type HashJob, hashInSteps, type KeyValueHash } from "./hash.ts";
export { KeyValueView, keyOf } from "./key-value.ts";
export { type LeaseAttachments, type LeaseHooks, NO_LEASE } from "./lease-hooks.ts";
export { type CompactMarks, readCompactMarks, SCHEDULED_COMPACT_KEY } from "./meta.ts";
export {
  checkDeleteRange,
  checkPut,
  checkRange,
  checkTxn,
  type RequestLimits,
} from "./requests/check.ts";
export {
  encodeDeleteRangeResponse,
  encodePutResponse,
  encodeRangeResponse,
  encodeRecordParts,
  encodeTxnResponse,
  sizeRangeResponse,
} from "./requests/encode.ts";
export { executePlainTxn } from "./requests/plain-txn.ts";
export { RangeEncoder } from "./requests/range-encoder.ts";
export {
  executeGet,
  executeRange,
  RangeExecution,
  type RangeOptions,
  type RangeResult,
} from "./requests/range.ts";
export {
  executeTxn,
  isTxnReadonly,
  isTxnSerializable,
  isWideTxn,
  type OpResult,
  readTxnInSteps,
  type TxnResult,
  txnInSteps,
} from "./requests/txn.ts";
export {
  type DeleteRangeResult,
  deleteKeysInSteps,
  deleteRangeInSteps,
  executeCompaction,
  executeDeleteRange,
  executePut,
  isWideDeletion,
  type PutResult,
} from "./requests/write.ts";
export type { Records } from "./record-list.ts";
export { registerStoreMetrics } from "./mvcc-metrics.ts";
export { type KeyHistory, type LoadedState, loadState, type RestoreReport } from "./restore.ts";
export { Store, type StoreOptions } from "./store.ts";
export {
  encodeWatchHead,
  watchFragments,
  type WatchMessage,
  watchMessage,
  watchSeries,
  type WatchResponseHead,
} from "./watch/response.ts";
export {
  type WatchCreated,
  type WatchStream,
  type WatchStreamState,
  watchedRange,
} from "./watch/watch-stream.ts";
export { type SyncState, WatchableStore } from "./watch/watchable-store.ts";
export { INVALID_WATCH_ID, type WatchID, type WatchInfo, type WatchSink } from "./watch/watcher.ts";
