/**
 * The raft log in memory: the default `RaftStorage`, kept in step with the WAL by its owner.
 *
 * Appending is amortised O(1) per entry and reading by index O(1). Compaction only moves a mark;
 * the array is cut when more than half of it is garbage, so it costs O(1) per compacted entry.
 * Entry objects are held as they were given until the owner settles them. Not durable: the owner
 * writes to disk first.
 */
import type { ConfState, Entry, HardState, Snapshot } from "../api/gen/raft.ts";
import { assert } from "../base/assert.ts";
import { EMPTY_BYTES } from "../base/bytes.ts";
import type { Index, Term } from "../base/ids.ts";
import { entryBytes } from "./entry-size.ts";
import { snapshotIndex, snapshotTerm } from "./log-unstable.ts";
import { SettledEntries, type SettledEntriesOptions } from "./settled-entries.ts";
import { LogError, type RaftStorage } from "./types.ts";

/** Below this many dead slots, cutting the array is not worth the copy. */
const MIN_GARBAGE = 1024;
/** Data of more bytes stays as it is when its entry is settled: copying it costs more than it spares. */
const COPIED_BYTES = 4 * 1024;

export class MemoryStorage implements RaftStorage {
  #hardState: HardState = { term: 0, vote: 0n, commit: 0 };
  #snapshot: Snapshot = newSnapshot(0, 0, emptyConfState(), EMPTY_BYTES);
  /**
   * Slots before `#start` are dead. `#entries[#start + i]` has index `#compacted + 1 + i`, and is
   * undefined if its entry is among the settled ones.
   */
  #entries: (Entry | undefined)[] = [];
  readonly #settled: SettledEntries;
  /** Index up to which entries are settled. */
  #settledIndex: Index = 0;
  #start = 0;
  /** Index and term of the last entry that is no longer here. */
  #compacted: Index = 0;
  #compactedTerm: Term = 0;
  /** Of the data of the entries that are here. */
  #bytes = 0;

  constructor(options?: SettledEntriesOptions) {
    this.#settled = new SettledEntries(options);
  }

  initialState(): { hardState: HardState; confState: ConfState } {
    return {
      hardState: this.#hardState,
      confState: this.#snapshot.metadata?.confState ?? emptyConfState(),
    };
  }

  setHardState(state: HardState): void {
    this.#hardState = state;
  }

  firstIndex(): Index {
    return this.#compacted + 1;
  }

  lastIndex(): Index {
    return this.#compacted + this.#entries.length - this.#start;
  }

  /** Bytes of the entries' data. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Last entry to compact, up to `last`, for `maxBytes` to be left if that is enough. */
  lastBeyond(maxBytes: number, last: Index): Index {
    let index = this.#compacted;
    for (let bytes = this.#bytes; bytes > maxBytes && index < last; index++) {
      bytes -= this.#bytesOf(index + 1);
    }
    return index;
  }

