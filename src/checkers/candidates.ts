/**
 * Writes whose outcome nobody knows, as possible makers of a revision that no acknowledged write
 * claims. What reads and watches saw of that revision tells most of them apart.
 */
import type { Revision } from "../base/ids.ts";
import {
  isAnswered,
  type KeyValueSeen,
  mayWrite,
  type Operation,
  type OperationRequest,
  type OperationResult,
  type Time,
} from "./history.ts";
import { includes } from "./key-ranges.ts";
import { type ModelEvent, sameKeyValue } from "./kv-model.ts";

/** A candidate is tried in its round, see `roundOf`. */
export const ROUNDS = 3;

/**
 * What a watch saw of a revision. Hints only sort candidates: a wrong one costs time, and the
 * watch is judged elsewhere.
 */
export interface EventHint {
  readonly revision: Revision;
  readonly type: "put" | "delete";
  readonly key: string;
  /** Of a put. */
  readonly kv?: KeyValueSeen | undefined;
}

export class Candidates {
  /** By call time. */
  readonly #unknown: readonly Operation[];
  /** Acknowledged, but the answer does not tell whether anything was changed. */
  readonly #revokes = new Map<Revision, Operation[]>();
  readonly #hints = new Map<Revision, EventHint[]>();
  /** What reads saw: certain, as the reads must be explained. */
  readonly #seen = new Map<Revision, Map<string, KeyValueSeen>>();
  /** Puts that somebody saw, to the revision at which they were seen. */
  readonly #revisionOfPut = new Map<string, Revision>();

  constructor(history: readonly Operation[], hints: Iterable<EventHint>) {
    const unknown: Operation[] = [];
    for (const operation of history) {
      if (operation.outcome.kind === "unknown" && mayWrite(operation.request)) {
        unknown.push(operation);
      }
      if (!isAnswered(operation)) continue;
      const { result, revision } = operation.outcome;
      if (result.kind === "revoke") pushTo(this.#revokes, revision, operation);
      for (const kv of keyValuesIn(result)) this.#see(kv);
    }
    this.#unknown = unknown.sort((a, b) => a.callTime - b.callTime);
    for (const hint of hints) {
      pushTo(this.#hints, hint.revision, hint);
      if (hint.kv !== undefined) this.#revisionOfPut.set(putName(hint.kv), hint.revision);
    }
  }

  #see(kv: KeyValueSeen): void {
    let keys = this.#seen.get(kv.modRevision);
    if (keys === undefined) this.#seen.set(kv.modRevision, (keys = new Map()));
    keys.set(kv.key, kv);
    this.#revisionOfPut.set(putName(kv), kv.modRevision);
  }

  /** Writes that may have happened before `deadline`, an upper bound. */
  countBefore(deadline: Time): number {
    let low = 0;
    let high = this.#unknown.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#unknown[middle] as Operation).callTime <= deadline) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Revokes that may have made a revision. */
  get revokeRevisions(): Iterable<Revision> {
    return this.#revokes.keys();
  }

  /** All that may have made the revision, the likeliest first. */
  of(revision: Revision, deadline: Time): Operation[] {
    const seen = [...(this.#seen.get(revision)?.values() ?? [])];
    const hints = this.#hints.get(revision) ?? [];
    const ranked: { readonly operation: Operation; readonly rank: number }[] = [];
    for (const operation of this.#revokes.get(revision) ?? []) {
      if (seen.length === 0 && operation.callTime <= deadline) ranked.push({ operation, rank: 0 });
    }
    for (const operation of this.#unknown) {
      if (operation.callTime > deadline) break;
      if (!seen.every((kv) => canPut(operation.request, kv))) continue;
      ranked.push({ operation, rank: this.#rank(operation.request, revision, seen, hints) });
    }
    return ranked.sort((a, b) => a.rank - b.rank).map(({ operation }) => operation);
  }

  /** 0 if these events are just what watches saw of the revision, 1 if more, 2 if not all. */
  roundOf(events: readonly ModelEvent[], revision: Revision): number {
    const hints = this.#hints.get(revision) ?? [];
    const areThere = hints.every((hint) =>
      events.some(
        ({ key, type, kv }) => key === hint.key && type === hint.type && sameKeyValue(kv, hint.kv),
      ),
    );
    if (!areThere) return 2;
    return events.length > hints.length ? 1 : 0;
  }

  #rank(
    request: OperationRequest,
    revision: Revision,
    seen: readonly KeyValueSeen[],
    hints: readonly EventHint[],
  ): number {
    if (hints.length + seen.length > 0) return hints.every((hint) => canDo(request, hint)) ? 0 : 3;
    const isElsewhere = putsOf(request).some((put) => {
      const at = this.#revisionOfPut.get(putName(put));
      return at !== undefined && at !== revision;
    });
    return isElsewhere ? 2 : 1;
  }
}

interface Put {
  readonly key: string;
  readonly value: string;
}

function putName({ key, value }: Put): string {
  return `${key}\0${value}`;
}

function putsOf(request: OperationRequest): Put[] {
  if (request.kind === "put") return [request];
  if (request.kind === "txn") return [...request.success, ...request.failure].flatMap(putsOf);
  return [];
}

function canPut(request: OperationRequest, { key, value }: Put): boolean {
  return putsOf(request).some((put) => put.key === key && put.value === value);
}

function canDelete(request: OperationRequest, key: string): boolean {
  switch (request.kind) {
    case "revoke":
      return true;
    case "delete":
      return includes(request, key);
    case "txn":
      return [...request.success, ...request.failure].some((each) => canDelete(each, key));
    case "get":
    case "put":
      return false;
  }
}

function canDo(request: OperationRequest, hint: EventHint): boolean {
  return hint.kv === undefined ? canDelete(request, hint.key) : canPut(request, hint.kv);
}

function keyValuesIn(result: OperationResult): readonly KeyValueSeen[] {
  switch (result.kind) {
    case "get":
      return result.kvs;
    case "put":
      return result.prevKV === undefined ? [] : [result.prevKV];
    case "delete":
      return result.prevKVs;
    case "txn":
      return result.results.flatMap(keyValuesIn);
    case "revoke":
      return [];
  }
}

function pushTo<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
