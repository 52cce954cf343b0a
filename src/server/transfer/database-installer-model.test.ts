/**
 * A leader and a follower that falls behind again and again. Each time the follower installs an
 * image of the leader's db while clients range, hash, back up, watch, compact and defragment; then
 * both go on with the same log. Whatever runs sees the old state or the new one; the follower's
 * state equals the leader's at every index; watches miss nothing and see nothing twice.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EtcdError } from "../../api/errors.ts";
import { KEY_BUCKET } from "../../backend/types.ts";
import type { Index } from "../../base/ids.ts";
import { FaultDisk } from "../../env/testing/index.ts";
import {
  executeRange,
  type KeyValueHash,
  RangeExecution,
  type RangeResult,
} from "../../mvcc/index.ts";
import { rangeRequest, Stepper } from "../../mvcc/testing/harness.ts";
import { seeds, TestRandom } from "../../mvcc/testing/random.ts";
import { LEASES, randomDelete, randomPut, randomTxn } from "../../mvcc/testing/random-requests.ts";
import { type Operation, Replica } from "../testing/replica.ts";
import { EventHistory, WatchingClient } from "../testing/replica-watch.ts";

const ROUNDS = 6;
const CLIENTS = 4;
/** So few that an install takes many turns. */
const RECORDS_PER_STEP = 4;

