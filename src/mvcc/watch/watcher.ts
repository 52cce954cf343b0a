/** One watch of one stream, and the groups that find watchers by key. */

import type { Revision } from "../../base/ids.ts";
import { IntervalTree } from "../../base/interval-tree.ts";
import { hashOfText, WideMap } from "../../base/wide-map.ts";

/** Number of a watch within its stream. */
export type WatchID = number;

/** Asks for a free number. */
export const AUTO_WATCH_ID: WatchID = 0;
/** Names no watch: refused watches, and progress of a whole stream. */
export const INVALID_WATCH_ID: WatchID = -1;

/** Where a stream's messages go. All calls are synchronous and in the order of the stream. */
export interface WatchSink {
  /** True while nothing more should be sent: the watches of the stream fall behind, and reread. */
  readonly congested: boolean;
  /**
   * Events of one or more whole transactions, in order. Each is an encoded `events` field (11) of
   * WatchResponse, shared with other streams: do not change. `revision` is for the header.
   * False means that nothing was taken and `congested` is true; the events come again later.
   */
  deliver(watch: WatchInfo, revision: Revision, events: readonly Uint8Array[]): boolean;
  /**
   * As `deliver` of one event for each of `watches` [from, to). Returns where those begin that took
   * nothing: the rest.
   */
  deliverEach(
    watches: readonly WatchInfo[],
    from: number,
    to: number,
    revision: Revision,
    event: Uint8Array,
  ): number;
  /**
   * The watch needs revisions that are compacted, and ends. etcd's response has canceled,
   * compact_revision and no revision in the header. False: try again later.
   */
  compacted(watchID: WatchID, compactRevision: Revision): boolean;
  /** All events up to `revision` have been delivered. For one watch, or `INVALID_WATCH_ID`. */
  progress(watchID: WatchID, revision: Revision): void;
}

export interface WatchInfo {
  readonly id: WatchID;
  /** The client accepts responses in fragments. */
  readonly fragment: boolean;
}

export interface WatcherOptions {
  readonly key: string;
  /** Undefined for the key alone, "" for all keys from `key` on. */
  readonly end: string | undefined;
  readonly startRevision: Revision;
  readonly prevKv: boolean;
  readonly skipPuts: boolean;
  readonly skipDeletes: boolean;
  readonly progressNotify: boolean;
  readonly fragment: boolean;
}

/**
 * "synced": has had everything up to the current revision. "unsynced": has to read from the
 * backend. "blocked": the same, but waits for its client. "arriving": would be synced, but a write
 * is being made in slices, and the first of them have gone by. "ended": cancelled or compacted.
 */
export type WatcherState = "synced" | "unsynced" | "blocked" | "arriving" | "ended";

/** The empty list that all idle watchers share; never changed. */
export const NO_EVENTS: Uint8Array[] = [];

export class Watcher implements WatchInfo {
  readonly id: WatchID;
  readonly sink: WatchSink;
  readonly options: WatcherOptions;
  /** Least revision that the watcher may not have seen; exact unless it is synced. */
  minRevision: Revision;
  state: WatcherState = "ended";
  /** The next periodic progress notification is due: there were no events since the last tick. */
  progressDue: boolean;
  /** Events collected in a round, or of a write in slices; `NO_EVENTS` otherwise. */
  pending: Uint8Array[] = NO_EVENTS;

  constructor(id: WatchID, sink: WatchSink, options: WatcherOptions) {
    this.id = id;
    this.sink = sink;
    this.options = options;
    this.minRevision = options.startRevision;
    this.progressDue = options.progressNotify;
  }

  get fragment(): boolean {
    return this.options.fragment;
  }

  wants(tombstone: boolean): boolean {
    return tombstone ? !this.options.skipDeletes : !this.options.skipPuts;
  }
}

export class WatcherGroup {
  /** In order of arrival. */
  readonly watchers = new Set<Watcher>();
  /** Most watched keys have one watcher, and there may be very many: it is held without a set. */
  readonly #byKey: WideMap<string, Watcher | Set<Watcher>> = new WideMap(hashOfText);
  readonly #byRange = new IntervalTree<Set<Watcher>>();

  get size(): number {
    return this.watchers.size;
  }

  add(watcher: Watcher): void {
    this.watchers.add(watcher);
    const { key, end } = watcher.options;
    const found = end === undefined ? this.#byKey.get(key) : this.#byRange.get(key, end);
    if (found instanceof Set) found.add(watcher);
    else if (end !== undefined) this.#byRange.set(key, end, new Set([watcher]));
    else this.#byKey.set(key, found === undefined ? watcher : new Set([found, watcher]));
  }

  delete(watcher: Watcher): void {
    if (!this.watchers.delete(watcher)) return;
    const { key, end } = watcher.options;
    const found = end === undefined ? this.#byKey.get(key) : this.#byRange.get(key, end);
    if (found instanceof Set) {
      found.delete(watcher);
      if (found.size > 0) return;
    }
    if (end === undefined) this.#byKey.delete(key);
    else this.#byRange.delete(key, end);
  }

  /** Moves a watcher behind all others in order of arrival. */
  requeue(watcher: Watcher): void {
    if (this.watchers.delete(watcher)) this.watchers.add(watcher);
  }

  /** Calls `visit` for each watcher of `key`. The group must not change meanwhile. */
  match(key: string, visit: (watcher: Watcher) => void): void {
    const exact = this.#byKey.get(key);
    if (exact instanceof Watcher) visit(exact);
    else if (exact !== undefined) for (const watcher of exact) visit(watcher);
    if (this.#byRange.size === 0) return;
    this.#byRange.stab(key, (watchers) => {
      for (const watcher of watchers) visit(watcher);
    });
  }
}
