/**
 * The db inside a snapshot file, copied out. A snapshot file is the db and then the SHA-256 of it;
 * a copy of a db file has no such end.
 */
import { createHash } from "node:crypto";
import type { DiskFile } from "../../env/disk.ts";
import { type UtilityDeps, UtilityError } from "./deps.ts";

export const DIGEST_BYTES = 32;
/** Pages are multiples of this, so a rest of the digest's size is the digest. */
const SECTOR_BYTES = 512;
const CHUNK_BYTES = 1024 * 1024;

/** Whether a file of this size ends with a digest. */
export function hasDigest(fileBytes: number): boolean {
  return fileBytes % SECTOR_BYTES === DIGEST_BYTES;
}

/** The digest of the first `bytes`; each chunk is also given to `use`. */
export async function digestOf(
  deps: UtilityDeps,
  file: DiskFile,
  bytes: number,
  use: (chunk: Uint8Array, position: number) => Promise<void> = async () => undefined,
): Promise<Buffer> {
  const hash = createHash("sha256");
  for (let at = 0; at < bytes; ) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, bytes - at));
    const got = await file.read(chunk, at);
    if (got === 0) throw new UtilityError(`read ${file.path}: unexpected EOF`);
    hash.update(chunk.subarray(0, got));
    await use(chunk.subarray(0, got), at);
    at += got;
    deps.progress("copying", at, bytes);
  }
  return hash.digest();
}

export function readDigest(file: DiskFile, fileBytes: number): Buffer {
  const digest = Buffer.alloc(DIGEST_BYTES);
  file.readSync(digest, fileBytes - DIGEST_BYTES);
  return digest;
}

/** Copies the db to `target`, durable when it settles. The digest must be there and fit, or be waived. */
export async function copySnapshotFile(
  deps: UtilityDeps,
  source: string,
  target: string,
  skipHashCheck: boolean,
): Promise<void> {
  // Go opens a directory, and fails when it reads it.
  if (deps.disk.stat(source)?.isDirectory === true) {
    throw new UtilityError(`read ${source}: is a directory`);
  }
  const from = deps.disk.open(source);
  try {
    const fileBytes = from.size();
    if (fileBytes < DIGEST_BYTES) throw new UtilityError(`seek ${source}: invalid argument`);
    const digested = hasDigest(fileBytes);
    if (!digested && !skipHashCheck) {
      throw new UtilityError("snapshot missing hash but --skip-hash-check=false");
    }
    const found = await copyBytesOf(deps, from, target, fileBytes - (digested ? DIGEST_BYTES : 0));
    const expected = readDigest(from, fileBytes);
    if (digested && !skipHashCheck && !expected.equals(found)) {
      throw new UtilityError(`expected sha256 ${list(expected)}, got ${list(found)}`);
    }
  } finally {
    from.close();
  }
}

/** Copies the first `bytes` to a new file, durable when it settles; returns their digest. */
export async function copyBytesOf(
  deps: UtilityDeps,
  from: DiskFile,
  target: string,
  bytes: number,
): Promise<Buffer> {
  const to = deps.disk.open(target, { create: true, exclusive: true });
  try {
    const digest = await digestOf(deps, from, bytes, (chunk, at) => to.write([chunk], at));
    await to.datasync();
    return digest;
  } finally {
    to.close();
  }
}

/** Bytes as Go prints a list of them. */
function list(bytes: Uint8Array): string {
  return `[${[...bytes].join(" ")}]`;
}
