/**
 * Member and cluster ids, computed as etcd computes them, so that a configuration gives the same
 * ids whichever implementation starts first.
 */
import { createHash } from "node:crypto";
import { bytesFromUtf8 } from "../base/bytes.ts";
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
  const added = addedAtSeconds === undefined ? "" : String(Math.floor(addedAtSeconds));
  const urls = [...peerURLs].sort(compareUtf8);
  return idFromDigest(bytesFromUtf8(urls.join("") + token + added));
}

/** The first eight bytes of SHA-1 over the member ids, big-endian, in ascending order. */
export function computeClusterID(memberIDs: readonly MemberID[]): ClusterID {
  const bytes = Buffer.alloc(8 * memberIDs.length);
  [...memberIDs].sort(compareIDs).forEach((id, i) => {
    bytes.writeBigUInt64BE(id, 8 * i);
  });
  return idFromDigest(bytes);
}

function idFromDigest(data: Uint8Array): bigint {
  return createHash("sha1").update(data).digest().readBigUInt64BE(0);
}

/** Go sorts strings by their UTF-8 bytes. */
export function compareUtf8(a: string, b: string): number {
  return Buffer.compare(bytesFromUtf8(a), bytesFromUtf8(b));
}

/** Numeric order, as member lists are sorted. */
export function compareIDs(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
