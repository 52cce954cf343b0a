/**
 * Writes of a client that respects ownership: a write happens only if nobody else owns its keys.
 * Owners are asked to leave first, and waited for.
 */
import type { KeyValue } from "../../api/gen/kv.ts";
import {
  type Compare,
  Compare_CompareResult,
  PutRequest,
  RangeRequest,
  type RequestOp,
  type ResponseOp,
  TxnRequest,
  type TxnResponse,
} from "../../api/gen/rpc.ts";
import {
  bytesFromLatin1,
  bytesFromUtf8,
  latin1FromBytes,
  utf8FromBytes,
} from "../../base/bytes.ts";
import type { Revision } from "../../base/ids.ts";
import { isErrorKind } from "../errors.ts";
import type { KVCalls } from "../kv-calls.ts";
import type { RepeatRule } from "../methods.ts";
import type { KeyPrefix } from "../namespace/key-prefix.ts";
import type { KeyClient } from "../namespace/namespace.ts";
import type { CallOptions } from "../options.ts";
import { type Limits, within } from "../waiting.ts";
import { created, madeAt, type Ownership, REVOKE } from "./ownership.ts";
import { type Written, writtenBy } from "./written.ts";

/** Owned keys that one write reads back, far below what a transaction may have; others are left. */
const MAX_READ_BACK = 32;
/** Owners of keys of a range that are asked at a time. */
const MAX_REVOKED_AT_ONCE = 64;

export interface WritesDeps {
  readonly client: KeyClient;
  readonly calls: KVCalls;
  readonly prefix: KeyPrefix;
  readonly ownership: Ownership;
}

/** What one write needs on its way. */
interface Attempt {
  readonly operation: RequestOp;
  readonly written: Written;
  readonly limits: Limits;
  readonly options: CallOptions;
  /** Keys of this owner of which it has no state, by name. */
  readonly own: Map<string, Revision>;
}

export class GuardedWrites {
  readonly #deps: WritesDeps;

  constructor(deps: WritesDeps) {
    this.#deps = deps;
  }

  /** Carries out one operation. The answer is the transaction's around it: the first is its own. */
  async write(
    operation: RequestOp,
    options: CallOptions,
    repeat: RepeatRule,
  ): Promise<{ readonly header: TxnResponse["header"]; readonly answer: ResponseOp | undefined }> {
    const { client, ownership } = this.#deps;
    const { timeoutMs, signal } = options;
    const deadlineMs =
      timeoutMs === undefined ? Number.POSITIVE_INFINITY : client.clock.nowMs() + timeoutMs;
    const written = writtenBy([operation]);
    const attempt = { operation, written, limits: { deadlineMs, signal }, options, own: new Map() };
    const finish = ownership.keys.beginWrite(written);
    try {
      for (;;) {
        const answer = await this.#try(attempt, repeat);
        if (answer.succeeded) return { header: answer.header, answer: answer.responses[0] };
        const found = answer.responses.flatMap(({ response }) =>
          response?.case === "responseRange" ? response.value.kvs : [],
        );
        await this.#settle(found, attempt);
      }
    } catch (error) {
      ownership.keys.mayHaveWritten(written);
      throw error;
    } finally {
      finish();
    }
  }

  async #try(attempt: Attempt, repeat: RepeatRule): Promise<TxnResponse> {
    const { calls, prefix, ownership } = this.#deps;
    const { operation, written } = attempt;
    const compare = [...this.#pointGuards(attempt), ...(await this.#rangeGuards(attempt))];
    const readBack = ownership.keys.ownedOf(written).slice(0, MAX_READ_BACK);
    const request = TxnRequest.create({
      compare,
      success: [operation, ...readBack.map((name) => read(bytesFromLatin1(name)))],
      failure: [...written.points.values()].map((key) => read(prefix.add(key))),
    });
    const answer = await calls.txn(request, this.#optionsOf(attempt), repeat);
    if (!answer.succeeded || answer.header === undefined) return answer;
    const found = new Map<string, KeyValue | undefined>();
    for (const [i, name] of readBack.entries()) {
      const response = answer.responses[i + 1]?.response;
      if (response?.case === "responseRange") found.set(name, response.value.kvs[0]);
    }
    ownership.keys.wrote(written, answer.header, found);
    return answer;
  }

  /** Nobody else has taken the key: what stands for its ownership is missing, or ours. */
  #pointGuards({ written, own }: Attempt): Compare[] {
    const { prefix, ownership } = this.#deps;
    return [...written.points].map(([name, key]) => {
      const since = Math.max(ownership.keys.sinceOf(name) ?? 0, own.get(name) ?? 0);
      return created(prefix.add(key), Compare_CompareResult.LESS, since + 1);
    });
  }

