/**
 * The tail of the log that is not known to be on disk: entries from `offset` on, and possibly a
 * snapshot that precedes them. `offsetInProgress` splits the entries into those already handed out
 * for writing and those still to be handed out. Invariant: offset <= offsetInProgress <= end.
 *
 * Arrays handed out are copies of references; this log may grow or be cut while a write is running.
 */
import type { Entry, Snapshot } from "../api/gen/raft.ts";
import { assert } from "../base/assert.ts";
import type { Index, Term } from "../base/ids.ts";
import type { RaftLogger } from "./types.ts";

export class UnstableLog {
  /** A snapshot received from the leader that is not yet persisted. */
  snapshot: Snapshot | undefined = undefined;
  /** `entries[i]` has index `offset + i`. */
  entries: Entry[] = [];
  offset: Index;
  /** The snapshot was handed out for writing. */
  snapshotInProgress = false;
  /** Entries before this index were handed out for writing. */
  offsetInProgress: Index;
  readonly #logger: RaftLogger;

  constructor(offset: Index, logger: RaftLogger) {
    this.offset = offset;
    this.offsetInProgress = offset;
    this.#logger = logger;
  }

  /** Known here only when there is a snapshot. */
  firstIndex(): Index | undefined {
    return this.snapshot === undefined ? undefined : snapshotIndex(this.snapshot) + 1;
  }

  lastIndex(): Index | undefined {
    const count = this.entries.length;
    if (count > 0) return this.offset + count - 1;
    return this.snapshot === undefined ? undefined : snapshotIndex(this.snapshot);
  }

  term(index: Index): Term | undefined {
    if (index >= this.offset) return this.entries[index - this.offset]?.term;
    const metadata = this.snapshot?.metadata;
    return metadata !== undefined && metadata.index === index ? metadata.term : undefined;
  }

  get hasPendingEntries(): boolean {
    return this.offsetInProgress < this.offset + this.entries.length;
  }

  /** The entries that were not handed out for writing yet. */
  pendingEntries(): Entry[] {
    return this.entries.slice(this.offsetInProgress - this.offset);
  }

  pendingSnapshot(): Snapshot | undefined {
    return this.snapshotInProgress ? undefined : this.snapshot;
  }

  /** Marks everything as handed out. */
  acceptInProgress(): void {
    this.offsetInProgress = this.offset + this.entries.length;
    if (this.snapshot !== undefined) this.snapshotInProgress = true;
  }

  /**
   * The write of the entries up to (term, index) has finished. Entries that were replaced in the
   * meantime stay: the write that finished was of others, even when terms and indexes came back
   * to what they were (the ABA case), because such a report carries a term that is no longer ours
   * and never gets here.
   */
  stableTo(term: Term, index: Index): void {
    const ours = this.term(index);
    if (ours === undefined) {
      this.#logger.info(`entry at index ${index} missing from unstable log; ignoring`);
      return;
    }
    if (index < this.offset) {
      this.#logger.info(`entry at index ${index} matched unstable snapshot; ignoring`);
      return;
    }
    if (ours !== term) {
      this.#logger.info(
        `entry at (index,term)=(${index},${term}) mismatched with ` +
          `entry at (${index},${ours}) in unstable log; ignoring`,
      );
      return;
    }
    const count = index + 1 - this.offset;
    this.entries = count === this.entries.length ? [] : this.entries.slice(count);
    this.offset = index + 1;
    this.offsetInProgress = Math.max(this.offsetInProgress, this.offset);
  }

  stableSnapshotTo(index: Index): void {
    if (this.snapshot !== undefined && snapshotIndex(this.snapshot) === index) {
      this.snapshot = undefined;
      this.snapshotInProgress = false;
    }
  }

  /** Starts over behind `snapshot`. */
  restore(snapshot: Snapshot): void {
    this.offset = snapshotIndex(snapshot) + 1;
    this.offsetInProgress = this.offset;
    this.entries = [];
    this.snapshot = snapshot;
    this.snapshotInProgress = false;
  }

  /** Appends, after cutting off what lies at or behind the first new index. */
  truncateAndAppend(added: readonly Entry[]): void {
    const from = (added[0] as Entry).index;
    if (from < this.#end && from <= this.offset) {
      this.#logger.info(`replace the unstable entries from index ${from}`);
      this.entries = [];
      this.offset = from;
      this.offsetInProgress = from;
    } else if (from < this.#end) {
      this.#logger.info(`truncate the unstable entries before index ${from}`);
      this.entries = this.slice(this.offset, from);
      this.offsetInProgress = Math.min(this.offsetInProgress, from);
    }
    assert(from === this.#end, "append leaves a gap in the unstable log");
    const entries = this.entries;
    for (const entry of added) entries.push(entry);
  }

  slice(low: Index, high: Index): Entry[] {
    assert(low <= high, `invalid unstable.slice ${low} > ${high}`);
    assert(
      low >= this.offset && high <= this.#end,
      `unstable.slice[${low},${high}) out of bound [${this.offset},${this.#end}]`,
    );
    return this.entries.slice(low - this.offset, high - this.offset);
  }

  get #end(): Index {
    return this.offset + this.entries.length;
  }
}

export function snapshotIndex(snapshot: Snapshot): Index {
  return snapshot.metadata?.index ?? 0;
}

export function snapshotTerm(snapshot: Snapshot): Term {
  return snapshot.metadata?.term ?? 0;
}
