/**
 * Decides whether a recorded history can be explained by one sequence of requests on one key
 * space, in which every request takes effect between its call and its return.
 *
 * A search over all sequences (Wing and Gong; Lowe's memoised form) is exponential in what runs at
 * the same time. etcd says more than other stores: each answer carries the revision of the state
 * that it was made from, and a changed state has a new revision. In a correct history that leaves
 * one order of all answered requests, so keys need no separate treatment: the order is checked
 * against real time (`real-time.ts`), and replayed on a model that must give the same answers. Only
 * a revision that nobody was acknowledged for is searched: one of the writes with an unknown
 * outcome made it. The search goes back only to guesses that touch the keys of the contradiction,
 * and remembers states that led nowhere.
 *
 * Revisions are evidence here, not trusted: a wrong one contradicts real time, or the model.
 */
import type { Revision } from "../base/ids.ts";
import { Candidates, type EventHint, ROUNDS } from "./candidates.ts";
import {
  type AnsweredOperation,
  describeResult,
  isAnswered,
  type Operation,
  type Time,
} from "./history.ts";
import { ALL_KEYS, includes, type KeyRange, KeySet, touchedKeys } from "./key-ranges.ts";
import { EMPTY_STATE, KVModel, type ModelEvent, type ModelState, sameResult } from "./kv-model.ts";
import { checkRealTime, type PinnedRevision, pinRevisions } from "./real-time.ts";
import { Sightings } from "./sightings.ts";
import type { Violation } from "./violation.ts";

/** Requests applied to the model before the search gives up: some seconds of work. */
const MAX_STEPS = 5_000_000;
/** States remembered as leading nowhere; more would not fit in memory beside the history. */
const MAX_DEAD_STATES = 20_000;
/** Operations shown around a contradiction, on each side. */
const SHOWN_AROUND = 3;

/** A write in its place. */
export interface LinearizedWrite {
  readonly revision: Revision;
  readonly operation: Operation;
  readonly events: readonly ModelEvent[];
}

export type Verdict =
  | {
      readonly kind: "linearizable";
      /** Without gaps, from the first revision after the initial state to the last one seen. */
      readonly writes: readonly LinearizedWrite[];
    }
  | { readonly kind: "violation"; readonly violation: Violation }
  /** Neither proven nor refuted within the limits; not a pass. */
  | { readonly kind: "gaveUp"; readonly reason: string; readonly suspect: Violation };

export interface LinearizabilityOptions {
  /** State before the first operation. Default: that of a new cluster. */
  readonly initial?: ModelState | undefined;
  /** What watches saw; speeds the search up. */
  readonly hints?: Iterable<EventHint> | undefined;
  /** Default 5 million. */
  readonly maxSteps?: number | undefined;
}

export function checkLinearizable(
  history: readonly Operation[],
  options: LinearizabilityOptions = {},
): Verdict {
  const pinned = pinRevisions(history);
  const outOfOrder = checkRealTime(pinned);
  if (outOfOrder !== undefined) return { kind: "violation", violation: outOfOrder };
  return new Replay(history, pinned, options).run();
}

/** A contradiction, and the keys whose state led to it. */
interface Contradiction {
  readonly revision: Revision;
  /** To be called before the search goes on. */
  readonly explain: () => Violation;
  readonly keys: readonly KeyRange[];
}

/** A revision whose writer is a guess. Invariant: everything after `mark` depends on it. */
interface Guess {
  readonly revision: Revision;
  readonly mark: number;
  readonly candidates: readonly Operation[];
  /** The candidate to try next. */
  next: number;
  /** First come those that agree with what watches saw. */
  round: number;
  chosen: Operation | undefined;
  /** Keys of all contradictions met below. */
  readonly keys: KeySet;
}

class Replay {
  readonly #model: KVModel;
  readonly #first: Revision;
  readonly #last: Revision;
  readonly #pinned: ReadonlyMap<Revision, PinnedRevision>;
  readonly #ordered: readonly PinnedRevision[];
  /** Reads of an older revision, by that revision. */
  readonly #past = new Map<Revision, AnsweredOperation[]>();
  readonly #candidates: Candidates;
  readonly #sightings: Sightings;
  readonly #writes: LinearizedWrite[] = [];
  readonly #guesses: Guess[] = [];
  readonly #used = new Set<Operation>();
  readonly #dead = new Map<Revision, Set<string>>();
  #deadStates = 0;
  #steps = 0;
  readonly #maxSteps: number;
  /** The contradiction with the highest revision. */
  #deepest: { readonly revision: Revision; readonly violation: Violation } | undefined;

  constructor(
    history: readonly Operation[],
    ordered: readonly PinnedRevision[],
    options: LinearizabilityOptions,
  ) {
    const initial = options.initial ?? EMPTY_STATE;
    this.#model = new KVModel(initial);
    this.#first = initial.revision;
    this.#last = Math.max(initial.revision, ordered.at(-1)?.revision ?? 0);
    this.#ordered = ordered;
    this.#pinned = new Map(ordered.map((each) => [each.revision, each]));
    this.#candidates = new Candidates(history, options.hints ?? []);
    this.#sightings = new Sightings(history);
    this.#maxSteps = options.maxSteps ?? MAX_STEPS;
    for (const operation of history) {
      const { request } = operation;
      if (!isAnswered(operation) || request.kind !== "get") continue;
      if (request.revision === undefined) continue;
      const list = this.#past.get(request.revision) ?? [];
      list.push(operation);
      this.#past.set(request.revision, list);
    }
  }

