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
 * Events of a write in slices are collected as it goes on, and delivered when it ends. Watchers that
 * come meanwhile read it from the backend afterwards.
 *
 * Memory: a watcher that cannot take events holds none of them; it remembers a revision.
 * No clock: the server calls `syncWatchers` while `hasUnsynced` (etcd: every 100 ms, or sooner).
 */

import { KEY_BUCKET } from "../../backend/index.ts";
import type { Revision } from "../../base/ids.ts";
import { keyOf } from "../key-value.ts";
import { type KeyHistory, type LoadedState, loadState, type RestoreReport } from "../restore.ts";
import { encodeRevisionKey, isTombstone, mainOf } from "../../base/revision-key.ts";
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
  /** Watchers that came, or caught up, while a write in slices was under way. */
  readonly #arriving = new Set<Watcher>();
  /** Watchers with events of such a write. */
  #reached: Watcher[] = [];
  /** A round that paused in the middle. */
  #round: Round | undefined;
  #eventsDelivered = 0;
  readonly #observe = (revision: Revision, changes: readonly Change[]): void =>
    this.#notify(revision, changes);

  constructor(store: Store) {
    this.store = store;
    store.stepObserver = {
      collect: (revision, changes) => {
        for (const change of changes) this.#collectChange(revision, change, undefined);
      },
      ended: (revision) => this.#writeEnded(revision),
    };
  }

  /** Open streams. */
  get streams(): number {
    return this.#streams.size;
  }

  get watchers(): number {
    return this.#synced.size + this.#arriving.size + this.slowWatchers;
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

  /** Replaces the store's state by the backend's, as at start-up. See `loadState` and `adopt`. */
  *restoreSteps(
    backend: Store["backend"],
    recordsPerStep: number,
    known?: KeyHistory,
  ): ReturnType<Store["restoreSteps"]> {
    const state = yield* loadState(backend, this.store.leases, recordsPerStep, known);
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
      budget -= this.#runRound(budget);
    }
    if (this.#unsynced.size > 0) return "more";
    return this.#blocked.size > 0 ? "blocked" : "idle";
  }

  #notify(revision: Revision, changes: readonly Change[]): void {
    // One list serves all watchers of a write with one change, as nearly all writes are.
    const shared: SharedLists | undefined = changes.length > 1 ? undefined : {};
    for (const change of changes) this.#collectChange(revision, change, shared);
    this.#deliverReached(revision);
  }

  #collectChange(revision: Revision, change: Change, shared: SharedLists | undefined): void {
    const event = new SharedEvent(
      this.store,
      change.key,
      change.main,
      change.tombstone,
      change.record,
      change.previousMain,
      change.previousSub,
    );
    this.#synced.match(change.key, (watcher) => {
      if (watcher.minRevision > revision || !watcher.wants(change.tombstone)) return;
      const { prevKv } = watcher.options;
      if (watcher.pending.length === 0) this.#reached.push(watcher);
      if (shared === undefined) add(watcher, event.encoded(prevKv));
      else if (prevKv) watcher.pending = shared.withPrevious ??= [event.encoded(true)];
      else watcher.pending = shared.plain ??= [event.encoded(false)];
    });
  }

  #deliverReached(revision: Revision): void {
    const reached = this.#reached;
    this.#reached = [];
    for (let at = 0; at < reached.length; ) {
      const end = endOfRun(reached, at);
      const served =
        end > at + 1
          ? this.#deliverRun(reached, at, end, revision)
          : at + Number(this.#deliverPending(reached[at] as Watcher, revision));
      for (; at < end; at++) this.#delivered(reached[at] as Watcher, revision, at < served);
    }
  }

  /** Delivers the one event that watchers [from, to) of one sink share. Returns those served. */
  #deliverRun(watchers: readonly Watcher[], from: number, to: number, revision: Revision): number {
    const { sink, pending } = watchers[from] as Watcher;
    for (let i = from; i < to; i++) (watchers[i] as Watcher).pending = NO_EVENTS;
    const served = sink.deliverEach(watchers, from, to, revision, pending[0] as Uint8Array);
    for (let i = from; i < served; i++) (watchers[i] as Watcher).progressDue = false;
    this.#eventsDelivered += served - from;
    return served;
  }

  /** The events of `revision` were offered to a watcher that had all before. */
  #delivered(watcher: Watcher, revision: Revision, isTaken: boolean): void {
    if (isTaken) watcher.minRevision = revision + 1;
    else if (watcher.state === "synced") {
      watcher.minRevision = revision;
      this.#move(watcher, "blocked");
    }
  }

  /** A write in slices is complete, and can be seen. */
  #writeEnded(revision: Revision): void {
    this.#deliverReached(revision);
    for (const watcher of this.#arriving) {
      this.#move(watcher, watcher.minRevision > revision ? "synced" : "unsynced");
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
   * or later; pauses after `maxRecords`, even inside of a wide revision. Returns the cost in records.
   */
  #runRound(maxRecords: number): number {
    let cost = 0;
    if (this.#round === undefined) {
      const { members, start, looked } = this.#chooseMembers();
      cost = 1 + Math.ceil(looked / WATCHERS_PER_RECORD);
      const [lead] = members;
      if (lead === undefined) return cost;
      this.#unsynced.requeue(lead);
      this.#round = this.#startRound(members, start);
    }
    const round = this.#round;
    if (!this.#isReadable(round)) {
      this.#abandonRound();
      return cost + 1;
    }
    const records = this.#scan(round, maxRecords);
    if (!round.done) {
      // Watchers that come while the round pauses must not take part.
      if (round.group === this.#unsynced) round.group = groupOf(round.members);
      return cost + records;
    }
    this.#round = undefined;
    // Writes may have gone on while the round paused.
    const current = this.store.currentRevision;
    for (const watcher of round.members) this.#advance(watcher, round.upTo, current);
    return cost + records;
  }

  #startRound(members: readonly Watcher[], start: Revision): Round {
    const current = this.store.currentRevision;
    const group = members.length === this.#unsynced.size ? this.#unsynced : groupOf(members);
    const next = encodeRevisionKey(start, 0, false);
    const upTo = start <= current ? 0 : current;
    const done = start > current;
    return { members, group, start, current, next, last: 0, upTo, revisions: 0, bytes: 0, done };
  }

  /** False if nobody waits any more, or if a compaction has overtaken a round that paused. */
  #isReadable(round: Round): boolean {
    if (round.done) return true;
    if (!round.members.some(({ state }) => state === "unsynced")) return false;
    return Math.max(round.start, round.last) >= this.store.compactRevision;
  }

  /** The members stay where they are, and another round begins with them. */
  #abandonRound(): void {
    for (const watcher of this.#round?.members ?? []) watcher.pending = NO_EVENTS;
    this.#round = undefined;
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

  /** Collects events up to the end of the round or of the budget. Returns the records read. */
  #scan(round: Round, maxRecords: number): number {
    if (round.done) return 0;
    let records = 0;
    round.done = true;
    round.upTo = round.current;
    const end = encodeRevisionKey(round.current + 1, 0, false);
    this.store.backend.scan(KEY_BUCKET, round.next, end, (bucketKey, record) => {
      if (records === maxRecords) {
        round.next = bucketKey;
        round.done = false;
        return false;
      }
      const main = mainOf(bucketKey);
      if (main !== round.last) {
        if (round.revisions === MAX_BATCH_REVISIONS || round.bytes > MAX_ROUND_BYTES) {
          round.upTo = round.last;
          return false;
        }
        round.revisions++;
        round.last = main;
      }
      records++;
      round.bytes += record.length;
      this.#collect(round.group, main, isTombstone(bucketKey), record);
      return true;
    });
    return records;
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
    this.#abandonRound();
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
    if (state === "synced" && this.store.isSuspended) {
      watcher.state = "arriving";
      this.#arriving.add(watcher);
      return;
    }
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
    if (watcher.state === "arriving") this.#arriving.delete(watcher);
    else if (watcher.state === "synced") this.#synced.delete(watcher);
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

/** The lists of events of a write with one change, with and without the previous record. */
interface SharedLists {
  plain?: Uint8Array[];
  withPrevious?: Uint8Array[];
}

/** One batch of history, read for several watchers at once. */
interface Round {
  readonly members: readonly Watcher[];
  group: WatcherGroup;
  readonly start: Revision;
  /** Where the round ends at the latest: the store's revision when it began. */
  readonly current: Revision;
  /** Bucket key to go on with. */
  next: Uint8Array;
  /** Revision of the last record read. */
  last: Revision;
  /** The last revision completely covered, once `done`. */
  upTo: Revision;
  revisions: number;
  bytes: number;
  done: boolean;
}

/** Where the watchers end that get the one event of the watcher at `start` on the same stream. */
function endOfRun(watchers: readonly Watcher[], start: number): number {
  const { sink, pending } = watchers[start] as Watcher;
  let end = start;
  for (; end < watchers.length; end++) {
    const watcher = watchers[end] as Watcher;
    if (watcher.sink !== sink || watcher.pending !== pending) break;
    if (watcher.fragment || watcher.state !== "synced") break;
  }
  // Lists are shared by writes of one change alone.
  return Math.max(end, start + 1);
}

function groupOf(watchers: readonly Watcher[]): WatcherGroup {
  const group = new WatcherGroup();
  for (const watcher of watchers) group.add(watcher);
  return group;
}

function add(watcher: Watcher, event: Uint8Array): void {
  if (watcher.pending.length === 0) watcher.pending = [event];
  else watcher.pending.push(event);
}
