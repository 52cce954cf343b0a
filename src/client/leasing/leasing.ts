/**
 * Reads without asking: a client that owns a key knows its value, and whoever wants to write to it
 * makes the owner leave first. For keys that one program reads often and few others write.
 *
 * The keys are those of etcd's own leasing clients, so owners in Go and here respect each other.
 * Writers that go past it, and keys with leases, are not seen: see docs/client.md.
 */
import type { KeyValue } from "../../api/gen/kv.ts";
import {
  Compare,
  Compare_CompareResult,
  Compare_CompareTarget,
  DeleteRangeResponse,
  PutRequest,
  PutResponse,
  type RangeRequest,
  type RangeResponse,
  type RequestOp,
  TxnRequest,
  TxnResponse,
} from "../../api/gen/rpc.ts";
import { latin1FromBytes } from "../../base/bytes.ts";
import type { LeaseID, Revision } from "../../base/ids.ts";
import { optionNames } from "../../base/known-options.ts";
import { toBytes } from "../bytes.ts";
import { isErrorKind } from "../errors.ts";
import { KV } from "../kv.ts";
import type { KVCalls } from "../kv-calls.ts";
import type { RepeatRule } from "../methods.ts";
import { KeyPrefix } from "../namespace/key-prefix.ts";
import type { KeyClient } from "../namespace/namespace.ts";
import { type Bytes, type CallOptions, checkOptions } from "../options.ts";
import { within } from "../waiting.ts";
import { GuardedWrites, read } from "./guarded-writes.ts";
import { asksForOneKey, localRange, localTxn, readNames } from "./local-answers.ts";
import { madeAt, Ownership } from "./ownership.ts";
import { writtenBy } from "./written.ts";

export interface LeasingOptions {
  /** Seconds that writers wait, at least, for an owner that has crashed. Default 60. */
  readonly ttl?: number | undefined;
}

const LEASING_OPTIONS = optionNames<LeasingOptions>({ ttl: true });

export interface LeasingDeps {
  readonly client: KeyClient;
  /** What reads and writes in the end. */
  readonly calls: KVCalls;
}

export class Leasing implements AsyncDisposable {
  /** Reads and writes; keys that are read alone and have no lease become owned. */
  readonly kv: KV;
  /** The same with etcd's own messages. */
  readonly calls: KVCalls;
  readonly #deps: LeasingDeps;
  readonly #prefix: KeyPrefix;
  readonly #ownership: Ownership;
  readonly #writes: GuardedWrites;

