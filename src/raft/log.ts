/**
 * The replicated log as the core sees it: persisted part (storage) and unstable tail as one, with
 * the marks that move over it. Invariant: applied <= applying <= committed <= lastIndex.
 *
 * It knows nothing of roles, members or messages.
 */
import type { Entry, Snapshot } from "../api/gen/raft.ts";
import { assert } from "../base/assert.ts";
import type { Index, Term } from "../base/ids.ts";
import { entriesBytes, limitEntries } from "./entry-size.ts";
import { snapshotIndex, snapshotTerm, UnstableLog } from "./log-unstable.ts";
import { LogError, type RaftLogger, type RaftStorage } from "./types.ts";

/** The place of an entry; two logs with the same (term, index) agree up to there (paper 5.3). */
export interface EntryID {
  readonly term: Term;
  readonly index: Index;
}

export class RaftLog {
  readonly storage: RaftStorage;
  readonly unstable: UnstableLog;
  /** Highest index known to be on disk at a quorum. */
  committed: Index;
  /** Highest index handed out to be applied. */
  applying: Index;
  /** Highest index that the caller reported as applied. */
  applied: Index;
  /** Bound for `#applyingBytes`; it may be exceeded by one entry. */
  readonly maxApplyingBytes: number;
  /** Encoded size of the entries that are handed out to be applied. */
  #applyingBytes = 0;
  /** Nothing more is handed out until something is reported as applied. */
  #applyingPaused = false;
  readonly #logger: RaftLogger;

  constructor(storage: RaftStorage, logger: RaftLogger, maxApplyingBytes: number) {
    this.storage = storage;
    this.unstable = new UnstableLog(storage.lastIndex() + 1, logger);
    // A limit of 0 would never let anything through; 1 lets one entry through at a time.
    this.maxApplyingBytes = Math.max(1, maxApplyingBytes);
    this.#logger = logger;
    // Whatever precedes the first entry went into a snapshot, so it was committed and applied.
    const compacted = storage.firstIndex() - 1;
    this.committed = compacted;
    this.applying = compacted;
    this.applied = compacted;
  }

  toString(): string {
    const { offset, offsetInProgress, entries } = this.unstable;
    return (
      `committed=${this.committed}, applied=${this.applied}, applying=${this.applying}, ` +
      `unstable.offset=${offset}, unstable.offsetInProgress=${offsetInProgress}, ` +
      `len(unstable.Entries)=${entries.length}`
    );
  }

  firstIndex(): Index {
    return this.unstable.firstIndex() ?? this.storage.firstIndex();
  }

  lastIndex(): Index {
    return this.unstable.lastIndex() ?? this.storage.lastIndex();
  }

  lastEntryID(): EntryID {
    const index = this.lastIndex();
    const term = this.term(index);
    assert(term !== undefined, `the term of the last entry ${index} is not known`);
    return { term, index };
  }

  /** The term at `index`; undefined when it was compacted away or lies behind the end. */
  term(index: Index): Term | undefined {
    const unstable = this.unstable.term(index);
    if (unstable !== undefined) return unstable;
    // The term right before the first entry is known too: it is the snapshot's.
    if (index + 1 < this.firstIndex() || index > this.lastIndex()) return undefined;
    return this.storage.term(index);
  }

  /** The term for log lines, where an unknown term prints as 0. */
  termOrZero(index: Index): Term {
    return this.term(index) ?? 0;
  }

  matchTerm(term: Term, index: Index): boolean {
    return this.term(index) === term;
  }

  /** Whether a log that ends with (term, index) may lead this one (paper 5.4.1). */
  isUpToDate(term: Term, index: Index): boolean {
    const ours = this.lastEntryID();
    return term > ours.term || (term === ours.term && index >= ours.index);
  }

