/** Why a snapshot file cannot be used, in etcd's words. */

export type SnapErrorCode = "empty" | "crc-mismatch" | "malformed" | "no-database";

export class SnapError extends Error {
  readonly code: SnapErrorCode;
  readonly path: string;
  /** The message without the path. */
  readonly reason: string;
  /** What the log says beside the path. */
  readonly fields: Readonly<Record<string, unknown>>;
  constructor(
    code: SnapErrorCode,
    path: string,
    reason: string,
    fields: Readonly<Record<string, unknown>> = {},
  ) {
    super(`${reason}: ${path}`);
    this.name = "SnapError";
    this.code = code;
    this.path = path;
    this.reason = reason;
    this.fields = fields;
  }
}

/** What the log says of a file that cannot be used. */
export const LOG_TEXTS: Readonly<Record<SnapErrorCode, string>> = {
  empty: "failed to read empty snapshot data",
  "crc-mismatch": "snap file is corrupt",
  malformed: "failed to unmarshal snappb.Snapshot",
  "no-database": "failed to find [SNAPSHOT-INDEX].snap.db",
};

export const EMPTY_SNAPSHOT = "snap: empty snapshot";
export const CRC_MISMATCH = "snap: crc mismatch";
export const NO_DATABASE = "snap: snapshot file doesn't exist";