  term(index: Index): Term | undefined {
    if (index === this.#compacted) return this.#compactedTerm;
    if (index < this.#compacted || index > this.lastIndex()) return undefined;
    return this.#entries[this.#slot(index)]?.term ?? this.#settled.term(index);
  }

  entries(low: Index, high: Index, maxBytes: number): Entry[] {
    if (low <= this.#compacted) throw new LogError("compacted");
    const lastIndex = this.lastIndex();
    if (low > lastIndex) throw new LogError("unavailable");
    assert(high <= lastIndex + 1, `entries' hi(${high}) is out of bound lastindex(${lastIndex})`);
    const found: Entry[] = [];
    for (let index = low, bytes = 0; index < high; index++) {
      const entry = this.#entries[this.#slot(index)] ?? this.#settled.entry(index);
      bytes += entryBytes(entry);
      if (bytes > maxBytes && index > low) break;
      found.push(entry);
    }
    return found;
  }

  /**
   * The entries up to `index` were applied. From now on only followers ask for them, who get equal
   * ones instead of those that were given.
   */
  settle(index: Index): void {
    const last = Math.min(index, this.lastIndex());
    for (let next = Math.max(this.#settledIndex, this.#compacted) + 1; next <= last; next++) {
      const slot = this.#slot(next);
      const entry = this.#entries[slot] as Entry;
      const isCopied = entry.data.length <= COPIED_BYTES;
      this.#settled.add(entry, isCopied ? entry.data : EMPTY_BYTES);
      if (isCopied) this.#entries[slot] = undefined;
    }
    this.#settledIndex = Math.max(last, this.#settledIndex);
  }

  snapshot(): Snapshot | "temporarilyUnavailable" {
    return this.#snapshot;
  }

  /**
   * Adds entries, replacing those at and behind the index of the first. Entries that were
   * compacted away already are skipped.
   */
  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    const lastIndex = this.lastIndex();
    assert(
      first.index <= lastIndex + 1,
      `missing log entry [last: ${lastIndex}, append at: ${first.index}]`,
    );
    const skip = Math.max(0, this.firstIndex() - first.index);
    if (skip >= entries.length) return;
    const target = this.#entries;
    assert(first.index + skip > this.#settledIndex, "applied entries are not replaced");
    const keep = this.#slot(first.index + skip);
    for (let slot = keep; slot < target.length; slot++) {
      this.#bytes -= (target[slot] as Entry).data.length;
    }
    if (keep < target.length) target.length = keep;
    for (let i = skip; i < entries.length; i++) {
      const entry = entries[i] as Entry;
      target.push(entry);
      this.#bytes += entry.data.length;
    }
  }

  /**
   * Starts over behind a snapshot received from the leader.
   * @throws LogError "snapshotOutOfDate" when it is not newer than the present one.
   */
  applySnapshot(snapshot: Snapshot): void {
    const present = snapshotIndex(this.#snapshot);
    if (present !== 0 && present >= snapshotIndex(snapshot)) {
      throw new LogError("snapshotOutOfDate");
    }
    this.#snapshot = snapshot;
    this.#entries = [];
    this.#settled.clear();
    this.#bytes = 0;
    this.#start = 0;
    this.#compacted = snapshotIndex(snapshot);
    this.#settledIndex = this.#compacted;
    this.#compactedTerm = snapshotTerm(snapshot);
  }

  /**
   * Makes the snapshot for the applied state at `index`; does not compact.
   * @throws LogError "snapshotOutOfDate" when one at or behind `index` exists.
   */
  createSnapshot(index: Index, confState: ConfState | undefined, data: Uint8Array): Snapshot {
    const metadata = this.#snapshot.metadata;
    if (index <= (metadata?.index ?? 0)) throw new LogError("snapshotOutOfDate");
    const term = this.term(index);
    assert(term !== undefined, `snapshot ${index} is out of bound lastindex(${this.lastIndex()})`);
    const membership = confState ?? metadata?.confState ?? emptyConfState();
    this.#snapshot = newSnapshot(index, term, membership, data);
    return this.#snapshot;
  }

  /**
   * Drops the entries up to and including `index`, which must be covered by a snapshot.
   * @throws LogError "compacted" when they are gone already.
   */
  compact(index: Index): void {
    if (index <= this.#compacted) throw new LogError("compacted");
    const term = this.term(index);
    assert(term !== undefined, `compact ${index} is out of bound lastindex(${this.lastIndex()})`);
    const start = this.#slot(index + 1);
    for (let gone = this.firstIndex(); gone <= index; gone++) this.#bytes -= this.#bytesOf(gone);
    if (start > MIN_GARBAGE && start > this.#entries.length / 2) {
      this.#entries = this.#entries.slice(start);
      this.#start = 0;
    } else {
      // A dead slot must not keep its payload alive until the array is cut.
      const dead = deadEntry();
      for (let slot = this.#start; slot < start; slot++) this.#entries[slot] = dead;
      this.#start = start;
    }
    this.#compacted = index;
    this.#compactedTerm = term;
    this.#settled.compact(index);
  }

  /** Of the data of an entry that is here. */
  #bytesOf(index: Index): number {
    return this.#entries[this.#slot(index)]?.data.length ?? this.#settled.bytesOf(index);
  }

  #slot(index: Index): number {
    return this.#start + (index - this.#compacted - 1);
  }
}

export function emptyConfState(): ConfState {
  return { voters: [], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
}

export function newSnapshot(
  index: Index,
  term: Term,
  confState: ConfState,
  data: Uint8Array,
): Snapshot {
  return { data, metadata: { confState, index, term } };
}

function deadEntry(): Entry {
  return { type: 0, term: 0, index: 0, data: EMPTY_BYTES };
}
