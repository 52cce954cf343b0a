/**
 * Judges what watchers were told by what really happened: the writes in their order, as
 * `checkLinearizable` returns them. The guarantees are those that etcd documents for its watch API.
 *
 * What is demanded of one stream:
 * - ordered: revisions never go back; atomic: all of a revision in one response;
 * - unique: no event twice; invented: none that did not happen as told;
 * - reliable: none missing up to the last event, the last progress notice, and `completeTo`;
 * - resumable: the same, just behind the start of a watch that was opened to go on;
 * - bookmarkable: after a progress notice nothing at or below its revision follows;
 * - prevKV and isCreate say what was there before; filter: nothing that was filtered out or lies
 *   outside of the range;
 * - cancelled: only because its history is gone, and what `compactRevision` says is true.
 *
 * A member that lags may serve history that others have compacted already: that is no violation.
 */
import type { Revision } from "../base/ids.ts";
import { describeKeyValue, type KeyValueSeen, type Time } from "./history.ts";
import { includes } from "./key-ranges.ts";
import { type ModelEvent, sameKeyValue } from "./kv-model.ts";
import type { LinearizedWrite } from "./linearizability.ts";
import type { Violation, WatchViolationKind } from "./violation.ts";

export interface WatchEventSeen {
  readonly type: "put" | "delete";
  readonly key: string;
  readonly modRevision: Revision;
  /** Of a put. */
  readonly kv?: KeyValueSeen | undefined;
  /** What was there before, where the watch asks for it and the server sent it. */
  readonly prevKV?: KeyValueSeen | undefined;
}

export interface WatchResponseSeen {
  readonly time: Time;
  /** Revision in the header. */
  readonly revision: Revision;
  /** Empty for a progress notice. Fragments of one response are put together by the recorder. */
  readonly events: readonly WatchEventSeen[];
}

/** One watch on one stream, from its creation to its end. */
export interface WatchRecord {
  readonly id: number;
  readonly member?: string | undefined;
  readonly key: string;
  readonly end?: string | undefined;
  /** First revision that was asked for; without, the one after `createdRevision`. */
  readonly startRevision?: Revision | undefined;
  /** In the header of the answer to the creation; undefined if the server never answered. */
  readonly createdRevision: Revision | undefined;
  readonly prevKV?: boolean | undefined;
  readonly filters?: readonly ("noPut" | "noDelete")[] | undefined;
  /** The client re-opened it by itself, so headers come from several members. */
  readonly mayMove?: boolean | undefined;
  /** The watch that this one goes on with, from the revision after its last. */
  readonly resumes?: number | undefined;
  readonly responses: readonly WatchResponseSeen[];
  /** Set when the server ended the watch; `compactRevision` as it said, 0 if it named none. */
  readonly cancelled?: { readonly time: Time; readonly compactRevision: Revision } | undefined;
  /** The recorder waited until everything up to here had to be delivered. */
  readonly completeTo?: Revision | undefined;
}

/** A compaction that somebody asked for. */
export interface CompactionSeen {
  readonly revision: Revision;
  readonly callTime: Time;
}

export interface WatchWorld {
  /** The revision before the first write. */
  readonly firstRevision: Revision;
  readonly writes: readonly LinearizedWrite[];
  readonly compactions?: readonly CompactionSeen[] | undefined;
}

export type WatchViolation = Violation<WatchViolationKind> & { readonly watch: WatchRecord };

/** All violations of all watches, at most one of each kind per watch. */
export function checkWatches(
  watches: readonly WatchRecord[],
  world: WatchWorld,
): readonly WatchViolation[] {
  const byID = new Map(watches.map((watch) => [watch.id, watch]));
  return watches.flatMap((watch) => {
    const before = watch.resumes === undefined ? undefined : byID.get(watch.resumes);
    return new WatchCheck(watch, before, world).run();
  });
}

/** The revision to re-open a watch with: nothing is missed, nothing comes twice. */
export function resumeRevision(watch: WatchRecord): Revision | undefined {
  const last = watch.responses.at(-1);
  if (last === undefined) return startOf(watch);
  return last.events.at(-1) === undefined ? last.revision + 1 : lastEventRevision(last) + 1;
}

