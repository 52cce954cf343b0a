/**
 * Watches a whole group from outside and throws when one of raft's promises (paper, figure 3) is
 * broken: election safety, log matching, leader completeness, state machine safety; and that a
 * linearizable read never misses what was committed before it began (thesis 6.4).
 */
import type { Entry } from "../../api/gen/raft.ts";
import { assert } from "../../base/assert.ts";
import { latin1FromBytes } from "../../base/bytes.ts";
import type { Index, MemberID, Term } from "../../base/ids.ts";
import type { RawNode } from "../raw-node.ts";

interface Committed {
  readonly term: Term;
  readonly digest: number;
}

export class SafetyChecker {
  readonly #leaders = new Map<Term, MemberID>();
  /** (index, term) of every entry ever seen, with its content and the term before it. */
  readonly #entries = new Map<string, string>();
  readonly #committed = new Map<Index, Committed>();
  /** The highest index that any member knows to be committed. */
  maxCommitted: Index = 0;
  readonly #readFloors = new Map<string, Index>();
  readsAnswered = 0;

  /** What state machines start from. */
  start(index: Index, term: Term): void {
    this.#committed.set(index, { term, digest: 0 });
    this.maxCommitted = index;
  }

  /** To be called after every event at a member. */
  observe(id: MemberID, node: RawNode): void {
    const { term, state, commit } = node.basicStatus();
    if (state === "StateLeader") this.#checkLeader(id, term, node);
    this.maxCommitted = Math.max(this.maxCommitted, commit);
  }

  /** Entries that a member puts into its log; `previousTerm` is the term before the first. */
  appended(entries: readonly Entry[], previousTerm: Term | undefined): void {
    let before = previousTerm;
    for (const { index, term, type, data } of entries) {
      assert(before === undefined || before <= term, `terms decrease at ${index}`);
      const content = `${before}|${type}|${latin1FromBytes(data)}`;
      const key = `${index}/${term}`;
      const known = this.#entries.get(key) ?? content;
      assert(before === undefined || known === content, `log matching broken at ${key}`);
      this.#entries.set(key, known);
      before = term;
    }
  }

  /** A member applies `entry` to a state with `digest`. Returns the digest of the new state. */
  applied(entry: Entry, digest: number): number {
    let next = Math.imul(digest ^ entry.term, 16777619);
    for (const byte of entry.data) next = Math.imul(next ^ byte, 16777619);
    const known = this.#committed.get(entry.index) ?? { term: entry.term, digest: next };
    assert(
      known.term === entry.term && known.digest === next,
      `state machine safety broken at index ${entry.index}: terms ${known.term}, ${entry.term}`,
    );
    this.#committed.set(entry.index, known);
    this.maxCommitted = Math.max(this.maxCommitted, entry.index);
    return next;
  }

  /** A member takes over a state by snapshot. */
  restored(index: Index, term: Term, digest: number): void {
    const known = this.#committed.get(index);
    assert(
      known !== undefined && known.term === term && known.digest === digest,
      `a snapshot at ${index} holds another state than was applied there`,
    );
  }

  readStarted(context: string): void {
    this.#readFloors.set(context, this.maxCommitted);
  }

  readAnswered(context: string, index: Index): void {
    const floor = this.#readFloors.get(context);
    assert(floor !== undefined, `read ${context} was answered without being asked`);
    assert(index >= floor, `stale read ${context}: index ${index}, committed before: ${floor}`);
    this.readsAnswered++;
  }

  #checkLeader(id: MemberID, term: Term, node: RawNode): void {
    const known = this.#leaders.get(term);
    assert(known === undefined || known === id, `two leaders in term ${term}: ${known}, ${id}`);
    if (known === id) return;
    this.#leaders.set(term, id);
    const { log } = node.raft;
    for (const [index, committed] of this.#committed) {
      if (index < log.firstIndex()) continue;
      assert(
        log.term(index) === committed.term,
        `leader ${id} of term ${term} lacks committed entry ${index} of term ${committed.term}`,
      );
    }
  }
}
