/**
 * Watches of a replica, checked against the events that the leader's own watch saw: each must get
 * exactly its part of the history, in order, once, or be told that it is compacted.
 */
import assert from "node:assert/strict";
import { WatchCreateRequest } from "../../api/gen/rpc.ts";
import { bytesFromLatin1 } from "../../base/bytes.ts";
import type { WatchableStore, WatchStream } from "../../mvcc/index.ts";
import type { TestRandom } from "../../mvcc/testing/random.ts";
import { randomEnd, randomKey } from "../../mvcc/testing/random-requests.ts";
import { type SeenEvent, TestSink } from "../../mvcc/testing/watch-sink.ts";

/** The leader's history: every event so far, in order. */
export class EventHistory {
  readonly events: SeenEvent[] = [];
  readonly #sink = new TestSink();

  constructor(watchable: WatchableStore) {
    const request = WatchCreateRequest.create({
      key: Uint8Array.of(0),
      rangeEnd: Uint8Array.of(0),
      prevKv: true,
    });
    watchable.openStream(this.#sink).create(request);
  }

  collect(): void {
    for (const item of this.#sink.take()) {
      assert.equal(item.kind, "events");
      if (item.kind === "events") this.events.push(...item.events);
    }
  }
}

interface Watch {
  readonly request: WatchCreateRequest;
  /** The watch has had everything up to here. */
  seenUpTo: number;
  isEnded: boolean;
}

/** One client's stream with its watches. */
export class WatchingClient {
  readonly sink: TestSink = new TestSink();
  readonly #watchable: WatchableStore;
  readonly #stream: WatchStream;
  readonly #history: EventHistory;
  readonly #watches = new Map<number, Watch>();
  #eventsSeen = 0;
  #compacted = 0;

  constructor(watchable: WatchableStore, history: EventHistory) {
    this.#watchable = watchable;
    this.#stream = watchable.openStream(this.sink);
    this.#history = history;
  }

  get eventsSeen(): number {
    return this.#eventsSeen;
  }

  /** Watches that were told that their history is compacted. */
  get compacted(): number {
    return this.#compacted;
  }

  watch(random: TestRandom): void {
    const current = this.#watchable.store.currentRevision;
    const startRevision = random.chance(40) ? 0 : Math.max(1, current - 20 + random.below(80));
    const request = WatchCreateRequest.create({
      key: bytesFromLatin1(randomKey(random)),
      rangeEnd: bytesFromLatin1(randomEnd(random)),
      startRevision,
      prevKv: random.chance(50),
      progressNotify: random.chance(50),
      filters: random.chance(80) ? [] : [random.below(2)],
    });
    const { watchID, canceled } = this.#stream.create(request);
    if (canceled) return;
    const from = startRevision === 0 ? current + 1 : startRevision;
    this.#watches.set(watchID, { request, seenUpTo: from - 1, isEnded: false });
  }

  askForProgress(): void {
    this.#stream.notifyProgress();
    this.#stream.requestProgress();
  }

  collect(): void {
    for (const item of this.sink.take()) {
      if (item.kind === "progress" && item.watchID === -1) {
        for (const watch of this.#watches.values()) this.#progress(watch, item.revision);
        continue;
      }
      const watch = this.#watches.get(item.watchID);
      assert.ok(watch !== undefined && !watch.isEnded, "a message for an ended watch");
      if (item.kind === "progress") this.#progress(watch, item.revision);
      else if (item.kind === "compacted") this.#end(watch, item.compactRevision);
      else this.#receive(watch, item.events);
    }
  }

  /** Everything up to the store's revision has been delivered. */
  assertComplete(): void {
    this.collect();
    const upTo = this.#watchable.store.currentRevision;
    for (const watch of this.#watches.values()) {
      if (!watch.isEnded) this.#check(watch, [], upTo);
    }
  }

  #receive(watch: Watch, events: readonly SeenEvent[]): void {
    const last = events.at(-1);
    assert.ok(last !== undefined, "a response without events");
    this.#eventsSeen += events.length;
    this.#check(watch, events, last.revision);
  }

  #progress(watch: Watch, revision: number): void {
    if (watch.isEnded) return;
    assert.ok(revision >= watch.request.startRevision, "progress before the start");
    this.#check(watch, [], revision);
  }

  #end(watch: Watch, compactRevision: number): void {
    assert.equal(compactRevision, this.#watchable.store.compactRevision);
    assert.ok(watch.seenUpTo + 1 < compactRevision, "ended although its history is there");
    watch.isEnded = true;
    this.#compacted++;
  }

  /** `events` are exactly the history of (seenUpTo, upTo] that the watch asks for. */
  #check(watch: Watch, events: readonly SeenEvent[], upTo: number): void {
    const expected = this.#history.events.filter(
      (event) =>
        event.revision > watch.seenUpTo && event.revision <= upTo && matches(event, watch.request),
    );
    assert.deepEqual(events.map(withoutPrevious), expected.map(withoutPrevious));
    events.forEach((event, i) => {
      if (event.previous === undefined) return;
      assert.ok(watch.request.prevKv, "a previous record that was not asked for");
      assert.deepEqual(event.previous, expected[i]?.previous);
    });
    watch.seenUpTo = Math.max(watch.seenUpTo, upTo);
  }
}

function withoutPrevious({ previous: _, ...event }: SeenEvent): Omit<SeenEvent, "previous"> {
  return event;
}

function matches(event: SeenEvent, request: WatchCreateRequest): boolean {
  const begin = Buffer.from(request.key).toString("latin1");
  const end = Buffer.from(request.rangeEnd).toString("latin1");
  if (request.filters.includes(event.type === "put" ? 0 : 1)) return false;
  if (end === "") return event.key === begin;
  return event.key >= begin && (end === "\0" || event.key < end);
}
