export { WalCorruptError, WalError, type WalErrorCode } from "./errors.ts";
export { inspectLog, type LogFinding, type LogPlace } from "./inspect-log.ts";
export { walExists } from "./open-log.ts";
export { type PurgeRule, purgeFiles } from "./purge.ts";
export {
  type ReadDeps,
  hasSegmentsBefore,
  readLog,
  recordedSnapshotEntries,
  validSnapshotEntries,
  verifySegmentsBefore,
  type WalContent,
  type WalSnapshotPoint,
} from "./read-log.ts";
export { RecordType } from "./record.ts";
export { SEGMENT_BYTES } from "./segment-bytes.ts";
export { Wal, type WalDeps, type WalOptions } from "./wal.ts";
