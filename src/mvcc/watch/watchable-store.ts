/**
 * Tells watchers what changes. Each finished write is matched against the synced watchers at once;
 * watchers that start in the past, or whose client is slow, are unsynced and read the history from
 * the backend in rounds until they have caught up.
 *
 * Guarantees to each watcher: events in order of revision, all of a transaction together, none
 * missing and none twice; if history that it needs is compacted first, it is told so and ended.
 * Progress never names a revision whose events have not been delivered, because delivery is
 * synchronous and progress takes the same way.
 *
 * Memory: a watcher that cannot take events holds none of them; it remembers a revision.
 * No clock: the server calls `syncWatchers` while `hasUnsynced` (etcd: every 100 ms, or sooner).
 */

import { KEY_BUCKET } from "../../backend/types.ts";
import type { Revision } from "../../base/ids.ts";
import { keyOf } from "../key-value.ts";
import { encodeRevisionKey, isTombstone, mainOf } from "../revision.ts";
import type { Change, Store } from "../store.ts";
import { SharedEvent } from "./event.ts";
import { WatchStream } from "./watch-stream.ts";
import { NO_EVENTS, type Watcher, WatcherGroup, type WatchSink } from "./watcher.ts";

/** Most revisions in one response to a watcher that catches up, as in etcd. */
const MAX_BATCH_REVISIONS = 1000;
/** Bytes of records after which a round ends at the next whole transaction. */
const MAX_ROUND_BYTES = 4 << 20;

const TO_BE_LOOKED_UP = -1;

/**
 * "idle": every watcher is synced. "more": call again soon. "blocked": the rest waits for its
 * clients; call again when a stream's congestion ends, or after a while.
 */
export type SyncState = "idle" | "more" | "blocked";

export class WatchableStore {
  readonly store: Store;
  readonly #synced = new WatcherGroup();
  readonly #unsynced = new WatcherGroup();
  readonly #streams = new Set<WatchStream>();
  #round = 0;
  #eventsDelivered = 0;
  readonly #observe = (revision: Revision, changes: readonly Change[]): void =>
    this.#notify(revision, changes);

  constructor(store: Store) {
    this.store = store;
  }

  /** Open streams. */
  get streams(): number {
    return this.#streams.size;
  }

  get watchers(): number {
    return this.#synced.size + this.#unsynced.size;
  }

  /** Watchers that have not caught up, congested ones included. */
  get slowWatchers(): number {
    return this.#unsynced.size;
  }

  get hasUnsynced(): boolean {
    return this.#unsynced.size > 0;
  }

  /** Events handed to sinks since the start. */
  get eventsDelivered(): number {
    return this.#eventsDelivered;
  }

  openStream(sink: WatchSink): WatchStream {
    const stream = new WatchStream(this, sink);
    this.#streams.add(stream);
    return stream;
  }

  /** For WatchStream. */
  forgetStream(stream: WatchStream): void {
    this.#streams.delete(stream);
  }

  /** For WatchStream. Starts a watcher; nothing is delivered inside this call. */
  add(watcher: Watcher): void {
    const current = this.store.currentRevision;
    const start = watcher.options.startRevision;
    if (start === 0 || start > current) {
      watcher.minRevision = Math.max(current + 1, start);
      this.#enter(watcher, "synced");
    } else {
      watcher.minRevision = start;
      this.#enter(watcher, "unsynced");
    }
  }

  /** For WatchStream. */
  remove(watcher: Watcher): void {
    this.#leave(watcher);
    watcher.state = "ended";
  }

  /** For WatchStream: progress of these watchers, if they have all seen the current revision. */
  progressIfSynced(watchers: Iterable<Watcher>, sink: WatchSink, watchID: number): void {
    const revision = this.store.currentRevision;
    let any = false;
    for (const watcher of watchers) {
      if (watcher.state === "ended") continue;
      if (watcher.state !== "synced" || watcher.options.startRevision > revision) return;
      any = true;
    }
    if (any && !sink.congested) sink.progress(watchID, revision);
  }

