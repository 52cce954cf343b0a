/**
 * Random writes, watchers, slow clients, compactions and restores. Each watcher must see exactly
 * what the model's history says, from its start: in order, once, whole transactions, with the right
 * previous records, or be told that its history is compacted. Progress never runs ahead.
 */

import assert from "node:assert/strict";
import test from "node:test";
import { EtcdError } from "../../api/errors.ts";
import { WatchCreateRequest } from "../../api/gen/rpc.ts";
import { bytesFromLatin1 } from "../../base/bytes.ts";
import { checkTxn } from "../requests/check.ts";
import { txnInSteps } from "../requests/txn.ts";
import { deleteRangeInSteps, executePut } from "../requests/write.ts";
import { finishCompactions, openWorld, Stepper, type World } from "../testing/harness.ts";
import type { MemoryBackend } from "../testing/memory-backend.ts";
import { type ModelEvent, ModelStore } from "../testing/model-store.ts";
import { seeds, TestRandom } from "../testing/random.ts";
import {
  LEASES,
  randomDelete,
  randomEnd,
  randomKey,
  randomPut,
  randomTxn,
} from "../testing/random-requests.ts";
import { type SeenEvent, TestSink } from "../testing/watch-sink.ts";
import type { WatchStream } from "./watch-stream.ts";
import { WatchableStore } from "./watchable-store.ts";

interface Client {
  readonly sink: TestSink;
  readonly stream: WatchStream;
  readonly watches: Map<number, Watch>;
}

interface Watch {
  readonly request: WatchCreateRequest;
  /** First revision that the watch may see. */
  readonly from: number;
  /** The watch has had everything up to here. */
  seenUpTo: number;
  ended: boolean;
}

function matches(event: ModelEvent, request: WatchCreateRequest): boolean {
  const key = event.key;
  const begin = Buffer.from(request.key).toString("latin1");
  const end = Buffer.from(request.rangeEnd).toString("latin1");
  if (request.filters.includes(event.type === "put" ? 0 : 1)) return false;
  if (end === "") return key === begin;
  return key >= begin && (end === "\0" || key < end);
}

class Scenario {
  readonly random: TestRandom;
  readonly model = new ModelStore();
  readonly world: World;
  readonly watchable: WatchableStore;
  readonly clients: Client[] = [];
  backend: MemoryBackend;
  pauses = 0;

  constructor(seed: number) {
    this.random = new TestRandom(seed);
    this.world = openWorld();
    this.backend = this.world.backend;
    for (const id of LEASES) this.world.lessor.grant(id);
    this.watchable = new WatchableStore(this.world.store);
    for (let i = 0; i < 4; i++) {
      const sink = new TestSink();
      this.clients.push({ sink, stream: this.watchable.openStream(sink), watches: new Map() });
    }
  }

  step(): void {
    const { random } = this;
    const kind = random.below(100);
    if (kind < 55) this.write();
    else if (kind < 65) this.watch();
    else if (kind < 75) this.toggle();
    else if (kind < 88) this.watchable.syncWatchers(1 + random.below(20));
    else if (kind < 92) for (const { stream } of this.clients) stream.notifyProgress();
    else if (kind < 94) for (const { stream } of this.clients) stream.requestProgress();
    else if (kind < 97) this.compact();
    else if (kind < 98) this.restore();
    else this.cancel();
    this.collect();
  }

  write(): void {
    const { random, model } = this;
    const { store } = this.world;
    const known = new Set(LEASES);
    const attempt = (run: () => void): void => {
      try {
        run();
      } catch (error) {
        // Refused requests change nothing; the store's model test compares the errors.
        if (!(error instanceof EtcdError)) throw error;
      }
    };
    const kind = random.below(3);
    if (kind === 0) {
      const request = randomPut(random);
      attempt(() => executePut(store, request));
      attempt(() => model.put(request, known));
    } else if (kind === 1) {
      const request = randomDelete(random);
      this.inSlices(new Stepper((slice) => deleteRangeInSteps(store, request, slice)));
      model.deleteRange(request);
    } else {
      const request = randomTxn(random, model.revision);
      try {
        checkTxn(request, { maxTxnOps: 128 });
      } catch {
        return;
      }
      attempt(() => this.inSlices(new Stepper((slice) => txnInSteps(store, request, slice))));
      attempt(() => model.txn(request, known));
    }
    assert.equal(store.currentRevision, model.revision);
  }

  /** Watchers come, catch up, lag and go while a write is being made. */
  inSlices<T>(write: Stepper<T>): void {
    const { random } = this;
    while (write.step(1 + random.below(4)) === undefined) {
      if (random.chance(30)) this.watch();
      if (random.chance(30)) this.toggle();
      if (random.chance(30)) this.watchable.syncWatchers(1 + random.below(20));
      if (random.chance(10)) this.cancel();
      if (random.chance(10)) for (const { stream } of this.clients) stream.notifyProgress();
      if (random.chance(10)) for (const { stream } of this.clients) stream.requestProgress();
      this.collect();
      this.pauses++;
    }
  }

