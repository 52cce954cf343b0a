/**
 * The KV service: checks a request, then reads locally or sends it through raft.
 *
 * Requests are decoded from the bytes that go into the log (writes) or from a copy (reads that
 * wait), since a call's body is only borrowed.
 */
import { MAX_MESSAGE_BYTES } from "../../api/message-size.ts";
import { EtcdError, StatusCode } from "../../api/errors.ts";
import { CompactionRequest, type PutRequest, RangeRequest, TxnRequest } from "../../api/gen/rpc.ts";
import { type PlainGet, scanPlainGet } from "../../api/get-scan.ts";
import { type PlainTxn, scanPlainTxn } from "../../api/plain-txn.ts";
import { countTxnOperations } from "../../api/txn-scan.ts";
import { bytesFromLatin1, copyBytes } from "../../base/bytes.ts";
import type { CallSpan, UnaryCall } from "../../env/index.ts";
import {
  checkDeleteRange,
  checkPut,
  checkRange,
  checkTxn,
  encodeRangeResponse,
  encodeRecordParts,
  encodeTxnResponse,
  executeGet,
  executeRange,
  isTxnReadonly,
  isTxnSerializable,
  RangeExecution,
  type RangeResult,
  readTxnInSteps,
  type TxnResult,
  sizeRangeResponse,
} from "../../mvcc/index.ts";
import { METHOD } from "../../api/rpc-table.ts";
import type { Identity } from "../../auth/index.ts";
import type { ApplyCounters } from "../apply/apply-metrics.ts";
import type { Answering, Counted, ServerContext } from "../context.ts";
import type { BuiltRequest, Outcome, Proposal } from "../log/proposals.ts";
import { plainTxnCost, putCost, txnCost } from "../apply/quota.ts";
import { LOG_REQUESTS, type LogRequest } from "../log/log-requests.ts";
import { RaftField } from "../log/raft-request.ts";
import { SPAN_NAMES } from "../span-names.ts";
import type { RequestMeter } from "../tracing/request-meter.ts";
import type { ReadEnd, SlowRequests } from "../tracing/slow-requests.ts";
import type { QuotaGate } from "./quota-gate.ts";
import { RangeReply } from "./range-reply.ts";
import { failWith, finish, giveUp } from "./reply.ts";
import type { UnaryRows } from "./rows.ts";

/** From here on range responses are encoded where they leave from, as the client takes them. */
const DIRECT_RESPONSE_BYTES = 8 * 1024;
/** From here on a record is not copied into its response. */
const LARGE_RECORD_BYTES = 32 * 1024;
/** Records beyond this are read again when their piece is made: a slow reader holds no more. */
const KEPT_RESPONSE_BYTES = 4 * 1024 * 1024;

export type KeyValueNeeds = Answering &
  Counted<Pick<ApplyCounters, "operations">> &
  Pick<
    ServerContext,
    "auth" | "compactionDone" | "options" | "proposals" | "propose" | "reads" | "refusal" | "turns"
  >;

export class KeyValueService {
  readonly unary: UnaryRows = {
    [METHOD.Range]: (call, who) => this.range(call, who),
    [METHOD.Put]: (call, who) => this.put(call, who),
    [METHOD.DeleteRange]: (call, who) => this.deleteRange(call, who),
    [METHOD.Txn]: (call, who) => this.txn(call, who),
    [METHOD.Compact]: (call, who) => this.compact(call, who),
  };
  readonly #server: KeyValueNeeds;
  readonly #quota: QuotaGate;
  readonly #meter: RequestMeter;
  readonly #slow: SlowRequests;

  constructor(server: KeyValueNeeds, quota: QuotaGate, meter: RequestMeter, slow: SlowRequests) {
    this.#server = server;
    this.#quota = quota;
    this.#meter = meter;
    this.#slow = slow;
  }

  range(call: UnaryCall, who: Identity): void {
    const get = this.#server.auth.store.enabled ? undefined : scanPlainGet(call.body);
    if (get === undefined) this.#range(call, who);
    else this.#get(call, get, who);
  }

