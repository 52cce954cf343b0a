/**
 * What is in a snapshot file or db: a checksum over everything, the last revision, how many keys
 * live, its size. The checksum is the one that etcd's tools print.
 */
import { errorMessage } from "../../base/error-message.ts";
import {
  type BoltBackend,
  KEY_BUCKET,
  checkBolt,
  readStorageVersion,
} from "../../backend/index.ts";
import { bytesFromLatin1, EMPTY_BYTES } from "../../base/bytes.ts";
import { crc32c } from "../../base/crc32c.ts";
import { quote } from "../../base/go-quote.ts";
import { DecodeError } from "../../base/wire.ts";
import type { DiskFile } from "../../env/disk.ts";
import { keyOf } from "../../mvcc/index.ts";
import { checkRevisionKey, isTombstone, mainOf } from "../../base/revision-key.ts";
import { withDb } from "./db-access.ts";
import { type UtilityDeps, UtilityError } from "./deps.ts";
import { requireFile } from "./member-paths.ts";

export interface SnapshotStatus {
  readonly hash: number;
  readonly revision: number;
  /** Keys that exist at the last revision. */
  readonly totalKey: number;
  /** Entries of all buckets: what etcdctl called keys. */
  readonly totalEntries: number;
  readonly totalSize: number;
  /** Layout of the db, such as "3.6.0"; empty before 3.6. */
  readonly version: string;
}

const INVALID = "invalid database";
/** Shorter files cannot hold the first page. */
const MIN_PAGE_BYTES = 4096;

/** Throws `UtilityError` for a damaged file, `DiskError` for one that cannot be read. */
export async function snapshotStatus(deps: UtilityDeps, path: string): Promise<SnapshotStatus> {
  requireFile(deps.disk, path);
  if (deps.disk.stat(path)?.isDirectory === true) throw new UtilityError(INVALID);
  const file = deps.disk.open(path);
  try {
    // Go's library begins a new db in an empty file, which it has open for reading.
    if (file.size() === 0) throw new UtilityError(`write ${path}: bad file descriptor`);
    if (file.size() < MIN_PAGE_BYTES) throw new UtilityError(INVALID);
    await checkPages(file);
  } finally {
    file.close();
  }
  return withDb(deps, path, async (db) => summarize(deps, db));
}

async function checkPages(file: DiskFile): Promise<void> {
  const { errors, pageSize } = await checkBolt(file);
  if (errors.length === 0) return;
  // Without a page size not even the head of the file could be read.
  if (pageSize === 0) throw new UtilityError(INVALID);
  throw new UtilityError(
    `snapshot file integrity check failed. ${errors.length} errors found.\n${errors.join("\n")}`,
  );
}

function summarize(deps: UtilityDeps, db: BoltBackend): SnapshotStatus {
  let crc = 0;
  let revision = 0;
  let bytesDone = 0;
  let totalEntries = 0;
  const liveKeys = new Set<string>();
  for (const bucket of db.buckets()) {
    const isKeyBucket = bucket.name === KEY_BUCKET.name;
    crc = crc32c(bytesFromLatin1(bucket.name), crc);
    db.scan(bucket, EMPTY_BYTES, undefined, (key, value) => {
      crc = crc32c(value, crc32c(key, crc));
      totalEntries++;
      if (!isKeyBucket) return true;
      revision = readRevision(key);
      if (isTombstone(key)) liveKeys.delete(readKey(key, value));
      else liveKeys.add(readKey(key, value));
      bytesDone += key.length + value.length;
      deps.progress("reading", bytesDone, db.sizeInUseBytes);
      return true;
    });
  }
  return {
    hash: crc,
    revision,
    totalKey: liveKeys.size,
    totalEntries,
    totalSize: db.sizeBytes,
    version: readStorageVersion(db) ?? "",
  };
}

function readRevision(key: Uint8Array): number {
  try {
    checkRevisionKey(key);
    return mainOf(key);
  } catch (error) {
    throw unreadable("cannot parse revision key", key, error);
  }
}

function readKey(bucketKey: Uint8Array, record: Uint8Array): string {
  try {
    return keyOf(record);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw unreadable("cannot unmarshal value, key", bucketKey, error);
  }
}

function unreadable(what: string, key: Uint8Array, error: unknown): UtilityError {
  const reason = errorMessage(error);
  return new UtilityError(
    `error during bucket key iteration, name: "key" err: ${what}: ${quote(key)} err: ${reason}`,
  );
}
