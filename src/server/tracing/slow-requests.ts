/**
 * What the log says of requests that took long: `request stats` for each unary call above
 * `--warning-unary-request-duration` (for all of them at level debug), and `trace[…]` with the steps
 * of those above 100 ms. A fast request costs a look at the clock and a comparison; texts are made
 * for the others only.
 */
import {
  DeleteRangeRequest,
  DeleteRangeResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RequestOp,
  type TxnRequest,
  TxnResponse,
} from "../../api/gen/rpc.ts";
import { METHODS } from "../../api/rpc-table.ts";
import { formatDuration } from "../../base/go-text.ts";
import type { Clock, Logger, UnaryCall } from "../../env/index.ts";
import type { RangeResult, TxnResult } from "../../mvcc/index.ts";
import { ObservedCall } from "./observed-call.ts";
import type { Outcome } from "../log/proposals.ts";
import { RaftField } from "../log/raft-request.ts";
import type { LogWrite, RequestMeter } from "./request-meter.ts";
import { messageText, putText, txnText } from "./request-text.ts";
import { logTrace, type Trace, TRACE_ABOVE_MS } from "./trace-lines.ts";

/** On `Clock.nowMs`: when a read arrived, when it could be read, when it was answered. */
export interface ReadTimes {
  readonly startMs: number;
  readonly readMs: number;
  readonly endMs: number;
}

/** How a read ended: with so many bytes of response, or not. */
export type ReadEnd<T> =
  | { readonly result: T; readonly bytes: number }
  | { readonly error: unknown };

/**
 * Each trace has a message of its own, so that the logger cannot thin them out; under overload every
 * request would write one. As many as it lets through of one message.
 */
const MAX_TRACES_PER_SECOND = 100;

interface Stats {
  readonly requestCount: number;
  readonly requestBytes: number;
  readonly responseCount: number;
  readonly responseBytes: number;
  readonly content: string;
}

/** Calls of which only the time is told, as in etcd. */
const UNCOUNTED: Stats = {
  requestCount: -1,
  requestBytes: -1,
  responseCount: -1,
  responseBytes: -1,
  content: "",
};

export interface SlowRequestsOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: RequestMeter;
  readonly warningUnaryDurationMs: number;
  readonly warningApplyDurationMs: number;
}

export class SlowRequests {
  readonly #options: SlowRequestsOptions;
  /** Below it there is nothing to say, unless at level debug. */
  readonly #notableMs: number;
  /** Traces since `#countedMs`. */
  #traces = 0;
  #countedMs = Number.NEGATIVE_INFINITY;

  constructor(options: SlowRequestsOptions) {
    this.#options = options;
    const { warningUnaryDurationMs, warningApplyDurationMs } = options;
    this.#notableMs = Math.min(warningUnaryDurationMs, warningApplyDurationMs, TRACE_ABOVE_MS);
  }

  /** Shared with the service whose reads are measured. */
  get meter(): RequestMeter {
    return this.#options.meter;
  }

  /** Whether the log is to be told of a request that took so long. */
  isNotable(tookMs: number): boolean {
    return tookMs > this.#notableMs || this.#options.logger.enabled("debug");
  }