  #get(call: UnaryCall, get: PlainGet, who: Identity): void {
    const startMs = this.#meter.nowMs();
    if (get.isSerializable) {
      this.#executeGet(call, get, who, startMs);
      return;
    }
    this.#server.reads.add((error) => {
      if (error !== undefined) {
        this.#failRange(call, get, startMs, this.#meter.nowMs(), error);
      } else if (call.cancelled) giveUp(call);
      else this.#executeGet(call, get, who, startMs);
    }, call.span);
  }

  #executeGet(call: UnaryCall, get: PlainGet, who: Identity, startMs: number): void {
    const { store, counters } = this.#server;
    counters.operations.range++;
    const readMs = this.#meter.nowMs();
    try {
      this.#answerRange(call, get, who, { startMs, readMs }, executeGet(store, get.key));
    } catch (error) {
      this.#failRange(call, get, startMs, readMs, error);
    }
  }

  #range(call: UnaryCall, who: Identity): void {
    const borrowed = RangeRequest.decode(call.body);
    checkRange(borrowed);
    if (this.#server.auth.store.enabled) this.#server.auth.permissions.checkRange(who, borrowed);
    const startMs = this.#meter.nowMs();
    if (borrowed.serializable && borrowed.rangeEnd.length === 0) {
      this.#executeRange(call, borrowed, who, startMs);
      return;
    }
    // What may outlive this turn must not borrow the call's bytes.
    const request = RangeRequest.decode(copyBytes(call.body));
    if (request.serializable) {
      this.#executeRange(call, request, who, startMs);
      return;
    }
    this.#server.reads.add((error) => {
      if (error !== undefined) {
        this.#failRange(call, request, startMs, this.#meter.nowMs(), error);
      } else if (call.cancelled) giveUp(call);
      else this.#executeRange(call, request, who, startMs);
    }, call.span);
  }

  put(call: UnaryCall, who: Identity): void {
    this.#propose(call, who, RaftField.put, LOG_REQUESTS.put, this.#checkPut);
  }

  readonly #checkPut = (request: PutRequest): void => {
    checkPut(request);
    this.#quota.check(putCost(request));
  };

  deleteRange(call: UnaryCall, who: Identity): void {
    this.#propose(call, who, RaftField.deleteRange, LOG_REQUESTS.deleteRange, checkDeleteRange);
  }

  txn(call: UnaryCall, who: Identity): void {
    const { maxTxnOps } = this.#server.options;
    const built = this.#server.proposals.build(RaftField.txn, call.body, who, call.bodyHasRoom);
    if (!this.#server.auth.store.enabled && maxTxnOps > 0) {
      const plain = scanPlainTxn(built.data, built.start, built.end);
      if (plain !== undefined) {
        this.#quota.check(plainTxnCost(plain));
        this.#submit(call, built, undefined, plain);
        return;
      }
    }
    // Counted before anything is decoded: millions of empty operations fit into one request.
    if (countTxnOperations(call.body) > maxTxnOps) throw new EtcdError("tooManyOps");
    const request = TxnRequest.decode(built.data, built.start, built.end);
    checkTxn(request, { maxTxnOps });
    if (this.#server.auth.store.enabled) this.#server.auth.permissions.checkTxn(who, request);
    if (isTxnReadonly(request)) {
      this.#readOnlyTxn(call, request, who);
      return;
    }
    this.#quota.check(txnCost(request));
    this.#submit(call, built, request);
  }

  /** With `physical`, the answer waits until the old revisions are gone for good. */
  compact(unobserved: UnaryCall, who: Identity): void {
    const call = this.#slow.observe(unobserved);
    const { physical } = CompactionRequest.decode(call.body);
    const server = this.#server;
    this.#refuseIfNeeded();
    server.propose(RaftField.compaction, copyBytes(call.body), who, call.span).then(
      (reply) => {
        if (!physical) {
          call.replyParts(reply);
          return;
        }
        server.compactionDone().then(
          () => call.replyParts(reply),
          (error: unknown) => failWith(call, error),
        );
      },
      (error: unknown) => failWith(call, error),
    );
  }

  /** A single key is read at once; a range in slices, so that it holds nobody up. */
  #executeRange(call: UnaryCall, request: RangeRequest, who: Identity, startMs: number): void {
    const { store, counters, turns } = this.#server;
    counters.operations.range++;
    const readMs = this.#meter.nowMs();
    const reply = (result: RangeResult) =>
      this.#answerRange(call, request, who, { startMs, readMs }, result);
    const fail = (error: unknown) => this.#failRange(call, request, startMs, readMs, error);
    try {
      if (request.rangeEnd.length === 0) {
        reply(executeRange(store, request));
        return;
      }
      // What it reads is fixed now, whenever its turn comes.
      const execution = new RangeExecution(store, request, { keepBytes: KEPT_RESPONSE_BYTES });
      const failed = (error: unknown) => {
        execution.close();
        fail(error);
      };
      turns.run((slice) => execution.run(slice), {
        done: (result) => attempt(() => reply(result), failed),
        failed,
        isCancelled: () => call.cancelled,
        cancelled: () => {
          execution.close();
          giveUp(call);
        },
      });
    } catch (error) {
      fail(error);
    }
  }

  #answerRange(
    call: UnaryCall,
    asked: Asked,
    who: Identity,
    { startMs, readMs }: { readonly startMs: number; readonly readMs: number },
    result: RangeResult,
  ): void {
    const { auth } = this.#server;
    auth.confirm(who);
    if (auth.isUnchecked(who)) auth.permissions.checkRange(who, requestOf(asked));
    const bytes = this.#replyRange(call, result);
    const endMs = this.#meter.nowMs();
    this.#meter.rangeRead(readMs, endMs);
    call.span?.child(SPAN_NAMES.range, readMs, endMs);
    if (!this.#slow.isNotable(endMs - startMs)) return;
    this.#slow.range(call, requestOf(asked), { startMs, readMs, endMs }, { result, bytes });
  }

  #failRange(call: UnaryCall, asked: Asked, startMs: number, readMs: number, error: unknown): void {
    failWith(call, error);
    const endMs = this.#meter.nowMs();
    if (!this.#slow.isNotable(endMs - startMs)) return;
    this.#slow.range(call, requestOf(asked), { startMs, readMs, endMs }, { error });
  }

  /** The size of the response. */
  #replyRange(call: UnaryCall, result: RangeResult): number {
    const header = this.#server.header.encode(result.revision, this.#server.term);
    const size = sizeRangeResponse(header, result);
    if (size > MAX_MESSAGE_BYTES) {
      const text = `grpc: trying to send message larger than max (${size} vs. ${MAX_MESSAGE_BYTES})`;
      call.fail(StatusCode.RESOURCE_EXHAUSTED, text);
      result.late?.close();
    } else if (size < DIRECT_RESPONSE_BYTES || isOneLargeRecord(result)) {
      replyWhole(call, header, result);
    } else {
      call.replyFrom(new RangeReply(header, result, size));
    }
    return size;
  }

  #readOnlyTxn(call: UnaryCall, request: TxnRequest, who: Identity): void {
    const startMs = this.#meter.nowMs();
    let readMs = startMs;
    const tell = (end: ReadEnd<TxnResult>) => {
      const endMs = this.#meter.nowMs();
      if (!this.#slow.isNotable(endMs - startMs)) return;
      this.#slow.readTxn(call, request, { startMs, readMs, endMs }, end);
    };
    const { store, turns, header, auth } = this.#server;
    const reply = (result: TxnResult) => {
      auth.confirm(who);
      if (auth.isUnchecked(who)) auth.permissions.checkTxn(who, request);
      const encoded = encodeTxnResponse(header.encode(result.revision, this.#server.term), result);
      call.reply(encoded);
      call.span?.child(SPAN_NAMES.range, readMs, this.#meter.nowMs());
      tell({ result, bytes: encoded.length });
    };
    const failed = (error: unknown) => {
      failWith(call, error);
      tell({ error });
    };
    const execute = () => {
      turns.run((slice) => readTxnInSteps(store, request, slice), {
        done: (result) => attempt(() => reply(result), failed),
        failed,
        isCancelled: () => call.cancelled,
        cancelled: () => giveUp(call),
      });
    };
    if (isTxnSerializable(request)) {
      execute();
      return;
    }
    this.#server.reads.add((error) => {
      readMs = this.#meter.nowMs();
      if (error !== undefined) {
        failWith(call, error);
        tell({ error });
      } else if (call.cancelled) giveUp(call);
      else execute();
    }, call.span);
  }

  #propose<T>(
    call: UnaryCall,
    who: Identity,
    field: RaftField,
    row: LogRequest<T>,
    check: (request: T) => void,
  ): void {
    const { proposals, auth } = this.#server;
    const built = proposals.build(field, call.body, who, call.bodyHasRoom);
    const request = row.codec.decode(built.data, built.start, built.end);
    check(request);
    if (auth.store.enabled) row.authorize(auth.permissions, who, request);
    this.#submit(call, built, request);
  }

  /** `plain` is there instead of the request, or not at all. */
  #submit(call: UnaryCall, built: BuiltRequest, request: unknown, plain?: PlainTxn): void {
    const { proposals } = this.#server;
    this.#refuseIfNeeded();
    if (built.data.length > this.#server.options.maxRequestBytes) {
      throw new EtcdError("requestTooLarge");
    }
    const startMs = this.#meter.nowMs();
    const write = new ClientWrite(this.#slow, call, built, request, plain, startMs);
    proposals.add(built.data, write);
  }

  #refuseIfNeeded(): void {
    const { refusal } = this.#server;
    if (refusal !== undefined) throw refusal;
  }
}

