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
import { type LoadedState, loadState, type RestoreReport } from "../restore.ts";
import { encodeRevisionKey, isTombstone, mainOf } from "../revision.ts";
import type { Change, Store } from "../store.ts";
import { SharedEvent } from "./event.ts";
import { WatchStream } from "./watch-stream.ts";
import { NO_EVENTS, type Watcher, WatcherGroup, type WatchSink } from "./watcher.ts";

/** Most revisions in one response to a watcher that catches up, as in etcd. */
const MAX_BATCH_REVISIONS = 1000;
/**
 * Bytes of records after which a round, and so a response, ends at the next whole transaction. Ten
 * events of 1 MiB still come together, as in etcd, which has no such bound; all 1,000 revisions
 * could be 1.5 GB, in memory for each stream and in one turn of the event loop.
 */
const MAX_ROUND_BYTES = 16 << 20;

/** Most watchers that take part in a round, as in etcd. */
const MAX_MEMBERS = 512;
/** Most watchers looked at for a round: a client may have thousands in any order. */
const MAX_LOOKED_AT = 4 * MAX_MEMBERS;
/** How far before the leading watcher a round may begin for others: half of its way. */
const MAX_STEP_BACK = MAX_BATCH_REVISIONS / 2;
/** Watchers that cost as much to look at as one record costs to read. */
const WATCHERS_PER_RECORD = 16;

const TO_BE_LOOKED_UP = -1;

/**
 * "idle": every watcher is synced. "more": call again soon. "blocked": the rest waits for its
 * clients; call again when a stream's congestion ends, or after a while.
 */
export type SyncState = "idle" | "more" | "blocked";