  /** See `EtcdClient.leasing`. */
  constructor(deps: LeasingDeps, prefix: Bytes, options: LeasingOptions = {}) {
    checkOptions("leasing", options, LEASING_OPTIONS);
    this.#deps = deps;
    this.#prefix = new KeyPrefix(prefix);
    const shared = { ...deps, prefix: this.#prefix };
    this.#ownership = new Ownership({
      ...shared,
      prefixText: toBytes(prefix, "prefix"),
      ttl: options.ttl,
    });
    this.#writes = new GuardedWrites({ ...shared, ownership: this.#ownership });
    this.calls = {
      range: (request, call) => this.#range(request, call),
      put: async (request, call) => {
        const operation: RequestOp = { request: { case: "requestPut", value: request } };
        const { header, answer } = await this.#writes.write(operation, call, "write");
        const put = answer?.response?.case === "responsePut" ? answer.response.value : undefined;
        return PutResponse.create({ ...put, header });
      },
      deleteRange: async (request, call) => {
        const operation: RequestOp = { request: { case: "requestDeleteRange", value: request } };
        const { header, answer } = await this.#writes.write(operation, call, "write");
        const response = answer?.response;
        const deleted = response?.case === "responseDeleteRange" ? response.value : undefined;
        return DeleteRangeResponse.create({ ...deleted, header });
      },
      txn: (request, call, repeat) => this.#txn(request, call, repeat),
      compact: (request, call) => deps.calls.compact(request, call),
    };
    this.kv = new KV(this.calls);
  }

  /**
   * Settles when keys can be owned, which the first read begins otherwise; until then reads ask the
   * cluster. Rejects when there can be no session.
   */
  ready(): Promise<void> {
    return this.#ownership.ready();
  }

  /** Gives all keys back. What is read afterwards is asked for, and nothing is owned any more. */
  close(): Promise<void> {
    return this.#ownership.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #range(request: RangeRequest, options: CallOptions): Promise<RangeResponse> {
    const { calls } = this.#deps;
    if (!asksForOneKey(request)) return calls.range(request, options);
    const { keys } = this.#ownership;
    const name = latin1FromBytes(request.key);
    await this.#written([name], options);
    const leaseID = this.#ownership.leaseID;
    const owned = leaseID === undefined ? undefined : keys.get(name);
    if (owned !== undefined) return localRange(request, owned);
    if (request.serializable || !keys.mayAcquire(name)) return calls.range(request, options);
    if (leaseID === undefined) {
      this.#ownership.begin();
      return calls.range(request, options);
    }
    try {
      return await this.#acquire(request, name, leaseID, options);
    } catch (error) {
      if (!isErrorKind(error, "leaseNotFound")) throw error;
      this.#ownership.leaseIsGone(leaseID);
      return calls.range(request, options);
    }
  }

  /** Reads and, if nobody else owns the key, takes it. */
  async #acquire(
    request: RangeRequest,
    name: string,
    leaseID: LeaseID,
    options: CallOptions,
  ): Promise<RangeResponse> {
    const { keys } = this.#ownership;
    const key = this.#prefix.add(request.key);
    const acquisition = keys.beginAcquisition(name);
    try {
      const answer = await this.#deps.calls.txn(
        TxnRequest.create({
          compare: [madeAt(key, 0), hasNoLease(request.key)],
          success: [read(request.key), mark(key, leaseID)],
          failure: [read(request.key), read(key)],
        }),
        options,
        "repeatable",
      );
      const kv = firstKey(answer, 0);
      const header = answer.header ?? { clusterId: 0n, memberId: 0n, revision: 0, raftTerm: 0 };
      const since = answer.succeeded ? header.revision : this.#sinceOf(answer, leaseID);
      if (since !== undefined) keys.acquired(acquisition, { since, header, kv });
      return localRange(request, { header, kv });
    } finally {
      keys.endAcquisition(acquisition);
    }
  }

  /** The key is ours already; undefined when it is another's, or when another wants it. */
  #sinceOf(answer: TxnResponse, leaseID: LeaseID): Revision | undefined {
    const found = firstKey(answer, 1);
    const isOurs = found?.lease === leaseID && found.value.length === 0;
    return isOurs ? found.createRevision : undefined;
  }

  async #txn(request: TxnRequest, options: CallOptions, repeat: RepeatRule): Promise<TxnResponse> {
    const operation: RequestOp = { request: { case: "requestTxn", value: request } };
    const { points, ranges } = writtenBy([operation]);
    if (points.size === 0 && ranges.length === 0) {
      const local = await this.#localTxn(request, options);
      return local ?? this.#deps.calls.txn(request, options, repeat);
    }
    const { header, answer } = await this.#writes.write(operation, options, repeat);
    const inner = answer?.response?.case === "responseTxn" ? answer.response.value : undefined;
    return TxnResponse.create({ ...inner, header });
  }

  /** Undefined when not all of its keys are owned. */
  async #localTxn(request: TxnRequest, options: CallOptions): Promise<TxnResponse | undefined> {
    const names = readNames(request);
    if (names === undefined || names.length === 0) return undefined;
    await this.#written(names, options);
    const { keys, leaseID } = this.#ownership;
    if (leaseID === undefined) return undefined;
    const owned = names.map((name) => keys.get(name));
    const headers = owned.flatMap((each) => (each === undefined ? [] : [each.header]));
    if (headers.length < owned.length) return undefined;
    const newest = headers.reduce((a, b) => (b.revision > a.revision ? b : a));
    return localTxn(request, newest, (name) => keys.get(name)?.kv);
  }

  /** Until no write to these keys is under way. */
  async #written(names: readonly string[], options: CallOptions): Promise<void> {
    const { keys } = this.#ownership;
    const { clock } = this.#deps.client;
    const { timeoutMs, signal } = options;
    const deadlineMs =
      timeoutMs === undefined ? Number.POSITIVE_INFINITY : clock.nowMs() + timeoutMs;
    for (;;) {
      const busy = names.map((name) => keys.writing(name)).find((each) => each !== undefined);
      if (busy === undefined) return;
      await within(busy, { deadlineMs, signal }, clock);
    }
  }
}

/** What has a lease may vanish without a word to its owner. */
function hasNoLease(key: Uint8Array): Compare {
  return Compare.create({
    key,
    result: Compare_CompareResult.EQUAL,
    target: Compare_CompareTarget.LEASE,
    targetUnion: { case: "lease", value: 0n },
  });
}

function mark(key: Uint8Array, lease: LeaseID): RequestOp {
  return { request: { case: "requestPut", value: PutRequest.create({ key, lease }) } };
}

function firstKey({ responses }: TxnResponse, index: number): KeyValue | undefined {
  const response = responses[index]?.response;
  return response?.case === "responseRange" ? response.value.kvs[0] : undefined;
}
