export { WalCorruptError, WalError, type WalErrorCode } from "./errors.ts";
export { walExists } from "./open-log.ts";
export { type PurgeRule, purgeFiles } from "./purge.ts";
export {
  type ReadDeps,
  readLog,
  validSnapshotEntries,
  verifyLog,
  verifySegmentsBefore,
  type WalContent,
  type WalSnapshotPoint,
} from "./read-log.ts";
export { SEGMENT_BYTES, Wal, type WalDeps, type WalOptions } from "./wal.ts";