function randomOperation(random: TestRandom, leader: Replica): Operation {
  const revision = leader.store.currentRevision;
  const kind = random.below(100);
  const id = random.pick(LEASES);
  if (kind < 35) return { kind: "put", request: randomPut(random) };
  if (kind < 45) return { kind: "delete", request: randomDelete(random) };
  if (kind < 75) return { kind: "txn", request: randomTxn(random, revision) };
  if (kind < 82) return { kind: "grant", id, ttl: 10 + random.below(100) };
  if (kind < 85) return { kind: "revoke", id };
  if (kind < 88) return { kind: "checkpoint", id, remainingTTL: random.below(50) };
  if (kind < 91) return { kind: "compact", revision: revision - random.below(12) };
  const member = BigInt(random.below(5) + 2);
  if (kind < 93) return { kind: "addMember", id: member };
  if (kind < 95) return { kind: "removeMember", id: member };
  if (kind < 97) return { kind: "version", version: `3.${random.below(7)}.0` };
  const type = 1 + random.below(2);
  return { kind: "alarm", id: member, type, raise: random.chance(60) };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

class Scenario {
  readonly random: TestRandom;
  readonly leader: Replica;
  readonly follower: Replica;
  readonly history: EventHistory;
  readonly clients: WatchingClient[];
  readonly log: Operation[] = [];
  /** By index: the leader's state there. */
  readonly states: unknown[] = [];
  readonly outcomes = { ranges: 0, restartedRanges: 0, hashes: 0, images: 0, compacted: 0 };
  /** Work that was begun on the follower and has to end well. */
  #running: Promise<void>[] = [];

  constructor(seed: number, leader: Replica, follower: Replica) {
    this.random = new TestRandom(seed);
    this.leader = leader;
    this.follower = follower;
    this.history = new EventHistory(leader.watchable);
    this.clients = Array.from(
      { length: CLIENTS },
      () => new WatchingClient(follower.watchable, this.history),
    );
  }

  async run(): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) {
      for (let i = 0; i < 30; i++) {
        this.lead();
        this.catchUp();
        this.serve();
      }
      const missed = 1 + this.random.below(60);
      for (let i = 0; i < missed; i++) {
        this.lead();
        if (this.random.chance(20)) this.serve();
      }
      await this.installSnapshot();
      this.catchUp();
    }
    await this.finish();
  }

  /** The leader applies one more entry. */
  lead(): void {
    const { leader, random } = this;
    const operation = randomOperation(random, leader);
    this.log.push(operation);
    leader.apply(operation);
    if (random.chance(10)) leader.clock.advance(10);
    this.history.collect();
    this.states[leader.index] = leader.describe();
  }

  /** The follower applies what it lacks; it equals the leader after each entry. */
  catchUp(): void {
    const { follower } = this;
    while (follower.index < this.log.length) {
      const operation = this.log[follower.index];
      assert.ok(operation !== undefined);
      follower.apply(operation);
      for (const client of this.clients) client.collect();
      assert.deepEqual(follower.describe(), this.states[follower.index]);
    }
  }

  async installSnapshot(): Promise<void> {
    const { follower, leader, random } = this;
    const before = follower.index;
    const index = leader.index;
    const image = await leader.image();
    let isInstalled = false;
    const begun = this.random.chance(50) ? this.beginWork() : undefined;
    const installed = follower.install(image, index).then(() => {
      isInstalled = true;
    });
    installed.catch(() => undefined);
    for (let turn = 0; !isInstalled && turn < 10_000; turn++) {
      follower.disk.hold = random.chance(50);
      this.assertOneState(before, index);
      this.serve();
      if (random.chance(30)) void this.beginWork();
      if (random.chance(20)) this.lead();
      await nextTurn();
      follower.disk.release(random.below(3));
    }
    follower.disk.hold = false;
    follower.disk.release();
    await installed;
    await begun;
    assert.equal(follower.index, index);
    assert.deepEqual(follower.describe(), this.states[index]);
    await this.endWork();
  }

  /** In the middle of an install the follower shows what it had, or what it got. */
  assertOneState(before: Index, after: Index): void {
    const { index } = this.follower;
    assert.ok(index === before || index === after, `index ${index}`);
    assert.deepEqual(this.follower.describe(), this.states[index] ?? this.follower.describe());
  }

  /** Something that a client, an operator or a timer does. */
  serve(): void {
    const { random, follower } = this;
    const client = random.pick(this.clients);
    const kind = random.below(10);
    if (kind < 2) client.watch(random);
    else if (kind < 3) client.sink.congested = !client.sink.congested;
    else if (kind < 5) follower.watchable.syncWatchers(1 + random.below(20));
    else if (kind < 6) client.askForProgress();
    else if (kind < 7) follower.clock.advance(10);
    else follower.backend.commitIfDue();
    for (const each of this.clients) each.collect();
  }

  /** Begins long work on the follower; `endWork` waits for its end. */
  beginWork(): Promise<void> {
    const work = [
      () => this.range(),
      () => this.rangeInPieces(),
      () => this.hash(),
      () => this.backUp(),
      () => this.follower.backend.defragment(),
      () => this.follower.backend.commit(),
      () => this.viewStays(),
    ];
    const running = this.random.pick(work)();
    running.catch(() => undefined);
    this.#running.push(running);
    return running;
  }

  async endWork(): Promise<void> {
    await Promise.all(this.#running.splice(0));
  }

  /** A long range answers for the state in which it began, or asks the client to try again. */
  async range(): Promise<void> {
    const { store } = this.follower;
    const request = rangeRequest("\0", "\0");
    const expected = executeRange(store, request);
    const range = new RangeExecution(store, request);
    const execution = new Stepper((slice) => range.run(slice));
    try {
      for (;;) {
        const result = execution.step(2);
        if (result !== undefined) {
          assert.deepEqual(plain(result), plain(expected));
          this.outcomes.ranges++;
          return;
        }
        await nextTurn();
      }
    } catch (error) {
      if (!(error instanceof EtcdError) || error.kind !== "leaderChanged") throw error;
      this.outcomes.restartedRanges++;
    }
  }

  /** A stream of pieces stays at its revision, or is told that it is compacted. */
  async rangeInPieces(): Promise<void> {
    const { store } = this.follower;
    const revision = store.currentRevision;
    const expected = executeRange(store, rangeRequest("\0", "\0"));
    const found: Uint8Array[] = [];
    try {
      while (found.length < expected.kvs.length) {
        const whole = executeRange(store, rangeRequest("\0", "\0", { revision }));
        found.push(...[...whole.kvs].slice(found.length, found.length + 2));
        await nextTurn();
      }
      assert.deepEqual(found, [...expected.kvs]);
    } catch (error) {
      if (!(error instanceof EtcdError) || error.kind !== "compacted") throw error;
      this.outcomes.compacted++;
    }
  }

  async hash(): Promise<void> {
    const { follower } = this;
    const expected = follower.hash();
    const job = follower.store.hashByRevision(0);
    for (let result: KeyValueHash | undefined; result === undefined; ) {
      await nextTurn();
      result = job.step(3);
      if (result !== undefined) assert.deepEqual(result, expected);
    }
    this.outcomes.hashes++;
  }

  /** A backup is the db of one index, whole. */
  async backUp(): Promise<void> {
    const { follower } = this;
    const image = await follower.image();
    const copy = await Replica.open(new FaultDisk());
    await copy.receive(image, 1);
    const replacement = await copy.backend.openReplacement("/snap/0000000000000001.snap.db");
    await replacement.install(() => undefined);
    await copy.backend.close();
    const restored = await Replica.open(copy.disk);
    assert.deepEqual(restored.describe(), this.states[restored.index]);
    await restored.close();
    this.outcomes.images++;
  }

  async viewStays(): Promise<void> {
    const view = this.follower.backend.openView();
    const read = () => {
      const records: Uint8Array[] = [];
      view.scan(KEY_BUCKET, Buffer.alloc(0), undefined, (key, value) => {
        records.push(key, value);
        return true;
      });
      return Buffer.concat(records);
    };
    const before = read();
    for (let turn = this.random.below(60); turn > 0; turn--) await nextTurn();
    assert.ok(read().equals(before), "a view has changed");
    view.close();
  }

  async finish(): Promise<void> {
    for (const { sink } of this.clients) sink.congested = false;
    while (this.follower.watchable.syncWatchers(7) !== "idle") {
      for (const client of this.clients) client.collect();
    }
    for (const client of this.clients) client.assertComplete();
    await this.leader.finishCompaction();
    await this.follower.finishCompaction();
    assert.deepEqual(this.follower.describe(), this.leader.describe());
  }
}