function startOf(watch: WatchRecord): Revision | undefined {
  if (watch.startRevision !== undefined) return watch.startRevision;
  return watch.createdRevision === undefined ? undefined : watch.createdRevision + 1;
}

function lastEventRevision({ events }: WatchResponseSeen): Revision {
  return events.reduce((max, { modRevision }) => Math.max(max, modRevision), 0);
}

class WatchCheck {
  readonly #watch: WatchRecord;
  readonly #before: WatchRecord | undefined;
  readonly #world: WatchWorld;
  readonly #violations = new Map<WatchViolationKind, WatchViolation>();

  constructor(watch: WatchRecord, before: WatchRecord | undefined, world: WatchWorld) {
    this.#watch = watch;
    this.#before = before;
    this.#world = world;
  }

  run(): WatchViolation[] {
    const start = startOf(this.#watch);
    if (start !== undefined) {
      this.#checkOrder(start);
      this.#checkTruth();
      this.#checkCompleteness(start);
    }
    this.#checkCancellation();
    return [...this.#violations.values()];
  }

  #add(kind: WatchViolationKind, message: string, revisions: readonly Revision[] = []): void {
    if (this.#violations.has(kind)) return;
    const operations = revisions.flatMap((revision) => this.#writeAt(revision)?.operation ?? []);
    const { id, member } = this.#watch;
    const name = `watch ${id}${member === undefined ? "" : ` at ${member}`}`;
    this.#violations.set(kind, {
      kind,
      message: `${name}: ${message}`,
      operations,
      watch: this.#watch,
    });
  }

  #writeAt(revision: Revision): LinearizedWrite | undefined {
    return this.#world.writes[revision - this.#world.firstRevision - 1];
  }

  #matches({ type, key }: { readonly type: "put" | "delete"; readonly key: string }): boolean {
    const filter = type === "put" ? "noPut" : "noDelete";
    return includes(this.#watch, key) && this.#watch.filters?.includes(filter) !== true;
  }

