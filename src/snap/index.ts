export { SnapError, type SnapErrorCode } from "./errors.ts";
export { decodeSnapFile, encodeSnapFile, parseSnapName, snapName } from "./snap-file.ts";
export {
  MAX_SNAP_BYTES,
  type SnapDeps,
  SnapshotFiles,
  type SnapshotPoint,
} from "./snapshot-files.ts";
