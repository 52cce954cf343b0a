/**
 * Physical compaction: removes the records that nobody can read any more, a bounded number per
 * call, while writes go on. Compactions run one after the other in the order of their requests.
 *
 * Of each key, the latest change at or below the compact revision stays, and a tombstone only if it
 * is of that very revision: a watcher that starts there must see it. What the index forgets follows
 * from the records that go, so that neither needs a list of what to keep.
 * A compaction waits for reads that need what it would remove (`Store.isPinnedBelow`).
 * Progress is not kept: after a crash the work starts over and finds less to do.
 */

import { KEY_BUCKET, META_BUCKET } from "../backend/index.ts";
import type { Revision } from "../base/ids.ts";
import { HistoryHasher, KeepProbe, type KeyValueHash } from "./hash.ts";
import { keyOf } from "./key-value.ts";
import { FINISHED_COMPACT_KEY } from "./meta.ts";
import { encodeRevisionKey, isTombstone, mainOf, subOf } from "../base/revision-key.ts";
import { scanRecords } from "./scan-records.ts";
import type { Store } from "./store.ts";

export interface CompactionRequestInfo {
  readonly revision: Revision;
  /** The compact revision before this one, -1 if none. */
  readonly previousRevision: Revision;
  /** False if the compaction before had not finished: the hash then covers too little to keep. */
  readonly previousCompleted: boolean;
}

export type CompactionStep =
  | { readonly state: "idle" }
  /** A read holds the next compaction up. */
  | { readonly state: "waiting" }
  | {
      readonly state: "running";
      /** Records that this call deleted; they should be committed before the next call. */
      readonly deletedRecords: number;
    }
  | { readonly state: "finished"; readonly result: CompactionResult };

/** How far the removal of records has come, which goes by revisions. */
export interface CompactionProgress {
  readonly atRevision: Revision;
  readonly revision: Revision;
}

export interface CompactionResult {
  readonly revision: Revision;
  readonly deletedRecords: number;
  readonly hash: KeyValueHash;
  /** True if the hash was added to the store's hashes. */
  readonly hashStored: boolean;
}

/** Does `work` at once; a caller with a clock sees how long it takes. */
export type Observed = (work: () => void) => void;

const UNOBSERVED: Observed = (work) => work();

export class Compactor {
  readonly #store: Store;
  readonly #queue: CompactionRequestInfo[] = [];
  #job: CompactionJob | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  get pending(): boolean {
    return this.#job !== undefined || this.#queue.length > 0;
  }

  /** Of the last compaction that was asked for, while there is work. */
  get progress(): CompactionProgress | undefined {
    const last = this.#queue.at(-1)?.revision ?? this.#job?.revision;
    return last === undefined
      ? undefined
      : { atRevision: this.#job?.atRevision ?? 0, revision: last };
  }

  add(request: CompactionRequestInfo): void {
    this.#queue.push(request);
  }

  /** Forgets all work: the backend has been replaced. */
  reset(): void {
    this.#queue.length = 0;
    this.#job = undefined;
  }

  step(maxRecords: number, indexWork: Observed = UNOBSERVED): CompactionStep {
    if (this.#job === undefined) {
      const request = this.#queue[0];
      if (request === undefined) return { state: "idle" };
      if (this.#store.isPinnedBelow(request.revision)) return { state: "waiting" };
      this.#queue.shift();
      this.#job = new CompactionJob(this.#store, request);
    }
    const before = this.#job.deletedRecords;
    const result = this.#job.step(maxRecords, indexWork);
    if (result === undefined) {
      return { state: "running", deletedRecords: this.#job.deletedRecords - before };
    }
    this.#job = undefined;
    return { state: "finished", result };
  }
}

class CompactionJob {
  readonly #store: Store;
  readonly #request: CompactionRequestInfo;
  readonly #hasher: HistoryHasher;
  readonly #probe: KeepProbe;
  readonly #end: Uint8Array;
  #keepsAny: boolean | undefined;
  #next: Uint8Array = Buffer.alloc(0);
  /** Records deleted so far. */
  deletedRecords = 0;

  constructor(store: Store, request: CompactionRequestInfo) {
    this.#store = store;
    this.#request = request;
    this.#hasher = new HistoryHasher(request.revision, request.previousRevision);
    this.#probe = new KeepProbe(store.index, request.revision, "compaction");
    this.#end = encodeRevisionKey(request.revision + 1, 0, false);
  }

  get revision(): Revision {
    return this.#request.revision;
  }

  /** Records below it are done. */
  get atRevision(): Revision {
    return this.#next.length === 0 ? 0 : mainOf(this.#next, 0);
  }

  step(maxRecords: number, indexWork: Observed): CompactionResult | undefined {
    if (this.#keepsAny === undefined) {
      this.#keepsAny = this.#probe.step(maxRecords);
      if (this.#keepsAny === undefined) return undefined;
    }
    const doomedRecords: Uint8Array[] = [];
    const changedKeys: string[] = [];
    const done = this.#scan(maxRecords, doomedRecords, changedKeys);
    for (const bucketKey of doomedRecords) this.#store.backend.delete(KEY_BUCKET, bucketKey);
    indexWork(() => {
      for (const key of changedKeys) this.#store.index.compact(key, this.#request.revision);
    });
    this.deletedRecords += doomedRecords.length;
    return done ? this.#finish() : undefined;
  }

  #scan(maxRecords: number, doomedRecords: Uint8Array[], changedKeys: string[]): boolean {
    const { index, backend } = this.#store;
    const revision = this.#request.revision;
    const hasher = this.#hasher;
    let budget = maxRecords;
    let done = true;
    scanRecords(backend, this.#next, this.#end, (bytes, from, to, record, begin, end) => {
      const main = mainOf(bytes, from);
      const sub = subOf(bytes, from);
      const tombstone = isTombstone(bytes, from, to);
      if (budget-- <= 0) {
        this.#next = encodeRevisionKey(main, sub, tombstone);
        done = false;
        return false;
      }
      const key = keyOf(record, begin, end);
      const kept = index.keeps(key, main, sub, revision, "compaction");
      if (!kept) {
        doomedRecords.push(encodeRevisionKey(main, sub, tombstone));
        changedKeys.push(key);
      }
      if (!hasher.covers(main, tombstone, kept || this.#keepsAny === false)) return true;
      hasher.add(bytes, from, to);
      hasher.add(record, begin, end);
      return true;
    });
    return done;
  }

  #finish(): CompactionResult {
    const { revision, previousCompleted } = this.#request;
    const mark = encodeRevisionKey(revision, 0, false);
    this.#store.backend.put(META_BUCKET, FINISHED_COMPACT_KEY, mark);
    const hash = this.#hasher.result();
    if (previousCompleted) this.#store.hashes.add(hash);
    return {
      revision,
      deletedRecords: this.deletedRecords,
      hash,
      hashStored: previousCompleted,
    };
  }
}