  /** Ordered, unique, atomic, bookmarkable: what the stream shows by itself. */
  #checkOrder(start: Revision): void {
    const seen = new Set<string>();
    let last = start - 1;
    let lastHeader = 0;
    let bookmark = 0;
    for (const { revision: header, events } of this.#watch.responses) {
      if (header < lastHeader && this.#watch.mayMove !== true) {
        this.#add("bookmarkable", `the header went back from ${lastHeader} to ${header}`);
      }
      lastHeader = Math.max(lastHeader, header);
      if (events.length === 0) bookmark = Math.max(bookmark, header);
      const previous = last;
      for (const { modRevision, key, type } of events) {
        const name = `${modRevision}\0${key}\0${type}`;
        const what = `${type} of ${key} at revision ${modRevision}`;
        if (seen.has(name)) this.#add("unique", `${what} came twice`, [modRevision]);
        else if (modRevision < start) {
          this.#add("ordered", `${what} came, though the watch starts at ${start}`, [modRevision]);
        } else if (modRevision < last) {
          this.#add("ordered", `${what} came after revision ${last}`, [last, modRevision]);
        } else if (modRevision === previous && previous >= start) {
          this.#add("atomic", `revision ${modRevision} came in two responses`, [modRevision]);
        }
        if (modRevision <= bookmark) {
          const message = `${what} came after a progress notice of ${bookmark}`;
          this.#add("bookmarkable", message, [modRevision]);
        }
        if (modRevision > header) {
          this.#add("bookmarkable", `${what} came under the header revision ${header}`);
        }
        seen.add(name);
        last = Math.max(last, modRevision);
      }
    }
  }

  /** Invented, filter, prevKV, isCreate: each event is one that happened, as it happened. */
  #checkTruth(): void {
    for (const { events } of this.#watch.responses) {
      for (const event of events) this.#checkEvent(event);
    }
  }

  #checkEvent(event: WatchEventSeen): void {
    const { key, modRevision, type } = event;
    const what = `${type} of ${key} at revision ${modRevision}`;
    if (!this.#matches(event)) this.#add("filter", `${what} was not asked for`, [modRevision]);
    if (modRevision <= this.#world.firstRevision) return;
    const actual = this.#writeAt(modRevision)?.events.find((each) => each.key === key);
    if (actual === undefined || actual.type !== type) {
      this.#add("invented", `${what} never happened`, [modRevision]);
      return;
    }
    if (type === "put" && !sameKeyValue(event.kv, actual.kv)) {
      this.#checkDifference(what, event, actual);
    }
    this.#checkPrevKV(what, event, actual);
  }

  #checkDifference(what: string, event: WatchEventSeen, actual: ModelEvent): void {
    const told = event.kv === undefined ? "nothing" : describeKeyValue(event.kv);
    const was = actual.kv === undefined ? "nothing" : describeKeyValue(actual.kv);
    const saysCreate = event.kv?.createRevision === event.kv?.modRevision;
    const isCreate = actual.prev === undefined;
    this.#add(
      saysCreate === isCreate ? "invented" : "isCreate",
      `${what} was told as ${told}, but was ${was}`,
      [event.modRevision],
    );
  }

  #checkPrevKV(what: string, { prevKV, modRevision }: WatchEventSeen, actual: ModelEvent): void {
    if (prevKV === undefined) {
      const isGone = this.#compactedBy(undefined) >= modRevision - 1;
      if (this.#watch.prevKV !== true || actual.prev === undefined || isGone) return;
      this.#add("prevKV", `${what} came without what was there before`, [modRevision]);
    } else if (!sameKeyValue(prevKV, actual.prev)) {
      const was = actual.prev === undefined ? "nothing" : describeKeyValue(actual.prev);
      this.#add("prevKV", `${what} was told to follow ${describeKeyValue(prevKV)}, not ${was}`, [
        modRevision,
      ]);
    }
  }

  /** The highest revision whose compaction may have begun by then. */
  #compactedBy(time: Time | undefined): Revision {
    return (this.#world.compactions ?? [])
      .filter(({ callTime }) => time === undefined || callTime <= time)
      .reduce((max, { revision }) => Math.max(max, revision), 0);
  }

  /** Reliable, resumable, atomic: nothing is missing. */
  #checkCompleteness(start: Revision): void {
    const told = new Set<string>();
    const toldRevisions = new Set<Revision>();
    let horizon = this.#watch.completeTo ?? 0;
    for (const response of this.#watch.responses) {
      const isProgress = response.events.length === 0;
      horizon = Math.max(horizon, isProgress ? response.revision : lastEventRevision(response));
      for (const { modRevision, key, type } of response.events) {
        told.add(`${modRevision}\0${key}\0${type}`);
        toldRevisions.add(modRevision);
      }
    }
    const { firstRevision } = this.#world;
    const firstTold = this.#watch.responses.find(({ events }) => events.length > 0)?.events[0];
    const from = Math.max(start, firstRevision + 1);
    for (let revision = from; revision <= horizon; revision++) {
      const { events } = this.#writeAt(revision) ?? { events: [] };
      for (const event of events) {
        if (!this.#matches(event) || told.has(`${revision}\0${event.key}\0${event.type}`)) continue;
        const what = `${event.type} of ${event.key} at revision ${revision}`;
        const isGap =
          this.#before !== undefined && revision < (firstTold?.modRevision ?? horizon + 1);
        if (toldRevisions.has(revision)) {
          this.#add("atomic", `${what} is missing beside the rest of its revision`, [revision]);
        } else if (isGap) {
          this.#add("resumable", `${what} was lost when the watch was re-opened`, [revision]);
        } else {
          this.#add("reliable", `${what} is missing, up to revision ${horizon}`, [revision]);
        }
      }
    }
    const resume = this.#before === undefined ? undefined : resumeRevision(this.#before);
    if (resume !== undefined && start > resume) {
      this.#add("resumable", `it starts at ${start}, but the watch before it ended at ${resume}`);
    }
  }

  #checkCancellation(): void {
    const { cancelled } = this.#watch;
    if (cancelled === undefined) return;
    const { compactRevision, time } = cancelled;
    const next = resumeRevision(this.#watch) ?? 0;
    const compacted = this.#compactedBy(time);
    if (compactRevision === 0) {
      this.#add("cancelled", "it was cancelled though nobody asked for it");
    } else if (compactRevision > compacted) {
      this.#add("cancelled", `nobody had compacted at ${compactRevision} by then`);
    } else if (next >= compactRevision) {
      const message = `its history from ${next} on was there, compacted only at ${compactRevision}`;
      this.#add("cancelled", message);
    }
  }
}
