/** What can be wrong with a write-ahead log, in etcd's words where it has them. */

export type WalErrorCode =
  /** No segment where one is needed. */
  | "not-found"
  /** `create` where a log is already. */
  | "exists"
  /** Another process holds a segment's lock. */
  | "locked"
  /** The record of the asked-for snapshot has another term. */
  | "snapshot-mismatch"
  /** No record of the asked-for snapshot. */
  | "snapshot-not-found"
  /** Damaged beyond a torn tail; always a `WalCorruptError`. */
  | "corrupt"
  /** The disk is full. Nothing of the call is kept; it may be repeated once space is back. */
  | "no-space"
  /** A sync or write failed for good; the log takes nothing any more and the member must stop. */
  | "failed"
  | "closed";

export class WalError extends Error {
  readonly code: WalErrorCode;
  constructor(code: WalErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "WalError";
    this.code = code;
  }
}

/** Damage that no crash can have caused: the log is never cut there. */
export class WalCorruptError extends WalError {
  /** Path of the damaged segment. */
  readonly file: string;
  /** Byte offset of the first record that cannot be trusted. */
  readonly offset: number;
  readonly reason: string;

  constructor(file: string, offset: number, reason: string) {
    super("corrupt", `${reason}: in file '${file}' at position: ${offset}`);
    this.name = "WalCorruptError";
    this.file = file;
    this.offset = offset;
    this.reason = reason;
  }
}

export const CRC_MISMATCH = "walpb: crc mismatch";
export const METADATA_CONFLICT = "wal: conflicting metadata found";
export const ENTRY_GAP = "wal: slice bounds out of range";
export const SNAPSHOT_MISMATCH = "wal: snapshot mismatch";
export const SNAPSHOT_NOT_FOUND = "wal: snapshot not found";
export const FILE_NOT_FOUND = "wal: file not found";
export const FILE_LOCKED = "fileutil: file already locked";
