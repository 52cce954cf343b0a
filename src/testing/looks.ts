/** Looks into a member's store without asking it: no call, no permission, no time. */
import { KeyValue as KeyValueCodec } from "../api/gen/kv.ts";
import { RangeRequest } from "../api/gen/rpc.ts";
import { bytesFromUtf8, EMPTY_BYTES, equalBytes, utf8FromBytes } from "../base/bytes.ts";
import { KEY_BUCKET } from "../backend/index.ts";
import type { LeaseID, Revision } from "../base/ids.ts";
import { isTombstone, mainOf } from "../base/revision-key.ts";
import { KeyValue } from "../client/key-value.ts";
import { prefixEnd } from "../client/index.ts";
import { executeRange } from "../mvcc/index.ts";
import type { EtcdServer } from "../server/index.ts";

/** One change of a key. */
export type Change =
  | {
      readonly type: "put";
      readonly revision: Revision;
      /** As text. */
      readonly value: string;
      /** 1 for a new key, then 2, 3 … */
      readonly version: number;
      /** 0n for none. */
      readonly lease: LeaseID;
    }
  | { readonly type: "delete"; readonly revision: Revision };

/** All keys that begin with `prefix`, in byte order. */
export function keysWith(server: EtcdServer, prefix: string): KeyValue[] {
  const key = prefix === "" ? new Uint8Array(1) : bytesFromUtf8(prefix);
  const rangeEnd = prefix === "" ? new Uint8Array(1) : prefixEnd(prefix);
  return read(server, RangeRequest.create({ key, rangeEnd }));
}

export function keyAt(server: EtcdServer, key: string): KeyValue | undefined {
  return read(server, RangeRequest.create({ key: bytesFromUtf8(key) }))[0];
}

function read({ store }: EtcdServer, request: RangeRequest): KeyValue[] {
  const { kvs } = executeRange(store, request);
  return kvs.map((record) => new KeyValue(KeyValueCodec.decode(new Uint8Array(record))));
}

/** What has become of a key since the last compaction, the oldest first. */
export function changesOf({ store }: EtcdServer, key: string): Change[] {
  const wanted = bytesFromUtf8(key);
  const changes: Change[] = [];
  store.backend.scan(KEY_BUCKET, EMPTY_BYTES, undefined, (bucketKey, record) => {
    const kv = KeyValueCodec.decode(record);
    if (!equalBytes(kv.key, wanted)) return true;
    const revision = mainOf(bucketKey);
    if (isTombstone(bucketKey)) changes.push({ type: "delete", revision });
    else {
      const { version, lease } = kv;
      changes.push({ type: "put", revision, value: utf8FromBytes(kv.value), version, lease });
    }
    return true;
  });
  return changes;
}
