/**
 * The bytes of a `.snap` file: an envelope with the CRC-32C of the encoded raft snapshot. And the
 * names of the files in a snapshot directory.
 */
import { Snapshot } from "../api/gen/raft.ts";
import { Snapshot as Envelope } from "../api/gen/snap.ts";
import { crc32c } from "../base/crc32c.ts";
import type { Index, Term } from "../base/ids.ts";
import { DecodeError } from "../base/wire.ts";
import { CRC_MISMATCH, EMPTY_SNAPSHOT, SnapError } from "./errors.ts";

export const SNAP_SUFFIX = ".snap";
export const DATABASE_SUFFIX = ".snap.db";

/** Term before index, so that names in order are snapshots in order. */
export function snapName(term: Term, index: Index): string {
  return `${hex16(term)}-${hex16(index)}${SNAP_SUFFIX}`;
}

/** The index of a snapshot; undefined when it is not the name of one. */
export function parseSnapName(name: string): Index | undefined {
  const match = /^[0-9a-f]{16}-([0-9a-f]{16})\.snap$/.exec(name);
  const index = Number.parseInt(match?.[1] ?? "", 16);
  return Number.isSafeInteger(index) ? index : undefined;
}

/** The name of a db file that was received with the snapshot at this index. */
export function databaseName(index: Index): string {
  return `${hex16(index)}${DATABASE_SUFFIX}`;
}

/** Undefined when it is not the name of a received db file. */
export function parseDatabaseName(name: string): Index | undefined {
  const match = /^([0-9a-f]{16})\.snap\.db$/.exec(name);
  const index = Number.parseInt(match?.[1] ?? "", 16);
  return Number.isSafeInteger(index) ? index : undefined;
}

function hex16(value: number): string {
  return value.toString(16).padStart(16, "0");
}

export function encodeSnapFile(snapshot: Snapshot): Uint8Array {
  const data = Snapshot.encode(snapshot);
  return Envelope.encode(Envelope.create({ crc: crc32c(data), data }));
}

/** Throws a `SnapError` that names `path`. The snapshot borrows `content`. */
export function decodeSnapFile(content: Uint8Array, path: string): Snapshot {
  try {
    const { crc, data } = Envelope.decode(content);
    if (data.length === 0 || crc === 0) throw new SnapError("empty", path, EMPTY_SNAPSHOT);
    const actual = crc32c(data);
    if (actual !== crc) {
      const sums = { "prev-crc": crc, "new-crc": actual };
      throw new SnapError("crc-mismatch", path, CRC_MISMATCH, sums);
    }
    return Snapshot.decode(data);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new SnapError("malformed", path, `snap: ${error.message}`);
  }
}
