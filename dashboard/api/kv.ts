/** Keys, values and revisions, from and to the JSON of the API. Revisions are safe integers. */
import { END_OF_KEYS, fromBase64, prefixEnd, toBase64 } from "./bytes.ts";
import type { CallOptions, EtcdApi } from "./etcd-api.ts";

export interface KeyValue {
  readonly key: Uint8Array;
  /** Empty when only keys were asked for. */
  readonly value: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  /** Decimal, as the API writes 64-bit numbers; "0" for none. */
  readonly lease: string;
}

export interface KeyValueJson {
  readonly key?: string;
  readonly value?: string;
  readonly create_revision?: string;
  readonly mod_revision?: string;
  readonly version?: string;
  readonly lease?: string;
}

export interface HeaderJson {
  readonly cluster_id?: string;
  readonly member_id?: string;
  readonly revision?: string;
  readonly raft_term?: string;
}

export interface RangeRequest {
  readonly key: Uint8Array;
  /** Exclusive; one key if missing. */
  readonly end?: Uint8Array | undefined;
  /** 0 or missing: all. */
  readonly limit?: number | undefined;
  /** 0 or missing: the newest. */
  readonly revision?: number | undefined;
  readonly keysOnly?: boolean | undefined;
  readonly countOnly?: boolean | undefined;
}

export interface RangeAnswer {
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  readonly count: number;
  /** The store's revision at the time of the answer. */
  readonly revision: number;
}

export interface RangeJson {
  readonly header?: HeaderJson;
  readonly kvs?: readonly KeyValueJson[];
  readonly more?: boolean;
  readonly count?: string;
}

export async function range(
  api: EtcdApi,
  request: RangeRequest,
  options: CallOptions = {},
): Promise<RangeAnswer> {
  return rangeAnswerOf(await api.call<RangeJson>("v3/kv/range", rangeJson(request), options));
}

export function rangeJson(request: RangeRequest): object {
  const { key, end, limit = 0, revision = 0, keysOnly = false, countOnly = false } = request;
  return {
    key: toBase64(key),
    ...(end !== undefined && { range_end: toBase64(end) }),
    ...(limit > 0 && { limit: String(limit) }),
    ...(revision > 0 && { revision: String(revision) }),
    ...(keysOnly && { keys_only: true }),
    ...(countOnly && { count_only: true }),
  };
}

export function rangeAnswerOf(answer: RangeJson): RangeAnswer {
  return {
    kvs: (answer.kvs ?? []).map(keyValueOf),
    more: answer.more ?? false,
    count: Number(answer.count ?? 0),
    revision: Number(answer.header?.revision ?? 0),
  };
}

export function keyValueOf(json: KeyValueJson): KeyValue {
  return {
    key: fromBase64(json.key),
    value: fromBase64(json.value),
    createRevision: Number(json.create_revision ?? 0),
    modRevision: Number(json.mod_revision ?? 0),
    version: Number(json.version ?? 0),
    lease: json.lease ?? "0",
  };
}

/** All keys that begin with `prefix`; etcd writes "all keys" as from "\0" to "\0". */
export function prefixRange(prefix: Uint8Array): { key: Uint8Array; end: Uint8Array } {
  return { key: prefix.length === 0 ? END_OF_KEYS : prefix, end: prefixEnd(prefix) };
}
