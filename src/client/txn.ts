/**
 * A transaction: operations that are carried out together if all conditions hold, else others.
 *
 *     const { succeeded } = await client.kv
 *       .txn()
 *       .if(compare.missing("lock"))
 *       .do(op.put("lock", "me"))
 *       .otherwise(op.get("lock"))
 *       .commit();
 *
 * A transaction is made of values only: it may be committed several times and nested in others.
 */
import { type Compare, RequestOp, TxnRequest } from "../api/gen/rpc.ts";
import { optionNames } from "../base/known-options.ts";
import type { KVCalls } from "./kv-calls.ts";
import type { RepeatRule } from "./methods.ts";
import type { Op } from "./op.ts";
import { CALL_OPTIONS, type CallOptions, checkOptions } from "./options.ts";
import { TxnResponse } from "./responses.ts";

export interface TxnCommitOptions extends CallOptions {
  /**
   * The transaction leaves the same when it is carried out twice, because its conditions say so:
   * it may be sent again when its fate is unknown. Default false.
   */
  readonly repeatable?: boolean | undefined;
}

const COMMIT_OPTIONS = optionNames<TxnCommitOptions>({ ...CALL_OPTIONS, repeatable: true });

export class Txn {
  readonly #calls: KVCalls;
  readonly #compares: Compare[] = [];
  readonly #success: Op[] = [];
  readonly #failure: Op[] = [];

  constructor(calls: KVCalls) {
    this.#calls = calls;
  }

  /** Adds conditions. Without any, the transaction succeeds. */
  if(...compares: readonly Compare[]): this {
    this.#compares.push(...compares);
    return this;
  }

  /** Adds operations for the case that all conditions hold. */
  do(...ops: readonly Op[]): this {
    this.#success.push(...ops);
    return this;
  }

  /** Adds operations for the case that a condition does not hold. */
  otherwise(...ops: readonly Op[]): this {
    this.#failure.push(...ops);
    return this;
  }

  /**
   * Carries it out: all or nothing, at one revision. A transaction that only reads is sent again
   * when its fate is unknown; one that writes is not, see `EtcdClientError.outcomeUnknown`.
   */
  async commit(options: TxnCommitOptions = {}): Promise<TxnResponse> {
    checkOptions("commit", options, COMMIT_OPTIONS);
    const request = this.toRequest();
    let repeat: RepeatRule = options.repeatable === true ? "repeatable" : "write";
    if (onlyReads(request)) repeat = "read";
    return new TxnResponse(await this.#calls.txn(request, options, repeat));
  }

  /** What goes over the wire. */
  toRequest(): TxnRequest {
    return TxnRequest.create({
      compare: [...this.#compares],
      success: this.#success.map(({ request }) => RequestOp.create({ request })),
      failure: this.#failure.map(({ request }) => RequestOp.create({ request })),
    });
  }
}

function onlyReads({ success, failure }: TxnRequest): boolean {
  return [...success, ...failure].every(({ request }) => {
    if (request?.case === "requestTxn") return onlyReads(request.value);
    return request?.case === "requestRange";
  });
}