async function runSeed(seed: number): Promise<Scenario> {
  const follower = await Replica.open(new FaultDisk(), { recordsPerStep: RECORDS_PER_STEP });
  const leader = await Replica.open(new FaultDisk());
  const scenario = new Scenario(seed, leader, follower);
  try {
    await scenario.run();
    assert.deepEqual(follower.fatal, []);
    await follower.close();
    const restarted = await Replica.open(follower.disk);
    assert.deepEqual(restarted.describe(), leader.describe(), "after a restart");
    await restarted.close();
    await leader.close();
  } catch (error) {
    throw new Error(`TEST_SEED=${seed}`, { cause: error });
  }
  return scenario;
}

test("a follower that installs snapshots while it serves equals the leader", async () => {
  const totals: Record<string, number> = { events: 0, endedWatches: 0 };
  for (const seed of seeds(Number(process.env["INSTALL_SEEDS"] ?? 20))) {
    const { outcomes, clients } = await runSeed(seed);
    for (const [what, count] of Object.entries(outcomes)) {
      totals[what] = (totals[what] ?? 0) + count;
    }
    for (const client of clients) {
      totals["events"] = (totals["events"] ?? 0) + client.eventsSeen;
      totals["endedWatches"] = (totals["endedWatches"] ?? 0) + client.compacted;
    }
  }
  if (process.env["TEST_SEED"] !== undefined) return;
  // The scenario would prove nothing if some of this never happened.
  for (const [what, count] of Object.entries(totals)) assert.ok(count > 0, what);
});

function plain({ kvs, ...rest }: RangeResult) {
  return { ...rest, kvs: [...kvs] };
}
