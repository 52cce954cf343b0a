/** Changes of keys, each only if the key is still as it was seen. */
import { toBase64 } from "../api/bytes.ts";
import type { EtcdApi } from "../api/etcd-api.ts";
import { type KeyValue, keyValueOf, type RangeJson } from "../api/kv.ts";

export interface WriteRequest {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** Revision of the version that was seen; 0: the key must not exist. */
  readonly seenRevision: number;
  /** Decimal; "0" for none. */
  readonly lease: string;
}

export type WriteOutcome =
  | { readonly kind: "written"; readonly revision: number }
  /** Somebody else was there first; `theirs` is undefined if the key is gone. */
  | { readonly kind: "conflict"; readonly theirs: KeyValue | undefined };

interface TxnJson {
  readonly header?: { readonly revision?: string };
  readonly succeeded?: boolean;
  readonly responses?: readonly { readonly response_range?: RangeJson }[];
}

/** Writes the key, or says what it has become. */
export async function writeKey(api: EtcdApi, request: WriteRequest): Promise<WriteOutcome> {
  const key = toBase64(request.key);
  const { lease, seenRevision } = request;
  const put = { key, value: toBase64(request.value), ...(lease !== "0" && { lease }) };
  const answer = await api.call<TxnJson>("v3/kv/txn", {
    compare: [unchanged(key, seenRevision)],
    success: [{ request_put: put }],
    failure: [{ request_range: { key } }],
  });
  if (answer.succeeded === true) {
    return { kind: "written", revision: Number(answer.header?.revision ?? 0) };
  }
  const theirs = answer.responses?.[0]?.response_range?.kvs?.[0];
  return { kind: "conflict", theirs: theirs && keyValueOf(theirs) };
}

function unchanged(key: string, seenRevision: number): object {
  return { target: "MOD", result: "EQUAL", key, mod_revision: String(seenRevision) };
}

/** Deletes one key, or all from `key` to `end`; returns how many there were. */
export async function deleteKeys(
  api: EtcdApi,
  range: { readonly key: Uint8Array; readonly end?: Uint8Array },
): Promise<number> {
  const { key, end } = range;
  const answer = await api.call<{ readonly deleted?: string }>("v3/kv/deleterange", {
    key: toBase64(key),
    ...(end !== undefined && { range_end: toBase64(end) }),
  });
  return Number(answer.deleted ?? 0);
}

/** A new lease; its id. */
export async function grantLease(api: EtcdApi, ttlSeconds: number): Promise<string> {
  const answer = await api.call<{ readonly ID: string }>("v3/lease/grant", {
    TTL: String(ttlSeconds),
  });
  return answer.ID;
}

export interface LeaseTime {
  /** Seconds that are left; -1: the lease is gone. */
  readonly ttl: number;
  readonly granted: number;
}

export async function leaseTime(
  api: EtcdApi,
  lease: string,
  signal: AbortSignal,
): Promise<LeaseTime> {
  const answer = await api.call<{ readonly TTL?: string; readonly grantedTTL?: string }>(
    "v3/lease/timetolive",
    { ID: lease },
    { signal },
  );
  return { ttl: Number(answer.TTL ?? 0), granted: Number(answer.grantedTTL ?? 0) };
}

interface WatchJson {
  readonly events?: readonly { readonly kv?: { readonly mod_revision?: string } }[];
  readonly compact_revision?: string;
}

/**
 * The revisions of changes of a key from a revision on, until `signal` is aborted or the stream ends.
 * 0: nobody knows; what was before has been compacted.
 */
export async function* watchKey(
  api: EtcdApi,
  key: Uint8Array,
  fromRevision: number,
  signal: AbortSignal,
): AsyncGenerator<number> {
  const create_request = { key: toBase64(key), start_revision: String(fromRevision) };
  for await (const answer of api.stream<WatchJson>("v3/watch", { create_request }, { signal })) {
    if (answer.compact_revision !== undefined) yield 0;
    for (const { kv } of answer.events ?? []) yield Number(kv?.mod_revision ?? 0);
  }
}

/** A lease id as etcdctl shows it. */
export function leaseText(lease: string): string {
  return BigInt.asUintN(64, BigInt(lease)).toString(16);
}
