/** Why a snapshot file cannot be used, in etcd's words. */

export type SnapErrorCode = "empty" | "crc-mismatch" | "malformed" | "no-database";

export class SnapError extends Error {
  readonly code: SnapErrorCode;
  readonly path: string;
  constructor(code: SnapErrorCode, path: string, message: string) {
    super(`${message}: ${path}`);
    this.name = "SnapError";
    this.code = code;
    this.path = path;
  }
}

export const EMPTY_SNAPSHOT = "snap: empty snapshot";
export const CRC_MISMATCH = "snap: crc mismatch";
export const NO_DATABASE = "snap: snapshot file doesn't exist";
