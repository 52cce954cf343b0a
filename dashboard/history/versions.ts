/**
 * The versions of a key, the newest first: each is read at the revision before the one that follows
 * it. The walk ends where the key was made, or where compaction has cleared the past.
 */
import { ApiError } from "../api/api-error.ts";
import type { KeyValue } from "../api/kv.ts";
import type { Ranger } from "../keys/level.ts";

export type WalkEnd =
  /** There are older versions; go on from the last one. */
  | "more"
  /** The key did not exist before. */
  | "created"
  /** Older revisions have been compacted. */
  | "compacted";

export interface Versions {
  readonly versions: readonly KeyValue[];
  readonly end: WalkEnd;
}

const COMPACTED = "etcdserver: mvcc: required revision has been compacted";

/** Up to `count` versions at and before `revision`; none if the key did not exist then. */
export async function walkVersions(
  range: Ranger,
  key: Uint8Array,
  revision: number,
  count: number,
  signal: AbortSignal,
): Promise<Versions> {
  const versions: KeyValue[] = [];
  let at = revision;
  while (versions.length < count) {
    const version = await versionAt(range, key, at, signal);
    if (version === "compacted") return { versions, end: "compacted" };
    if (version === undefined) return { versions, end: "created" };
    versions.push(version);
    if (version.version === 1) return { versions, end: "created" };
    at = version.modRevision - 1;
  }
  return { versions, end: "more" };
}

async function versionAt(
  range: Ranger,
  key: Uint8Array,
  revision: number,
  signal: AbortSignal,
): Promise<KeyValue | "compacted" | undefined> {
  try {
    return (await range({ key, revision }, signal)).kvs[0];
  } catch (error) {
    if (isCompacted(error)) return "compacted";
    throw error;
  }
}

export function isCompacted(error: unknown): boolean {
  return error instanceof ApiError && error.message === COMPACTED;
}

/**
 * The oldest revision that can still be read, found by halving: the API does not tell it. `key` is
 * one that the user may read.
 */
export async function oldestRevision(
  range: Ranger,
  key: Uint8Array,
  current: number,
  signal: AbortSignal,
): Promise<number> {
  let low = 1;
  let high = current;
  while (low < high) {
    const half = Math.floor((low + high) / 2);
    if ((await versionAt(range, key, half, signal)) === "compacted") low = half + 1;
    else high = half;
  }
  return high;
}