/**
 * A write of a client on its way through the log. Its fields are not `#private`: one is made for
 * each write.
 */
class ClientWrite implements Proposal {
  readonly idLow: number;
  readonly bytes: number;
  readonly field: number;
  readonly plainTxn: PlainTxn | undefined;
  readonly identity: Identity;
  readonly startMs: number;
  readonly onDropped = undefined;
  readonly span: CallSpan | undefined;
  private readonly _slow: SlowRequests;
  private readonly _call: UnaryCall;
  private readonly _request: unknown;

  constructor(
    slow: SlowRequests,
    call: UnaryCall,
    { idLow, data, field, identity }: BuiltRequest,
    request: unknown,
    plainTxn: PlainTxn | undefined,
    startMs: number,
  ) {
    this.idLow = idLow;
    this.bytes = data.length;
    this.field = field;
    this.plainTxn = plainTxn;
    this.identity = identity;
    this.startMs = startMs;
    this.span = call.span;
    this._slow = slow;
    this._call = call;
    this._request = request;
  }

  get request(): unknown {
    const { plainTxn } = this;
    if (plainTxn === undefined) return this._request;
    return TxnRequest.decode(plainTxn.bytes, plainTxn.start, plainTxn.end);
  }

  settle(outcome: Outcome, appliedMs?: number): void {
    finish(this._call, outcome);
    const slow = this._slow;
    const { startMs } = this;
    const endMs = slow.meter.nowMs();
    if (!slow.isNotable(endMs - startMs)) return;
    const at = { startMs, appliedMs: appliedMs ?? endMs, endMs };
    slow.write(this._call, this, at, outcome);
  }
}

/** What a range asks for: the message, or what it says where that is little. */
type Asked = RangeRequest | PlainGet;

function requestOf(asked: Asked): RangeRequest {
  if (!("isSerializable" in asked)) return asked;
  const { key, isSerializable } = asked;
  return RangeRequest.create({ key: bytesFromLatin1(key), serializable: isSerializable });
}

function isOneLargeRecord({ kvs, late }: RangeResult): boolean {
  return kvs.length === 1 && kvs.bytes >= LARGE_RECORD_BYTES && late === undefined;
}

/** A large record leaves as it is, between what stands around it. */
function replyWhole(call: UnaryCall, header: Uint8Array, result: RangeResult): void {
  const { kvs } = result;
  const first = isOneLargeRecord(result) ? kvs.at(0) : undefined;
  if (first !== undefined) {
    call.replyParts(encodeRecordParts(header, result, first));
  } else {
    call.reply(encodeRangeResponse(header, result));
  }
}

function attempt(run: () => void, failed: (error: unknown) => void): void {
  try {
    run();
  } catch (error) {
    failed(error);
  }
}