  /**
   * A follower's append (paper 5.3): if `previous` is in this log, takes over what is new in
   * `entries` and the leader's commit index. Returns the index of the last entry that matches the
   * leader's log, or undefined when `previous` does not match.
   */
  maybeAppend(previous: EntryID, entries: readonly Entry[], commit: Index): Index | undefined {
    if (!this.matchTerm(previous.term, previous.index)) return undefined;
    const lastNew = previous.index + entries.length;
    const conflict = this.findConflict(entries);
    if (conflict !== 0) {
      assert(
        conflict > this.committed,
        `entry ${conflict} conflict with committed entry [committed(${this.committed})]`,
      );
      const skip = conflict - (previous.index + 1);
      this.append(skip === 0 ? entries : entries.slice(skip));
    }
    // Entries behind `lastNew` may be leftovers of another leader, whatever the commit says.
    this.commitTo(Math.min(commit, lastNew));
    return lastNew;
  }

  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    assert(
      first.index > this.committed,
      `after(${first.index - 1}) is out of range [committed(${this.committed})]`,
    );
    this.unstable.truncateAndAppend(entries);
  }

  /** Index of the first of `entries` that this log does not hold with the same term; 0 for none. */
  findConflict(entries: readonly Entry[]): Index {
    const lastIndex = this.lastIndex();
    for (const entry of entries) {
      const { index, term } = entry;
      if (index > lastIndex) return index;
      const existing = this.term(index);
      if (existing !== term) {
        this.#logger.info(
          `found conflict at index ${index} ` +
            `[existing term: ${existing ?? 0}, conflicting term: ${term}]`,
        );
        return index;
      }
    }
    return 0;
  }

  /**
   * The last place at or before `index` where a log whose entry at `index` has `term` could still
   * agree with this one: terms only grow along a log, so entries of later terms cannot match.
   * Skips a whole term per round trip of probing. Term 0 stands for "not known here".
   */
  findConflictByTerm(index: Index, term: Term): EntryID {
    for (let at = index; at > 0; at--) {
      const ours = this.term(at);
      if (ours === undefined) return { term: 0, index: at };
      if (ours <= term) return { term: ours, index: at };
    }
    return { term: 0, index: 0 };
  }

  commitTo(index: Index): void {
    if (index <= this.committed) return;
    const lastIndex = this.lastIndex();
    assert(
      index <= lastIndex,
      `tocommit(${index}) is out of range [lastIndex(${lastIndex})]. ` +
        "Was the raft log corrupted, truncated, or lost?",
    );
    this.committed = index;
  }

  /** Commits up to `index` if the entry there is of `term` (paper 5.4.2 and figure 8). */
  maybeCommit(term: Term, index: Index): boolean {
    if (term === 0 || index <= this.committed || !this.matchTerm(term, index)) return false;
    this.commitTo(index);
    return true;
  }

  /** `bytes` is the encoded size of the entries that are applied with this report. */
  appliedTo(index: Index, bytes: number): void {
    assert(
      index <= this.committed && index >= this.applied,
      `applied(${index}) is out of range ` +
        `[prevApplied(${this.applied}), committed(${this.committed})]`,
    );
    this.applied = index;
    this.applying = Math.max(this.applying, index);
    this.#applyingBytes = Math.max(0, this.#applyingBytes - bytes);
    this.#applyingPaused = this.#applyingBytes >= this.maxApplyingBytes;
  }

  /** The entries up to `index`, of `bytes` encoded size, were handed out to be applied. */
  acceptApplying(index: Index, bytes: number, allowUnstable: boolean): void {
    assert(
      index <= this.committed,
      `applying(${index}) is out of range ` +
        `[prevApplying(${this.applying}), committed(${this.committed})]`,
    );
    this.applying = index;
    this.#applyingBytes += bytes;
    // When the byte limit cut the batch short, the next entry would not fit either. Waiting for
    // an answer keeps a few large batches from turning into many small ones.
    this.#applyingPaused =
      this.#applyingBytes >= this.maxApplyingBytes || index < this.#appliableIndex(allowUnstable);
  }

  hasNextCommitted(allowUnstable: boolean): boolean {
    return (
      !this.#applyingPaused &&
      this.unstable.snapshot === undefined &&
      this.applying < this.#appliableIndex(allowUnstable)
    );
  }

  /** Committed entries to apply next, within the byte budget. */
  nextCommitted(allowUnstable: boolean): Entry[] {
    if (!this.hasNextCommitted(allowUnstable)) return [];
    const entries = this.slice(
      this.applying + 1,
      this.#appliableIndex(allowUnstable) + 1,
      this.maxApplyingBytes - this.#applyingBytes,
    );
    assert(entries !== undefined, "committed entries were compacted before they were applied");
    return entries;
  }

  /** Entries from `index` to the end within `maxBytes`; undefined when compacted away. */
  entriesFrom(index: Index, maxBytes: number): Entry[] | undefined {
    const lastIndex = this.lastIndex();
    return index > lastIndex ? [] : this.slice(index, lastIndex + 1, maxBytes);
  }

  /** Entries low..high-1, cut after `maxBytes` but never empty; undefined when compacted away. */
  slice(low: Index, high: Index, maxBytes: number): Entry[] | undefined {
    const end = this.lastIndex() + 1;
    assert(low <= high, `invalid slice ${low} > ${high}`);
    if (low < this.firstIndex()) return undefined;
    assert(high <= end, `slice[${low},${high}) out of bound [${this.firstIndex()},${end - 1}]`);
    if (low === high) return [];
    const { unstable } = this;
    if (low >= unstable.offset) return limitEntries(unstable.slice(low, high), maxBytes);

    const cut = Math.min(high, unstable.offset);
    const stored = this.#storedEntries(low, cut, maxBytes);
    if (stored === undefined || high <= unstable.offset || stored.length < cut - low) {
      return stored;
    }
    const budget = maxBytes - entriesBytes(stored);
    if (budget <= 0) return stored;
    const tail = limitEntries(unstable.slice(unstable.offset, high), budget);
    // The limit always lets one entry through, which is one too many behind stored entries.
    if (tail.length === 1 && entriesBytes(tail) > budget) return stored;
    return stored.concat(tail);
  }

  /**
   * Calls `visit` with pieces of low..high-1 until it returns true. Returns whether it did. What is
   * compacted away is left out: a caller may compact what it has applied but not reported yet.
   */
  some(low: Index, high: Index, visit: (entries: readonly Entry[]) => boolean): boolean {
    for (let at = Math.max(low, this.firstIndex()); at < high; ) {
      const entries = this.slice(at, high, this.maxApplyingBytes);
      assert(
        entries !== undefined && entries.length > 0,
        `error scanning unapplied entries [${at}, ${high})`,
      );
      if (visit(entries)) return true;
      at += entries.length;
    }
    return false;
  }

  snapshot(): Snapshot | "temporarilyUnavailable" {
    return this.unstable.snapshot ?? this.storage.snapshot();
  }

  /** Replaces the whole log by a snapshot from the leader. */
  restore(snapshot: Snapshot): void {
    this.#logger.info(
      `log [${this.toString()}] starts to restore snapshot ` +
        `[index: ${snapshotIndex(snapshot)}, term: ${snapshotTerm(snapshot)}]`,
    );
    this.committed = snapshotIndex(snapshot);
    this.unstable.restore(snapshot);
  }

  /** Entries may be applied before they are stable only if the caller writes them first. */
  #appliableIndex(allowUnstable: boolean): Index {
    return allowUnstable ? this.committed : Math.min(this.committed, this.unstable.offset - 1);
  }

  #storedEntries(low: Index, high: Index, maxBytes: number): Entry[] | undefined {
    try {
      return this.storage.entries(low, high, maxBytes);
    } catch (error) {
      if (error instanceof LogError && error.code === "compacted") return undefined;
      throw error;
    }
  }
}
