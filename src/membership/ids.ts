/**
 * Member and cluster ids, computed as etcd computes them, so that a configuration gives the same
 * ids whichever implementation starts first.
 */
import { createHash } from "node:crypto";
import type { ClusterID, MemberID } from "../base/ids.ts";

/**
 * The first eight bytes of SHA-1 over the sorted peer URLs and the cluster token. A member added
 * at run time has no token; the time of its addition (Unix seconds) makes the id unique instead.
 */
export function computeMemberID(
  peerURLs: readonly string[],
  token: string,
  addedAtSeconds?: number,
): MemberID {
  const hash = createHash("sha1");
  for (const url of [...peerURLs].sort()) hash.update(url);
  hash.update(token);
  if (addedAtSeconds !== undefined) hash.update(String(Math.floor(addedAtSeconds)));
  return hash.digest().readBigUInt64BE(0);
}

/** The first eight bytes of SHA-1 over the member ids, big-endian, in ascending order. */
export function computeClusterID(memberIDs: readonly MemberID[]): ClusterID {
  const hash = createHash("sha1");
  for (const id of [...memberIDs].sort(compareIDs)) {
    const bytes = Buffer.allocUnsafe(8);
    bytes.writeBigUInt64BE(id);
    hash.update(bytes);
  }
  return hash.digest().readBigUInt64BE(0);
}

/** Numeric order, as member lists are sorted. */
export function compareIDs(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
