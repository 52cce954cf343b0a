/**
 * Durations of requests: histograms, and a line in the log for those that took too long, in
 * etcd's words.
 */
import type { PutRequest, RangeRequest, TxnRequest } from "../api/gen/rpc.ts";
import { utf8FromBytes } from "../base/bytes.ts";
import type { Clock, Histogram, Logger } from "../env/index.ts";
import type { ServerCounters } from "./metrics.ts";
import type { Outcome } from "./proposals.ts";
import { RaftField } from "./raft-request.ts";

const API_VERSION = "v3";
/** Longest key that a line of the log shows. */
const MAX_SHOWN_KEY_BYTES = 256;

const OPERATION_NAMES: ReadonlyMap<number, string> = new Map<number, string>([
  [RaftField.range, "Range"],
  [RaftField.put, "Put"],
  [RaftField.deleteRange, "DeleteRange"],
  [RaftField.txn, "Txn"],
  [RaftField.compaction, "Compaction"],
  [RaftField.leaseGrant, "LeaseGrant"],
  [RaftField.leaseRevoke, "LeaseRevoke"],
  [RaftField.leaseCheckpoint, "LeaseCheckpoint"],
  [RaftField.alarm, "Alarm"],
  [RaftField.clusterVersionSet, "ClusterVersionSet"],
  [RaftField.clusterMemberAttrSet, "ClusterMemberAttrSet"],
  [RaftField.downgradeInfoSet, "DowngradeInfoSet"],
]);

export interface RequestMeterOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: ServerCounters;
  readonly warningDurationMs: number;
}

export class RequestMeter {
  readonly #options: RequestMeterOptions;
  /** Histograms of applied requests by field and success, found once. */
  readonly #applied = new Map<number, { readonly ok: Histogram; readonly failed: Histogram }>();
  readonly #rangesOk: Histogram;

  constructor(options: RequestMeterOptions) {
    this.#options = options;
    this.#rangesOk = options.counters.rangeDuration.of("true");
  }

  nowMs(): number {
    return this.#options.clock.nowMs();
  }

  applied(field: number, request: unknown, startMs: number, outcome: Outcome): void {
    const tookMs = this.#options.clock.nowMs() - startMs;
    const { error } = outcome;
    const histograms = this.#applied.get(field) ?? this.#find(field);
    const isSuccess = error === undefined || error.kind === "compacted";
    (isSuccess ? histograms.ok : histograms.failed).observe(tookMs / 1000);
    if (tookMs > this.#options.warningDurationMs) {
      this.#warn(tookMs, "", describeRequest(field, request), sizeText(outcome), error);
    }
  }

  /** A read: `executedMs` when it was read, `startMs` when it arrived. */
  ranged(request: RangeRequest, startMs: number, executedMs: number, keys: number): void {
    const nowMs = this.#options.clock.nowMs();
    this.#rangesOk.observe((nowMs - executedMs) / 1000);
    const tookMs = nowMs - startMs;
    if (tookMs <= this.#options.warningDurationMs) return;
    const response = `range_response_count:${keys}`;
    this.#warn(tookMs, "read-only range ", describeRange(request), response, undefined);
  }

  #find(field: number): { readonly ok: Histogram; readonly failed: Histogram } {
    const operation = OPERATION_NAMES.get(field) ?? "unknown";
    const { applyDuration } = this.#options.counters;
    const found = {
      ok: applyDuration.of(API_VERSION, operation, "true"),
      failed: applyDuration.of(API_VERSION, operation, "false"),
    };
    this.#applied.set(field, found);
    return found;
  }

  #warn(
    tookMs: number,
    prefix: string,
    request: string,
    response: string,
    error: Error | undefined,
  ): void {
    this.#options.counters.slowApplies.add();
    this.#options.logger.warn("apply request took too long", {
      took: `${tookMs.toFixed(6)}ms`,
      "expected-duration": `${this.#options.warningDurationMs}ms`,
      prefix,
      request,
      response,
      ...(error === undefined ? {} : { error }),
    });
  }
}

function sizeText(outcome: Outcome): string {
  if (outcome.reply === undefined) return "";
  let bytes = 0;
  for (const part of outcome.reply) bytes += part.length;
  return `size:${bytes}`;
}

/** In the manner of Go's text form of protobuf; values are told by their size only. */
function describeRequest(field: number, request: unknown): string {
  if (field === RaftField.put) {
    const { key, value } = request as PutRequest;
    return `put:<key:${quoted(key)} value_size:${value.length} >`;
  }
  if (field === RaftField.range) return `range:<${describeRange(request as RangeRequest)}>`;
  if (field === RaftField.txn) {
    const { compare, success, failure } = request as TxnRequest;
    const sizes = `compare:${compare.length} success:${success.length} failure:${failure.length}`;
    return `txn:<${sizes}>`;
  }
  return `${OPERATION_NAMES.get(field) ?? field}`;
}

function describeRange({ key, rangeEnd, limit, revision }: RangeRequest): string {
  const parts = [`key:${quoted(key)} `];
  if (rangeEnd.length > 0) parts.push(`range_end:${quoted(rangeEnd)} `);
  if (limit !== 0) parts.push(`limit:${limit} `);
  if (revision !== 0) parts.push(`revision:${revision} `);
  return parts.join("");
}

function quoted(key: Uint8Array): string {
  return JSON.stringify(utf8FromBytes(key.subarray(0, MAX_SHOWN_KEY_BYTES)));
}
