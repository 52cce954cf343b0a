/** Leases and their keys. */
import { fromBase64 } from "../api/bytes.ts";
import type { CallOptions, EtcdApi } from "../api/etcd-api.ts";
import { hexOf } from "../api/members.ts";

export interface Lease {
  /** In hexadecimal, as etcdctl shows it. */
  readonly id: string;
  readonly decimalId: string;
  /** Seconds left; -1 when it has just ended. */
  readonly ttl: number;
  readonly grantedTtl: number;
  readonly keys: readonly Uint8Array[];
}

export interface LeaseList {
  readonly leases: readonly Lease[];
  /** Of the cluster. */
  readonly total: number;
}

/** Leases whose keys are asked for at each look. */
const SHOWN_LEASES = 100;
/** Questions at a time. */
const AT_ONCE = 8;

export async function listLeases(api: EtcdApi, options: CallOptions): Promise<LeaseList> {
  const answer = await api.call<{ readonly leases?: readonly { readonly ID: string }[] }>(
    "v3/lease/leases",
    {},
    options,
  );
  const ids = (answer.leases ?? []).map(({ ID }) => ID);
  const leases: Lease[] = [];
  for (let at = 0; at < Math.min(ids.length, SHOWN_LEASES); at += AT_ONCE) {
    const some = ids.slice(at, Math.min(at + AT_ONCE, SHOWN_LEASES));
    leases.push(...(await Promise.all(some.map((id) => leaseOf(api, id, options)))));
  }
  return { leases: leases.filter(({ ttl }) => ttl >= 0), total: ids.length };
}

async function leaseOf(api: EtcdApi, ID: string, options: CallOptions): Promise<Lease> {
  const answer = await api.call<{
    readonly TTL?: string;
    readonly grantedTTL?: string;
    readonly keys?: readonly string[];
  }>("v3/lease/timetolive", { ID, keys: true }, options);
  return {
    id: hexOf(ID),
    decimalId: ID,
    ttl: Number(answer.TTL ?? 0),
    grantedTtl: Number(answer.grantedTTL ?? 0),
    keys: (answer.keys ?? []).map(fromBase64),
  };
}
