/**
 * The KV service of the proxy: reads that may be old come from the cache, everything else from the
 * members. With a namespace the requests get its prefix and the answers lose it.
 */
import { ERRORS, StatusError } from "../../api/errors.ts";
import {
  CompactionRequest,
  CompactionResponse,
  DeleteRangeRequest,
  DeleteRangeResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  type RequestOp,
  type ResponseHeader,
  type ResponseOp,
  TxnRequest,
  TxnResponse,
} from "../../api/gen/rpc.ts";
import { METHOD } from "../../api/rpc-table.ts";
import { type CallOptions, type EtcdClient, type KeyClient, METHODS } from "../../client/index.ts";
import type { KVCalls } from "../../client/kv-calls.ts";
import type { KeyPrefix } from "../../client/namespace/key-prefix.ts";
import { Leasing } from "../../client/leasing/leasing.ts";
import { prefixedCalls } from "../../client/namespace/prefixed-calls.ts";
import type { UnaryCall } from "../../env/rpc.ts";
import type { ProxyMetrics } from "./metrics.ts";
import { RangeCache } from "./range-cache.ts";
import { callerOf, type Upstream } from "./upstream.ts";

export interface KeyValueOptions {
  readonly upstream: Upstream;
  readonly metrics: ProxyMetrics;
  readonly namespace: KeyPrefix | undefined;
  /** Serializable reads never go back to an older state, whichever member answers. */
  readonly isOrdered: boolean;
  /** Of keys that stand for ownership of others; "" for no leasing. */
  readonly leasingPrefix: string;
  /** The client as its keys are seen; its namespace if there is one. */
  readonly keysOf: (client: EtcdClient) => KeyClient;
}

type Answer = (call: UnaryCall, body: Uint8Array, options: CallOptions) => Promise<Uint8Array>;

export class ProxyKeyValue {
  readonly methods: Readonly<Record<number, Answer>> = {
    [METHOD.Range]: (call, body, options) => this.#range(call, RangeRequest.decode(body), options),
    [METHOD.Put]: (call, body, options) => this.#put(call, PutRequest.decode(body), options),
    [METHOD.DeleteRange]: (call, body, options) =>
      this.#deleteRange(call, DeleteRangeRequest.decode(body), options),
    [METHOD.Txn]: (call, body, options) => this.#txn(call, TxnRequest.decode(body), options),
    [METHOD.Compact]: (call, body, options) =>
      this.#compact(call, CompactionRequest.decode(body), options),
  };
  readonly #options: KeyValueOptions;
  readonly #cache = new RangeCache();
  /** Each token's own: who may not read a key gets nothing by another's ownership. */
  readonly #leasings = new Map<EtcdClient, Leasing>();
  #newestRevision = 0;

  constructor(options: KeyValueOptions) {
    this.#options = options;
    options.upstream.beforeClose = async (client) => {
      const leasing = this.#leasings.get(client);
      this.#leasings.delete(client);
      await leasing?.close();
    };
  }