  run(): Verdict {
    const hopeless = this.#tooOld() ?? this.#unwritten();
    if (hopeless !== undefined) return { kind: "violation", violation: hopeless };
    let revision = this.#first;
    let contradiction = this.#checkReads(revision);
    for (;;) {
      if (contradiction !== undefined) {
        if (this.#deepest === undefined || contradiction.revision > this.#deepest.revision) {
          this.#deepest = { revision, violation: contradiction.explain() };
        }
        const resumed = this.#guessAgain(contradiction);
        if (resumed === undefined) return { kind: "violation", violation: this.#explain() };
        revision = resumed;
        contradiction = this.#checkReads(revision);
      } else if (revision === this.#last) {
        return { kind: "linearizable", writes: this.#writes };
      } else {
        revision++;
        contradiction = this.#write(revision) ?? this.#checkReads(revision);
      }
      if (this.#steps > this.#maxSteps) {
        const reason = `gave up at revision ${revision} of ${this.#last} after ${this.#steps} steps`;
        return { kind: "gaveUp", reason, suspect: this.#explain() };
      }
    }
  }

  /** An answer from before the beginning. */
  #tooOld(): Violation | undefined {
    const first = this.#ordered[0];
    const known = first?.writers[0] ?? first?.readers[0];
    if (first === undefined || known === undefined) return undefined;
    const isWrite = first.writers.length > 0;
    if (first.revision > this.#first || (first.revision === this.#first && !isWrite)) {
      return undefined;
    }
    const message = `the history began at revision ${this.#first}`;
    return { kind: "revisionOrder", message, operations: [known] };
  }

  /** More revisions up to some point than writes that can have made them. */
  #unwritten(): Violation | undefined {
    const revokes = [...this.#candidates.revokeRevisions].sort((a, b) => a - b);
    let writers = 0;
    let revokeCount = 0;
    for (const { revision, writers: known, afterWrite, afterPrevious } of this.#ordered) {
      if (revision <= this.#first) continue;
      writers += known.length;
      while ((revokes[revokeCount] ?? Number.POSITIVE_INFINITY) <= revision) revokeCount++;
      const deadline = known.length > 0 ? afterPrevious : afterWrite;
      const possible = writers + revokeCount + this.#candidates.countBefore(deadline);
      const missing = revision - this.#first - possible;
      if (missing <= 0) continue;
      const message = `up to revision ${revision} there are ${missing} more than writes that can have made them`;
      return { kind: "missingWriter", message, operations: this.#around(revision) };
    }
    return undefined;
  }

  #write(revision: Revision): Contradiction | undefined {
    const writer = this.#pinned.get(revision)?.writers[0];
    if (writer === undefined) return this.#guess(revision);
    this.#steps++;
    const mark = this.#model.mark();
    const { result, events } = this.#model.apply(writer.request);
    if (events.length > 0 && sameResult(result, writer.outcome.result)) {
      this.#writes.push({ revision, operation: writer, events });
      return undefined;
    }
    this.#model.rollback(mark);
    const expected =
      events.length > 0 ? describeResult(result) : `${describeResult(result)}, without a change`;
    return this.#wrong(writer, revision, expected);
  }

  /** Checks what was answered from the state of the model. */
  #checkReads(revision: Revision): Contradiction | undefined {
    for (const reader of this.#pinned.get(revision)?.readers ?? []) {
      const { request } = reader;
      const asked = request.kind === "get" ? request.revision : undefined;
      if (asked !== undefined && asked > revision) {
        return this.#wrong(reader, revision, "an error, as that revision is in the future");
      }
      const wrong = asked === undefined ? this.#checkRead(reader, revision) : undefined;
      if (wrong !== undefined) return wrong;
    }
    for (const reader of this.#past.get(revision) ?? []) {
      const wrong = this.#checkRead(reader, revision);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }

  #checkRead(reader: AnsweredOperation, revision: Revision): Contradiction | undefined {
    this.#steps++;
    if (reader.request.kind === "revoke") {
      const [left] = this.#model.attached(reader.request.lease);
      if (left === undefined) return undefined;
      return this.#wrong(reader, revision, `key ${left.key} is still attached to the lease`);
    }
    const mark = this.#model.mark();
    const { result, events } = this.#model.apply(reader.request);
    this.#model.rollback(mark);
    if (events.length === 0 && sameResult(result, reader.outcome.result)) return undefined;
    const expected = describeResult(result);
    return this.#wrong(
      reader,
      revision,
      events.length > 0 ? `${expected}, at a new revision` : expected,
    );
  }

  #guess(revision: Revision): Contradiction | undefined {
    if (this.#dead.get(revision)?.has(this.#stateName()) === true) {
      return this.#nobody(revision, [ALL_KEYS]);
    }
    const deadline = this.#deadlineOf(revision);
    const guess: Guess = {
      revision,
      mark: this.#model.mark(),
      candidates: this.#candidates.of(revision, deadline),
      next: 0,
      round: 0,
      chosen: undefined,
      keys: new KeySet(),
    };
    this.#guesses.push(guess);
    if (this.#tryNext(guess)) return undefined;
    const keys = guess.candidates.flatMap(({ request }) => touchedKeys(request));
    return this.#nobody(revision, keys);
  }

  /** Applies the next candidate that changes anything; false when none is left. */
  #tryNext(guess: Guess): boolean {
    const { revision, candidates } = guess;
    for (;;) {
      const operation = candidates[guess.next++];
      if (operation === undefined) {
        if (++guess.round >= ROUNDS) return false;
        guess.next = 0;
        continue;
      }
      if (this.#used.has(operation)) continue;
      this.#steps++;
      const { events } = this.#model.apply(operation.request);
      const isPossible = events.length > 0 && this.#sightings.allow(events, revision);
      if (!isPossible || this.#candidates.roundOf(events, revision) !== guess.round) {
        this.#model.rollback(guess.mark);
        continue;
      }
      this.#writes.push({ revision, operation, events });
      this.#used.add(operation);
      guess.chosen = operation;
      return true;
    }
  }

  /** Changes the latest guess that matters; its revision, or undefined when all were tried. */
  #guessAgain(contradiction: Contradiction): Revision | undefined {
    let keys = contradiction.keys;
    for (let guess = this.#guesses.at(-1); guess !== undefined; guess = this.#guesses.at(-1)) {
      this.#model.rollback(guess.mark);
      while ((this.#writes.at(-1)?.revision ?? 0) >= guess.revision) this.#writes.pop();
      if (guess.chosen !== undefined) this.#used.delete(guess.chosen);
      guess.chosen = undefined;
      guess.keys.add(keys);
      const matters = guess.candidates.some(({ request }) =>
        guess.keys.meets(touchedKeys(request)),
      );
      if (matters && this.#tryNext(guess)) return guess.revision;
      this.#bury(guess.revision);
      this.#guesses.pop();
      // Whatever else could have stood here could have prevented it.
      if (matters) for (const { request } of guess.candidates) guess.keys.add(touchedKeys(request));
      keys = [...guess.keys];
    }
    return undefined;
  }

  #bury(revision: Revision): void {
    if (this.#deadStates >= MAX_DEAD_STATES) return;
    let names = this.#dead.get(revision);
    if (names === undefined) this.#dead.set(revision, (names = new Set()));
    names.add(this.#stateName());
    this.#deadStates++;
  }

  /** The state, and which writes are spent: what the future of the search depends on. */
  #stateName(): string {
    const used = [...this.#used].map(({ id }) => id).sort((a, b) => a - b);
    return JSON.stringify([used, this.#model.state()]);
  }

  /** The write of this revision was called no later. */
  #deadlineOf(revision: Revision): Time {
    let low = 0;
    let high = this.#ordered.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ordered[middle] as PinnedRevision).revision < revision) low = middle + 1;
      else high = middle;
    }
    const at = this.#ordered[low];
    if (at === undefined) return Number.POSITIVE_INFINITY;
    return at.revision === revision ? at.afterWrite : at.afterPrevious;
  }

  #wrong(operation: AnsweredOperation, revision: Revision, expected: string): Contradiction {
    const keys = touchedKeys(operation.request);
    const explain = (): Violation => {
      const writes = this.#writes
        .filter(({ events }) => events.some(({ key }) => keys.some((each) => includes(each, key))))
        .slice(-SHOWN_AROUND);
      return {
        kind: "wrongResult",
        message: `operation #${operation.id} does not agree with the state at revision ${revision}: expected ${expected}`,
        operations: [...writes.map((write) => write.operation), operation],
      };
    };
    return { revision, keys, explain };
  }

  #nobody(revision: Revision, keys: readonly KeyRange[]): Contradiction {
    const message = `nobody can have made revision ${revision}`;
    const explain = (): Violation => ({
      kind: "missingWriter",
      message,
      operations: this.#around(revision),
    });
    return { revision, keys, explain };
  }

  /** What was answered at and beside a revision. */
  #around(revision: Revision): Operation[] {
    const at = this.#ordered.findIndex((each) => each.revision >= revision);
    const from = at < 0 ? this.#ordered.length : at;
    return this.#ordered
      .slice(Math.max(0, from - SHOWN_AROUND), from + SHOWN_AROUND)
      .flatMap(({ writers, readers }) => [...writers, ...readers.slice(0, 1)]);
  }

  #explain(): Violation {
    const deepest = this.#deepest?.violation;
    if (deepest === undefined) {
      return { kind: "missingWriter", message: "no contradiction was met yet", operations: [] };
    }
    if (this.#candidates.countBefore(Number.POSITIVE_INFINITY) === 0) return deepest;
    const message = `${deepest.message}; no choice among the writes with unknown outcome explains more`;
    return { ...deepest, message };
  }
}