  /**
   * Replaces the store's state by the backend's, as after a snapshot from the leader. Watchers
   * stay; what they have seen before they do not see again.
   */
  *restoreSteps(
    backend: Store["backend"],
    recordsPerStep: number,
  ): ReturnType<Store["restoreSteps"]> {
    const seen = this.store.currentRevision;
    const report = yield* this.store.restoreSteps(backend, recordsPerStep);
    for (const watcher of [...this.#synced.watchers]) {
      watcher.minRevision = Math.max(watcher.minRevision, seen + 1);
      this.#move(watcher, "unsynced");
    }
    return report;
  }

  /** Lets unsynced watchers read up to about `maxRecords` records of history. */
  syncWatchers(maxRecords: number): SyncState {
    this.#endCompacted();
    for (let budget = maxRecords; budget > 0; ) {
      const lead = this.#nextLead();
      if (lead === undefined) return this.hasUnsynced ? "blocked" : "idle";
      budget -= 1 + this.#runRound(lead);
    }
    return this.hasUnsynced ? "more" : "idle";
  }

  #notify(revision: Revision, changes: readonly Change[]): void {
    const reached: Watcher[] = [];
    for (const change of changes) {
      const event = new SharedEvent(
        this.store,
        change.key,
        change.main,
        change.tombstone,
        change.record,
        change.previousMain,
        change.previousSub,
      );
      // One list serves all watchers of a write with one change, as nearly all writes are.
      const single: [plain?: Uint8Array[], withPrevious?: Uint8Array[]] = [];
      this.#synced.match(change.key, (watcher) => {
        if (watcher.minRevision > revision || !watcher.wants(change.tombstone)) return;
        const { prevKv } = watcher.options;
        if (watcher.pending.length === 0) reached.push(watcher);
        if (changes.length > 1) add(watcher, event.encoded(prevKv));
        else watcher.pending = single[prevKv ? 1 : 0] ??= [event.encoded(prevKv)];
      });
    }
    for (const watcher of reached) {
      if (this.#deliverPending(watcher, revision)) watcher.minRevision = revision + 1;
      else if (watcher.state === "synced") {
        watcher.minRevision = revision;
        this.#move(watcher, "unsynced");
      }
    }
  }

  /** False if the sink did not take the events. */
  #deliverPending(watcher: Watcher, revision: Revision): boolean {
    const events = watcher.pending;
    watcher.pending = NO_EVENTS;
    // A sink may have ended the watcher while an earlier one was served.
    if (watcher.state === "ended") return true;
    if (!watcher.sink.deliver(watcher, revision, events)) return false;
    this.#eventsDelivered += events.length;
    watcher.progressDue = false;
    return true;
  }

  /** The longest waiting watcher that could take events. */
  #nextLead(): Watcher | undefined {
    for (const watcher of this.#unsynced.watchers) {
      if (!watcher.sink.congested && watcher.minRevision >= this.store.compactRevision) {
        return watcher;
      }
    }
    return undefined;
  }

  #endCompacted(): void {
    const compactRevision = this.store.compactRevision;
    for (const watcher of [...this.#unsynced.watchers]) {
      if (watcher.minRevision >= compactRevision || watcher.state === "ended") continue;
      if (watcher.sink.compacted(watcher.id, compactRevision)) this.remove(watcher);
    }
  }

  /**
   * Reads one batch of history from where `lead` stands, for it and for all watchers that stand
   * there or later. Returns the number of records read.
   */
  #runRound(lead: Watcher): number {
    const current = this.store.currentRevision;
    const start = lead.minRevision;
    this.#round++;
    this.#unsynced.requeue(lead);
    const members: Watcher[] = [];
    for (const watcher of this.#unsynced.watchers) {
      if (watcher.minRevision < start || watcher.sink.congested) continue;
      watcher.round = this.#round;
      members.push(watcher);
    }
    const scan = { upTo: current, records: 0 };
    if (start <= current) this.#scan(start, current, scan);
    for (const watcher of members) this.#advance(watcher, scan.upTo, current);
    return scan.records;
  }

  /** Collects events from `start` on; `scan.upTo` is the last revision completely covered. */
  #scan(start: Revision, current: Revision, scan: { upTo: Revision; records: number }): void {
    let bytes = 0;
    let revisions = 0;
    let last = 0;
    const from = encodeRevisionKey(start, 0, false);
    const end = encodeRevisionKey(current + 1, 0, false);
    this.store.backend.scan(KEY_BUCKET, from, end, (bucketKey, record) => {
      const main = mainOf(bucketKey);
      if (main !== last) {
        if (revisions === MAX_BATCH_REVISIONS || bytes > MAX_ROUND_BYTES) {
          scan.upTo = last;
          return false;
        }
        revisions++;
        last = main;
      }
      scan.records++;
      bytes += record.length;
      this.#collect(main, isTombstone(bucketKey), record);
      return true;
    });
  }

  #collect(main: Revision, tombstone: boolean, record: Uint8Array): void {
    const key = keyOf(record);
    let event: SharedEvent | undefined;
    this.#unsynced.match(key, (watcher) => {
      if (watcher.round !== this.#round || watcher.minRevision > main) return;
      if (!watcher.wants(tombstone)) return;
      event ??= new SharedEvent(this.store, key, main, tombstone, record, TO_BE_LOOKED_UP, 0);
      add(watcher, event.encoded(watcher.options.prevKv));
    });
  }

  /** Delivers what a round found and moves the watcher on. */
  #advance(watcher: Watcher, upTo: Revision, current: Revision): void {
    if (watcher.state === "ended") {
      watcher.pending = NO_EVENTS;
      return;
    }
    if (watcher.pending.length > 0 && !this.#deliverPending(watcher, current)) return;
    if (watcher.state !== "unsynced") return;
    watcher.minRevision = Math.max(watcher.minRevision, upTo + 1);
    if (watcher.minRevision > current) this.#move(watcher, "synced");
  }

  #move(watcher: Watcher, state: "synced" | "unsynced"): void {
    this.#leave(watcher);
    this.#enter(watcher, state);
  }

  #enter(watcher: Watcher, state: "synced" | "unsynced"): void {
    (state === "synced" ? this.#synced : this.#unsynced).add(watcher);
    watcher.state = state;
    this.#updateObserver();
  }

  #leave(watcher: Watcher): void {
    if (watcher.state === "synced") this.#synced.delete(watcher);
    else if (watcher.state === "unsynced") this.#unsynced.delete(watcher);
    this.#updateObserver();
  }

  /** Writes keep a list of changes only while a synced watcher wants it. */
  #updateObserver(): void {
    this.store.observer = this.#synced.size > 0 ? this.#observe : undefined;
  }
}

function add(watcher: Watcher, event: Uint8Array): void {
  if (watcher.pending.length === 0) watcher.pending = [event];
  else watcher.pending.push(event);
}
