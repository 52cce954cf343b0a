export { SnapError, type SnapErrorCode } from "./errors.ts";
export { decodeSnapFile, encodeSnapFile, snapName } from "./snap-file.ts";
export { type SnapDeps, SnapshotFiles, type SnapshotPoint } from "./snapshot-files.ts";