  /** The call, told of when it is answered. For calls that do not come by the thousand. */
  observe(call: UnaryCall): UnaryCall {
    const { clock } = this.#options;
    const startMs = clock.nowMs();
    return new ObservedCall(call, () => this.#stats(call, startMs, clock.nowMs(), UNCOUNTED));
  }

  range(call: UnaryCall, request: RangeRequest, at: ReadTimes, end: ReadEnd<RangeResult>): void {
    const content = messageText(request);
    const detail = { range_begin: request.key, range_end: request.rangeEnd };
    const told = { request: content, response: "", ...end };
    if ("error" in end) this.#traceRead("range", at, detail);
    else {
      const { kvs, late, revision } = end.result;
      const count = kvs.length + (late?.count ?? 0);
      told.response = `range_response_count:${count} size:${end.bytes}`;
      const response = { response_count: count, response_revision: revision };
      this.#traceRead("range", at, { ...detail, ...response }, "assemble the response");
    }
    this.#options.meter.read("range", at.endMs - at.startMs, told);
    this.#stats(call, at.startMs, at.endMs, {
      requestCount: 0,
      requestBytes: RangeRequest.size(request),
      ...responseOf(end, (result) => result.count),
      content,
    });
  }

  readTxn(call: UnaryCall, request: TxnRequest, at: ReadTimes, end: ReadEnd<TxnResult>): void {
    const told = { request: txnText(request), response: "", ...end };
    if (!("error" in end)) {
      const counts = end.result.responses.map((response) =>
        response.kind === "range" ? `range_response_count:${response.result.kvs.length}` : "",
      );
      told.response = `responses:<${counts.join(" ")}> size:${end.bytes}`;
    }
    this.#traceRead("transaction", at, { read_only: true });
    this.#options.meter.read("txn", at.endMs - at.startMs, told);
    const succeeded = "error" in end ? undefined : end.result.succeeded;
    const response = responseOf(end, () => 0);
    this.#stats(call, at.startMs, at.endMs, { ...txnSide(request, succeeded), ...response });
  }

  /** A put, a range delete or a transaction that came back from the log, applied at `appliedMs`. */
  write(
    call: UnaryCall,
    write: LogWrite,
    at: { readonly startMs: number; readonly appliedMs: number; readonly endMs: number },
    outcome: Outcome,
  ): void {
    const reply = outcome.reply === undefined ? undefined : Buffer.concat(outcome.reply);
    const responseBytes = reply?.length ?? 0;
    const told = toldOf(write, reply);
    if (told.trace !== undefined && at.endMs - at.startMs > TRACE_ABOVE_MS) {
      const { title, detail, lastStep } = told.trace;
      const steps = [{ name: "process raft request", endMs: at.appliedMs }];
      if (lastStep !== undefined) steps.push({ name: lastStep, endMs: at.endMs });
      this.#trace({ title, detail, ...at, steps });
    }
    this.#stats(call, at.startMs, at.endMs, { ...told.stats, responseBytes });
  }

  #traceRead(
    title: string,
    { startMs, readMs, endMs }: ReadTimes,
    detail: Readonly<Record<string, unknown>>,
    lastStep?: string,
  ): void {
    if (endMs - startMs <= TRACE_ABOVE_MS) return;
    const steps = [{ name: "agreement among raft nodes before linearized reading", endMs: readMs }];
    if (lastStep !== undefined) steps.push({ name: lastStep, endMs });
    this.#trace({ title, detail, startMs, endMs, steps });
  }

  #trace(trace: Trace): void {
    if (trace.endMs - this.#countedMs >= 1000) {
      this.#countedMs = trace.endMs;
      this.#traces = 0;
    }
    this.#traces++;
    if (this.#traces <= MAX_TRACES_PER_SECOND) logTrace(this.#options, trace);
  }

  #stats(call: UnaryCall, startMs: number, endMs: number, stats: Stats): void {
    const { clock, logger, warningUnaryDurationMs } = this.#options;
    const tookMs = endMs - startMs;
    const isDebug = logger.enabled("debug");
    if (!isDebug && tookMs <= warningUnaryDurationMs) return;
    logger[isDebug ? "debug" : "warn"]("request stats", {
      "start time": new Date(clock.wallMs() - tookMs).toISOString(),
      "time spent": formatDuration(tookMs),
      remote: call.remote,
      "response type": METHODS[call.method]?.path ?? "",
      "request count": stats.requestCount,
      "request size": stats.requestBytes,
      "response count": stats.responseCount,
      "response size": stats.responseBytes,
      "request content": stats.content,
    });
  }
}

function responseOf<T>(
  end: ReadEnd<T>,
  count: (result: T) => number,
): Pick<Stats, "responseCount" | "responseBytes"> {
  if ("error" in end) return { responseCount: 0, responseBytes: 0 };
  return { responseCount: count(end.result), responseBytes: end.bytes };
}

/** The side of a transaction that was carried out; nothing is said of one that failed. */
function txnSide(
  request: TxnRequest,
  succeeded: boolean | undefined,
): Pick<Stats, "requestCount" | "requestBytes" | "content"> {
  if (succeeded === undefined) return { requestCount: 0, requestBytes: 0, content: "" };
  const operations = succeeded ? request.success : request.failure;
  const requestBytes = operations.reduce((sum, operation) => sum + RequestOp.size(operation), 0);
  return { requestCount: operations.length, requestBytes, content: txnText(request) };
}

interface ToldWrite {
  readonly stats: Omit<Stats, "responseBytes">;
  readonly trace?: {
    readonly title: string;
    readonly detail: Readonly<Record<string, unknown>>;
    readonly lastStep?: string;
  };
}

/** `reply` is the encoded response, undefined for a write that failed. */
function toldOf(write: LogWrite, reply: Uint8Array | undefined): ToldWrite {
  if (write.field === RaftField.put) return toldPut(write.request as PutRequest, reply);
  if (write.field === RaftField.txn) return toldTxn(write.request as TxnRequest, reply);
  const request = write.request as DeleteRangeRequest;
  const responseCount = reply === undefined ? 0 : DeleteRangeResponse.decode(reply).deleted;
  const requestBytes = DeleteRangeRequest.size(request);
  return {
    stats: { requestCount: 0, requestBytes, responseCount, content: messageText(request) },
  };
}

function toldPut(request: PutRequest, reply: Uint8Array | undefined): ToldWrite {
  const requestBytes = PutRequest.size(request);
  const stats = { requestCount: 1, requestBytes, responseCount: 0, content: putText(request) };
  if (reply === undefined) return { stats };
  const revision = PutResponse.decode(reply).header?.revision ?? 0;
  const detail = { key: request.key, req_size: requestBytes, response_revision: revision };
  return { stats, trace: { title: "put", detail, lastStep: "store kv pair into bolt db" } };
}

function toldTxn(request: TxnRequest, reply: Uint8Array | undefined): ToldWrite {
  if (reply === undefined) return { stats: { ...txnSide(request, undefined), responseCount: 0 } };
  const { succeeded, responses, header } = TxnResponse.decode(reply);
  const detail = {
    read_only: false,
    number_of_response: responses.length,
    response_revision: header?.revision ?? 0,
  };
  const stats = { ...txnSide(request, succeeded), responseCount: 0 };
  return { stats, trace: { title: "transaction", detail } };
}
