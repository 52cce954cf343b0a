/** The watches of one client stream. Permissions are the server's to check, before `create`. */

import { ERRORS } from "../../api/errors.ts";
import { type WatchCreateRequest, WatchCreateRequest_FilterType } from "../../api/gen/rpc.ts";
import { latin1FromBytes } from "../../base/bytes.ts";
import type { Revision } from "../../base/ids.ts";
import { rangeEndOf } from "../requests/key-range.ts";
import type { WatchableStore } from "./watchable-store.ts";
import {
  AUTO_WATCH_ID,
  INVALID_WATCH_ID,
  Watcher,
  type WatcherOptions,
  type WatcherState,
  type WatchID,
  type WatchSink,
} from "./watcher.ts";

/** For the response with `created` set. `cancelReason` is empty if the watch was accepted. */
export interface WatchCreated {
  readonly watchID: WatchID;
  /** For the header. */
  readonly revision: Revision;
  readonly canceled: boolean;
  readonly cancelReason: string;
}

const EMPTY_RANGE = "mvcc: watcher range is empty";
const DUPLICATE_ID = "mvcc: duplicate watch ID provided on the WatchStream";

/** Keys as latin1 strings; an `end` of "" has no upper end. */
export interface WatchedRange {
  readonly begin: string;
  readonly end: string;
}

/** The keys that a request to watch is about. */
export function watchedRange(request: WatchCreateRequest): WatchedRange {
  return rangeOf(watcherOptions(request));
}

function rangeOf({ key, end }: Pick<WatcherOptions, "key" | "end">): WatchedRange {
  return { begin: key, end: end ?? `${key}\0` };
}

/** One watch, as somebody sees it who looks after the member. */
export interface WatchState {
  readonly id: WatchID;
  readonly range: WatchedRange;
  readonly state: WatcherState;
  /** Revisions of the store that it may still have to see. */
  readonly behind: number;
}

export interface WatchStreamState {
  /** Watches that the other figures are about. */
  readonly looked: number;
  readonly lagging: number;
  /** Of the watch that is furthest behind. */
  readonly behind: number;
  readonly first: readonly WatchState[];
}

export class WatchStream {
  readonly #watchable: WatchableStore;
  readonly #sink: WatchSink;
  readonly #watchers = new Map<WatchID, Watcher>();
  #nextID: WatchID = 0;

  constructor(watchable: WatchableStore, sink: WatchSink) {
    this.#watchable = watchable;
    this.#sink = sink;
  }

  /** Watches of the stream, those ended by compaction included until the client cancels them. */
  get size(): number {
    return this.#watchers.size;
  }

  /** The watches, and the keys that each is about: [begin, end), where "" has no upper end. */
  *watches(): Iterable<{ readonly id: WatchID; readonly range: WatchedRange }> {
    for (const { id, options } of this.#watchers.values()) yield { id, range: rangeOf(options) };
  }

  /**
   * What the first `looked` of the watches are about and how far they are, those that lag first, at
   * most `shown`.
   */
  describe(looked: number, shown: number): WatchStreamState {
    const current = this.#revision;
    const all: WatchState[] = [];
    for (const watcher of this.#watchers.values()) {
      if (all.length === looked) break;
      // A synced one has had everything; the others wait from this revision on.
      const isSynced = watcher.state === "synced" || watcher.state === "ended";
      const behind = isSynced ? 0 : Math.max(0, current + 1 - watcher.minRevision);
      const { id, options, state } = watcher;
      all.push({ id, range: rangeOf(options), state, behind });
    }
    const lagging = all.filter(({ behind }) => behind > 0);
    return {
      looked: all.length,
      lagging: lagging.length,
      behind: lagging.reduce((most, { behind }) => Math.max(most, behind), 0),
      first: [...lagging, ...all.filter(({ behind }) => behind === 0)].slice(0, shown),
    };
  }

  /** Starts a watch. Its first events come after this call has returned. */
  create(request: WatchCreateRequest): WatchCreated {
    if (request.startRevision < 0) return this.#refuse(ERRORS.compacted.message);
    const options = watcherOptions(request);
    const { key, end } = options;
    if (end !== undefined && end !== "" && end <= key) return this.#refuse(EMPTY_RANGE);
    if (request.watchId !== AUTO_WATCH_ID && this.#watchers.has(request.watchId)) {
      return this.#refuse(DUPLICATE_ID);
    }
    const watchID = request.watchId === AUTO_WATCH_ID ? this.#freeID() : request.watchId;
    const watcher = new Watcher(watchID, this.#sink, options);
    this.#watchers.set(watchID, watcher);
    this.#watchable.add(watcher);
    return { watchID, revision: this.#revision, canceled: false, cancelReason: "" };
  }

  /** Ends a watch; false if there is none, and then etcd sends no response. */
  cancel(watchID: WatchID): boolean {
    const watcher = this.#watchers.get(watchID);
    if (watcher === undefined) return false;
    this.#watchable.remove(watcher);
    this.#watchers.delete(watchID);
    return true;
  }

  /** Answers a client's progress request, with `INVALID_WATCH_ID`, if all watches are synced. */
  requestProgress(): void {
    this.#watchable.progressIfSynced(this.#watchers.values(), this.#sink, INVALID_WATCH_ID);
  }

  /**
   * The periodic progress notification of each watch that asked for it, is synced and had no events
   * since the last call.
   */
  notifyProgress(): void {
    for (const watcher of this.#watchers.values()) {
      if (!watcher.options.progressNotify) continue;
      if (watcher.progressDue) {
        this.#watchable.progressIfSynced([watcher], this.#sink, watcher.id);
      }
      watcher.progressDue = true;
    }
  }

  /** Ends all watches. */
  close(): void {
    for (const watcher of this.#watchers.values()) this.#watchable.remove(watcher);
    this.#watchers.clear();
    this.#watchable.forgetStream(this);
  }

  get #revision(): Revision {
    return this.#watchable.store.currentRevision;
  }

  #refuse(cancelReason: string): WatchCreated {
    return { watchID: INVALID_WATCH_ID, revision: this.#revision, canceled: true, cancelReason };
  }

  #freeID(): WatchID {
    while (this.#watchers.has(this.#nextID)) this.#nextID++;
    return this.#nextID++;
  }
}

function watcherOptions(request: WatchCreateRequest): WatcherOptions {
  return {
    // "\0" is the smallest key that a request can name.
    key: request.key.length === 0 ? "\0" : latin1FromBytes(request.key),
    end: rangeEndOf(request.rangeEnd),
    startRevision: request.startRevision,
    prevKv: request.prevKv,
    skipPuts: request.filters.includes(WatchCreateRequest_FilterType.NOPUT),
    skipDeletes: request.filters.includes(WatchCreateRequest_FilterType.NODELETE),
    progressNotify: request.progressNotify,
    fragment: request.fragment,
  };
}
