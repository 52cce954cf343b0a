/** Number kinds that must not be mixed up. IDs use all 64 bits, counters stay safe integers. */

export type MemberID = bigint;
export type ClusterID = bigint;
export type LeaseID = bigint;
export type Revision = number;
export type Term = number;
export type Index = number;

/** Lower-case hex without leading zeros, as Go prints `%x`. */
export function formatID(id: bigint): string {
  return BigInt.asUintN(64, id).toString(16);
}
