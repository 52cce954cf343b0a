/** Answers of the key-value service, with `KeyValue` objects instead of raw records. */
import type * as rpc from "../api/gen/rpc.ts";
import type { ResponseHeader } from "../api/gen/rpc.ts";
import type { ClusterID, MemberID, Revision } from "../base/ids.ts";
import { type JsonObject, toJsonObject } from "./json.ts";
import { KeyValue, wrapKeyValues } from "./key-value.ts";

/** A header that `JSON.stringify` takes. */
class AnswerHeader implements ResponseHeader {
  clusterId: ClusterID;
  memberId: MemberID;
  revision: Revision;
  raftTerm: number;

  constructor(raw: ResponseHeader | undefined) {
    this.clusterId = raw?.clusterId ?? 0n;
    this.memberId = raw?.memberId ?? 0n;
    this.revision = raw?.revision ?? 0;
    this.raftTerm = raw?.raftTerm ?? 0;
  }

  toJSON(): JsonObject {
    return toJsonObject(this);
  }
}

abstract class KVResponse {
  /** Inside a transaction's answer, only `revision` is set. */
  readonly header: ResponseHeader;

  constructor(header: ResponseHeader | undefined) {
    this.header = new AnswerHeader(header);
  }

  /** Revision of the store when this was answered. */
  get revision(): Revision {
    return this.header.revision;
  }

  /** For `JSON.stringify`: ids as decimal text, bytes as base64. */
  toJSON(): JsonObject {
    return toJsonObject(this);
  }
}

export class GetResponse extends KVResponse {
  readonly kind = "get" as const;
  readonly kvs: readonly KeyValue[];
  /** There are more keys than `limit` allowed. */
  readonly more: boolean;
  /** All keys of the range, whatever `limit` says. */
  readonly count: number;

  constructor(raw: rpc.RangeResponse) {
    super(raw.header);
    this.kvs = wrapKeyValues(raw.kvs);
    this.more = raw.more;
    this.count = raw.count;
  }

  /** The only or first key; undefined if there is none. */
  get kv(): KeyValue | undefined {
    return this.kvs[0];
  }
}

export class PutResponse extends KVResponse {
  readonly kind = "put" as const;
  /** What was there before, if asked for with `prevKV` and if there was something. */
  readonly prevKV: KeyValue | undefined;

  constructor(raw: rpc.PutResponse) {
    super(raw.header);
    this.prevKV = raw.prevKv === undefined ? undefined : new KeyValue(raw.prevKv);
  }
}

export class DeleteResponse extends KVResponse {
  readonly kind = "delete" as const;
  /** Number of keys that are gone. */
  readonly deleted: number;
  /** What they were, if asked for with `prevKV`. */
  readonly prevKVs: readonly KeyValue[];

  constructor(raw: rpc.DeleteRangeResponse) {
    super(raw.header);
    this.deleted = raw.deleted;
    this.prevKVs = wrapKeyValues(raw.prevKvs);
  }
}

/** What an operation of a transaction answers. */
export type OpResponse = GetResponse | PutResponse | DeleteResponse | TxnResponse;

export class TxnResponse extends KVResponse {
  readonly kind = "txn" as const;
  /** Which branch was carried out: true for that of `do`, false for that of `otherwise`. */
  readonly succeeded: boolean;
  /** One for each operation of the branch. */
  readonly responses: readonly OpResponse[];

  constructor(raw: rpc.TxnResponse) {
    super(raw.header);
    this.succeeded = raw.succeeded;
    this.responses = raw.responses.map(toOpResponse);
  }

  /** The answer of a get at this place; throws `TypeError` if the operation is none. */
  get(index: number): GetResponse {
    const response = this.responses[index];
    if (response?.kind !== "get") {
      throw new TypeError(`operation ${index} is ${response?.kind ?? "missing"}, not get`);
    }
    return response;
  }
}

function toOpResponse({ response }: rpc.ResponseOp): OpResponse {
  switch (response?.case) {
    case "responseRange":
      return new GetResponse(response.value);
    case "responsePut":
      return new PutResponse(response.value);
    case "responseDeleteRange":
      return new DeleteResponse(response.value);
    case "responseTxn":
      return new TxnResponse(response.value);
    case undefined:
      throw new TypeError("the server's answer lacks the result of an operation");
  }
}