  async #rangeGuards(attempt: Attempt): Promise<Compare[]> {
    const { calls, prefix, ownership } = this.#deps;
    const guards: Compare[] = [];
    for (const range of attempt.written.ranges) {
      const inside = prefix.addToRange(range);
      const request = RangeRequest.create(inside);
      const { kvs } = await calls.range(request, this.#optionsOf(attempt));
      await this.#settle(kvs, attempt);
      const own = kvs.filter((kv) => ownership.isOwn(kv));
      const newest = Math.max(0, ...own.map(({ createRevision }) => createRevision));
      const guard = created(inside.key, Compare_CompareResult.LESS, newest + 1);
      guards.push({ ...guard, rangeEnd: inside.rangeEnd });
    }
    return guards;
  }

  /** Remembers own ones, and makes others leave. */
  async #settle(found: readonly KeyValue[], attempt: Attempt): Promise<void> {
    const { prefix, ownership } = this.#deps;
    const others: KeyValue[] = [];
    for (const kv of found) {
      const name = latin1FromBytes(prefix.strip(kv.key));
      if (ownership.isOwn(kv)) attempt.own.set(name, kv.createRevision);
      else others.push(kv);
    }
    for (let i = 0; i < others.length; i += MAX_REVOKED_AT_ONCE) {
      const batch = others.slice(i, i + MAX_REVOKED_AT_ONCE);
      await Promise.all(batch.map((kv) => this.#revoke(kv, attempt)));
    }
  }

  /** Settles when this ownership has ended. */
  async #revoke({ key, createRevision, value }: KeyValue, attempt: Attempt): Promise<void> {
    const { calls } = this.#deps;
    const isAsked = utf8FromBytes(value) === REVOKE;
    const ask = PutRequest.create({ key, value: bytesFromUtf8(REVOKE), ignoreLease: true });
    const request = TxnRequest.create({
      compare: [madeAt(key, createRevision)],
      success: isAsked ? [read(key)] : [{ request: { case: "requestPut", value: ask } }],
    });
    for (;;) {
      const options = this.#optionsOf(attempt);
      const { succeeded, header } = await calls.txn(request, options, "repeatable");
      if (!succeeded) return;
      const isGone = await this.#deleted(key, (header?.revision ?? 0) + 1, attempt.limits);
      if (isGone) return;
    }
  }

  /** False when nobody can say any more, since history was compacted. */
  async #deleted(key: Uint8Array, startRevision: Revision, limits: Limits): Promise<boolean> {
    const { client } = this.#deps;
    const watcher = client.watch(key, { startRevision, filters: ["noPut"] });
    try {
      await within(watcher.next(), limits, client.clock);
      return true;
    } catch (error) {
      if (isErrorKind(error, "compacted")) return false;
      throw error;
    } finally {
      watcher.cancel();
    }
  }

  #optionsOf({ limits, options }: Attempt): CallOptions {
    if (limits.deadlineMs === Number.POSITIVE_INFINITY) return options;
    const leftMs = limits.deadlineMs - this.#deps.client.clock.nowMs();
    return { ...options, timeoutMs: Math.max(0, leftMs) };
  }
}

export function read(key: Uint8Array): RequestOp {
  return { request: { case: "requestRange", value: RangeRequest.create({ key }) } };
}