export class WatchableStore {
  readonly store: Store;
  #synced = new WatcherGroup();
  #unsynced = new WatcherGroup();
  /** Watchers that have events or news to come, of sinks that were congested when last tried. */
  readonly #blocked = new Map<WatchSink, Set<Watcher>>();
  #blockedWatchers = 0;
  readonly #streams = new Set<WatchStream>();
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
    return this.#synced.size + this.slowWatchers;
  }

  /** Watchers that have not caught up, congested ones included. */
  get slowWatchers(): number {
    return this.#unsynced.size + this.#blockedWatchers;
  }

  get hasUnsynced(): boolean {
    return this.slowWatchers > 0;
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

  /** Replaces the store's state by the backend's, as at start-up. See `adopt`. */
  *restoreSteps(
    backend: Store["backend"],
    recordsPerStep: number,
  ): ReturnType<Store["restoreSteps"]> {
    const state = yield* loadState(backend, this.store.leases, recordsPerStep);
    return this.adopt(state, backend);
  }

  /**
   * Replaces the store's state, as after a snapshot from the leader. Watchers stay, and catch up
   * from the new history: what they have seen before they do not see again, those that wait for a
   * future revision see nothing older, and those whose history is compacted are told so.
   */
  adopt(state: LoadedState, backend: Store["backend"] = this.store.backend): RestoreReport {
    const seen = this.store.currentRevision;
    const report = this.store.adopt(state, backend);
    this.#unsyncAll(seen);
    return report;
  }

  /** Lets unsynced watchers read up to about `maxRecords` records of history. */
  syncWatchers(maxRecords: number): SyncState {
    for (const sink of this.#blocked.keys()) if (!sink.congested) this.#unblock(sink);
    for (let budget = maxRecords; budget > 0 && this.#unsynced.size > 0; ) {
      budget -= this.#runRound();
    }
    if (this.#unsynced.size > 0) return "more";
    return this.#blocked.size > 0 ? "blocked" : "idle";
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
        this.#move(watcher, "blocked");
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

  /**
   * Reads one batch of history, for the longest waiting watcher and for others that stand near it
   * or later. Returns the cost in records.
   */
  #runRound(): number {
    const { members, start, looked } = this.#chooseMembers();
    const [lead] = members;
    const cost = 1 + Math.ceil(looked / WATCHERS_PER_RECORD);
    if (lead === undefined) return cost;
    const current = this.store.currentRevision;
    this.#unsynced.requeue(lead);
    let group = this.#unsynced;
    if (members.length < group.size) {
      group = new WatcherGroup();
      for (const watcher of members) group.add(watcher);
    }
    const scan = { upTo: current, records: 0 };
    if (start <= current) this.#scan(group, start, current, scan);
    for (const watcher of members) this.#advance(watcher, scan.upTo, current);
    return cost + scan.records;
  }

  /** Watchers for one round, the one that leads it first. Sorts out those that cannot read on. */
  #chooseMembers(): { members: Watcher[]; start: Revision; looked: number } {
    const compactRevision = this.store.compactRevision;
    const members: Watcher[] = [];
    let floor = 0;
    let start = Number.POSITIVE_INFINITY;
    let looked = 0;
    for (const watcher of this.#unsynced.watchers) {
      if (looked++ === MAX_LOOKED_AT || members.length === MAX_MEMBERS) break;
      if (watcher.sink.congested) this.#move(watcher, "blocked");
      else if (watcher.minRevision < compactRevision) this.#endCompacted(watcher);
      else if (watcher.minRevision >= floor) {
        if (members.length === 0) floor = watcher.minRevision - MAX_STEP_BACK;
        start = Math.min(start, watcher.minRevision);
        members.push(watcher);
      }
    }
    return { members, start, looked };
  }

  #endCompacted(watcher: Watcher): void {
    if (watcher.sink.compacted(watcher.id, this.store.compactRevision)) this.remove(watcher);
    else if (watcher.state === "unsynced") this.#move(watcher, "blocked");
  }

  /** Collects events from `start` on; `scan.upTo` is the last revision completely covered. */
  #scan(
    group: WatcherGroup,
    start: Revision,
    current: Revision,
    scan: { upTo: Revision; records: number },
  ): void {
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
      this.#collect(group, main, isTombstone(bucketKey), record);
      return true;
    });
  }

  #collect(group: WatcherGroup, main: Revision, tombstone: boolean, record: Uint8Array): void {
    const key = keyOf(record);
    let event: SharedEvent | undefined;
    group.match(key, (watcher) => {
      if (watcher.minRevision > main || !watcher.wants(tombstone)) return;
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
    if (watcher.pending.length > 0 && !this.#deliverPending(watcher, current)) {
      if (watcher.state === "unsynced") this.#move(watcher, "blocked");
      return;
    }
    if (watcher.state !== "unsynced") return;
    watcher.minRevision = Math.max(watcher.minRevision, upTo + 1);
    if (watcher.minRevision > current) this.#move(watcher, "synced");
  }

  /** The synced watchers, which have had everything up to `seen`, have to catch up from there. */
  #unsyncAll(seen: Revision): void {
    for (const watcher of this.#synced.watchers) {
      watcher.minRevision = Math.max(watcher.minRevision, seen + 1);
      watcher.state = "unsynced";
    }
    // There may be many: only the smaller group is moved.
    const isMostSynced = this.#synced.size > this.#unsynced.size;
    const large = isMostSynced ? this.#synced : this.#unsynced;
    const small = isMostSynced ? this.#unsynced : this.#synced;
    for (const watcher of small.watchers) large.add(watcher);
    this.#unsynced = large;
    this.#synced = new WatcherGroup();
    this.#updateObserver();
  }

  #unblock(sink: WatchSink): void {
    for (const watcher of this.#blocked.get(sink) ?? []) this.#move(watcher, "unsynced");
  }

  #move(watcher: Watcher, state: "synced" | "unsynced" | "blocked"): void {
    this.#leave(watcher);
    this.#enter(watcher, state);
  }

  #enter(watcher: Watcher, state: "synced" | "unsynced" | "blocked"): void {
    watcher.state = state;
    if (state !== "blocked") {
      (state === "synced" ? this.#synced : this.#unsynced).add(watcher);
    } else {
      const peers = this.#blocked.get(watcher.sink);
      if (peers === undefined) this.#blocked.set(watcher.sink, new Set([watcher]));
      else peers.add(watcher);
      this.#blockedWatchers++;
    }
    this.#updateObserver();
  }

  #leave(watcher: Watcher): void {
    if (watcher.state === "synced") this.#synced.delete(watcher);
    else if (watcher.state === "unsynced") this.#unsynced.delete(watcher);
    else if (watcher.state === "blocked") {
      const peers = this.#blocked.get(watcher.sink);
      peers?.delete(watcher);
      if (peers?.size === 0) this.#blocked.delete(watcher.sink);
      this.#blockedWatchers--;
    }
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