  async #range(call: UnaryCall, request: RangeRequest, options: CallOptions): Promise<Uint8Array> {
    const { metrics } = this.#options;
    const { token } = callerOf(call);
    if (request.serializable) {
      const cached = this.#cache.get(request, token);
      if (cached !== undefined) metrics.cacheHits.add(1);
      if (cached === "compacted") {
        throw new StatusError(ERRORS.compacted.code, ERRORS.compacted.message);
      }
      if (cached !== undefined) return cached;
      metrics.cacheMisses.add(1);
    }
    const since = this.#cache.generation;
    const answer = await this.#inOrder(call, request, options);
    const bytes = RangeResponse.encode(answer);
    this.#cache.add(request, token, bytes, since);
    this.#counted();
    return bytes;
  }

  async #put(call: UnaryCall, request: PutRequest, options: CallOptions): Promise<Uint8Array> {
    const range = { key: request.key, rangeEnd: new Uint8Array(0) };
    const answer = await this.#changing([range], () => this.#calls(call).put(request, options));
    return PutResponse.encode(answer);
  }

  async #deleteRange(
    call: UnaryCall,
    request: DeleteRangeRequest,
    options: CallOptions,
  ): Promise<Uint8Array> {
    const answer = await this.#changing([request], () =>
      this.#calls(call).deleteRange(request, options),
    );
    return DeleteRangeResponse.encode(answer);
  }

  async #txn(call: UnaryCall, request: TxnRequest, options: CallOptions): Promise<Uint8Array> {
    const changed = changedBy(request);
    const answer = await this.#changing(changed, () =>
      this.#calls(call).txn(request, options, METHODS.txn.repeat),
    );
    // A condition that was looked up tells of keys that others have changed.
    for (const each of request.compare) this.#cache.invalidate(each);
    const operations = answer.succeeded ? request.success : request.failure;
    const since = this.#cache.generation;
    for (const [i, operation] of operations.entries()) {
      this.#remember(operation, answer.responses[i], callerOf(call).token, since);
    }
    this.#counted();
    return TxnResponse.encode(answer);
  }

  async #compact(
    call: UnaryCall,
    request: CompactionRequest,
    options: CallOptions,
  ): Promise<Uint8Array> {
    const answer = await this.#calls(call).compact(request, options);
    this.#cache.compact(request.revision);
    return CompactionResponse.encode(answer);
  }

  /** What may have been cached in between is as old as what was cached before. */
  async #changing<T>(
    ranges: readonly Pick<RangeRequest, "key" | "rangeEnd">[],
    change: () => Promise<T>,
  ): Promise<T> {
    const invalidate = (): void => {
      for (const range of ranges) this.#cache.invalidate(range);
      this.#counted();
    };
    invalidate();
    try {
      return await change();
    } finally {
      invalidate();
    }
  }

  #remember(
    { request }: RequestOp,
    answer: ResponseOp | undefined,
    token: string | undefined,
    since: number,
  ): void {
    if (request?.case !== "requestRange" || answer?.response?.case !== "responseRange") return;
    // The answer inside a transaction has no header; a read of its own has one.
    if (answer.response.value.header === undefined) return;
    this.#cache.add(request.value, token, RangeResponse.encode(answer.response.value), since);
  }

  async #inOrder(
    call: UnaryCall,
    request: RangeRequest,
    options: CallOptions,
  ): Promise<RangeResponse> {
    const calls = this.#calls(call);
    // The first one asks the leader: clients may have seen more by a proxy before this one.
    const isFirst = this.#options.isOrdered && this.#newestRevision === 0;
    const asked = isFirst ? { ...request, serializable: false } : request;
    const answer = await calls.range(asked, options);
    if (!this.#options.isOrdered || this.#isNewer(request, answer.header)) return answer;
    const client = this.#client(call);
    for (const endpoint of client.endpoints) {
      const other = await calls.range(request, { ...options, endpoint });
      if (this.#isNewer(request, other.header)) return other;
    }
    // No member has caught up; the leader has.
    const newest = await calls.range({ ...request, serializable: false }, options);
    this.#isNewer(request, newest.header);
    return newest;
  }

  #isNewer(request: RangeRequest, header: ResponseHeader | undefined): boolean {
    const revision = header?.revision ?? 0;
    if (request.serializable && revision < this.#newestRevision) return false;
    this.#newestRevision = Math.max(this.#newestRevision, revision);
    return true;
  }

  #client(call: UnaryCall): EtcdClient {
    return this.#options.upstream.clientOf(callerOf(call));
  }

  #calls(call: UnaryCall): KVCalls {
    const { leasingPrefix, keysOf } = this.#options;
    const client = this.#client(call);
    if (leasingPrefix === "") return this.#plainCalls(client);
    let leasing = this.#leasings.get(client);
    if (leasing === undefined) {
      const deps = { client: keysOf(client), calls: this.#plainCalls(client) };
      leasing = new Leasing(deps, leasingPrefix);
      this.#leasings.set(client, leasing);
    }
    return leasing.calls;
  }

  #plainCalls(client: EtcdClient): KVCalls {
    const { namespace, upstream } = this.#options;
    const calls = callsOf(client, upstream);
    return namespace === undefined ? calls : prefixedCalls(calls, namespace);
  }

  #counted(): void {
    this.#options.metrics.cacheKeys.set(this.#cache.size);
  }
}

function callsOf(client: EtcdClient, upstream: Upstream): KVCalls {
  const seen = <T extends { header: ResponseHeader | undefined }>(answer: T): T => {
    if (answer.header !== undefined) upstream.lastHeader = answer.header;
    return answer;
  };
  return {
    range: async (request, options) => seen(await client.call(METHODS.range, request, options)),
    put: async (request, options) => seen(await client.call(METHODS.put, request, options)),
    deleteRange: async (request, options) =>
      seen(await client.call(METHODS.deleteRange, request, options)),
    txn: async (request, options) => seen(await client.call(METHODS.txn, request, options)),
    compact: async (request, options) => seen(await client.call(METHODS.compact, request, options)),
  };
}

/** Ranges that either branch may change, those of inner transactions too. */
function changedBy({ success, failure }: TxnRequest): Pick<RangeRequest, "key" | "rangeEnd">[] {
  return [...success, ...failure].flatMap(({ request }) => {
    switch (request?.case) {
      case "requestPut":
        return [{ key: request.value.key, rangeEnd: new Uint8Array(0) }];
      case "requestDeleteRange":
        return [request.value];
      case "requestTxn":
        return changedBy(request.value);
      default:
        return [];
    }
  });
}