  watch(): void {
    const { random, model } = this;
    const client = random.pick(this.clients);
    const current = model.revision;
    const startRevision = random.chance(40) ? 0 : Math.max(1, current - 20 + random.below(30));
    const request = WatchCreateRequest.create({
      key: bytesFromLatin1(randomKey(random)),
      rangeEnd: bytesFromLatin1(randomEnd(random)),
      startRevision,
      prevKv: random.chance(50),
      progressNotify: random.chance(50),
      filters: random.chance(80) ? [] : [random.below(2)],
    });
    const { watchID, canceled } = client.stream.create(request);
    if (canceled) return;
    const from = startRevision === 0 ? current + 1 : startRevision;
    client.watches.set(watchID, { request, from, seenUpTo: from - 1, ended: false });
  }

  toggle(): void {
    const { sink } = this.random.pick(this.clients);
    sink.congested = !sink.congested;
  }

  compact(): void {
    const revision = this.model.revision - this.random.below(15);
    if (revision <= this.model.compactRevision) return;
    this.model.compact(revision);
    this.world.store.compact(revision);
    if (this.random.chance(80)) finishCompactions(this.world.store);
  }

  restore(): void {
    finishCompactions(this.world.store);
    this.backend = this.backend.crash(true);
    for (const _ of this.watchable.restoreSteps(this.backend, 5)) {
      // One slice.
    }
  }

  cancel(): void {
    const client = this.random.pick(this.clients);
    const [id] = [...client.watches.keys()];
    if (id === undefined || !this.random.chance(30)) return;
    assert.equal(client.stream.cancel(id), true);
    client.watches.delete(id);
  }

  collect(): void {
    for (const client of this.clients) {
      for (const item of client.sink.take()) {
        if (item.kind === "progress" && item.watchID === -1) {
          for (const watch of client.watches.values()) this.checkProgress(watch, item.revision);
          continue;
        }
        const watch = client.watches.get(item.watchID);
        assert.ok(watch !== undefined && !watch.ended, "a message for an ended watch");
        if (item.kind === "progress") this.checkProgress(watch, item.revision);
        else if (item.kind === "compacted") this.end(watch, item.compactRevision);
        else this.addEvents(watch, item.events);
      }
    }
  }

  addEvents(watch: Watch, events: readonly SeenEvent[]): void {
    assert.ok(events.length > 0);
    const last = events.at(-1) as SeenEvent;
    this.checkComplete(watch, events, last.revision);
  }

  /** `events` must be exactly the history of (seenUpTo, upTo]. */
  checkComplete(watch: Watch, events: readonly SeenEvent[], upTo: number): void {
    const { request } = watch;
    const expected = this.model.events.filter(
      (event) =>
        event.revision > watch.seenUpTo && event.revision <= upTo && matches(event, request),
    );
    const seen = events.map(({ previous: _, ...event }) => event);
    assert.deepEqual(
      seen,
      expected.map(({ previous: _, ...event }) => event),
    );
    events.forEach((event, i) => {
      const before = this.model.states[event.revision - 1]?.get(event.key);
      const created = event.kv?.create === event.revision;
      const visible = request.prevKv && !created && event.revision > this.model.compactRevision;
      if (visible) assert.deepEqual(event.previous, before, `prev_kv of event ${i}`);
      else if (event.previous !== undefined) assert.ok(request.prevKv && !created);
    });
    watch.seenUpTo = Math.max(watch.seenUpTo, upTo);
  }

  checkProgress(watch: Watch, revision: number): void {
    if (watch.ended) return;
    assert.ok(revision >= watch.request.startRevision);
    assert.ok(revision <= this.model.revision);
    this.checkComplete(watch, [], revision);
  }

  end(watch: Watch, compactRevision: number): void {
    assert.equal(compactRevision, this.model.compactRevision);
    assert.ok(watch.seenUpTo + 1 < compactRevision, "ended although its history is there");
    watch.ended = true;
  }

  finish(): void {
    for (const { sink } of this.clients) sink.congested = false;
    while (this.watchable.syncWatchers(7) !== "idle") this.collect();
    this.collect();
    for (const client of this.clients) {
      for (const watch of client.watches.values()) {
        if (!watch.ended) this.checkComplete(watch, [], this.model.revision);
      }
    }
  }
}

test("each watcher sees its part of history, exactly", () => {
  let pauses = 0;
  for (const seed of seeds(25)) {
    const scenario = new Scenario(seed);
    for (let step = 0; step < 400; step++) {
      try {
        scenario.step();
      } catch (error) {
        throw new Error(`TEST_SEED=${seed}, step ${step}`, { cause: error });
      }
    }
    try {
      scenario.finish();
      pauses += scenario.pauses;
    } catch (error) {
      throw new Error(`TEST_SEED=${seed}, at the end`, { cause: error });
    }
  }
  assert.ok(pauses > 100, "watchers meet writes that are half made");
});
