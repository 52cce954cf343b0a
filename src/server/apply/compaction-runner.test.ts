/** The pace of physical compaction: one batch, its commit, a pause. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryLogger, VirtualClock } from "../../env/testing/index.ts";
import { MemoryBackend } from "../../mvcc/testing/memory-backend.ts";
import { worldOn } from "../../mvcc/testing/harness.ts";
import { CompactionRunner } from "./compaction-runner.ts";

const RECORDS = 50;
const BATCH = 10;

/** Commits end when the test says so. */
class SlowBackend extends MemoryBackend {
  readonly commits: { readonly resolve: () => void; readonly reject: (e: Error) => void }[] = [];

  override commit(): Promise<void> {
    return new Promise((resolve, reject) => this.commits.push({ resolve, reject }));
  }
}

/** A store with one key that changed fifty times, compacted at the last change. */
function world() {
  const backend = new SlowBackend();
  const clock = new VirtualClock();
  const { store } = worldOn(backend);
  for (let i = 0; i < RECORDS; i++) {
    store.beginWrite();
    store.put("k", Buffer.from(`${i}`), 0n);
    store.endWrite();
  }
  store.compact(store.currentRevision);
  let steps = 0;
  const runCompaction = store.runCompaction.bind(store);
  store.runCompaction = (records, indexWork) => {
    steps++;
    return runCompaction(records, indexWork);
  };
  const nothing = { add: () => undefined, set: () => undefined, observe: () => undefined };
  let indexPauses = 0;
  const runner = new CompactionRunner({
    store,
    backend,
    clock,
    logger: new MemoryLogger(),
    counters: {
      compactionPauseMs: nothing,
      indexPauseMs: { observe: () => indexPauses++ },
      compactionTotalMs: nothing,
      compactedKeys: nothing,
      compactedAtSeconds: nothing,
    },
    batchLimit: BATCH,
    sleepIntervalMs: 10,
  });
  return { backend, clock, runner, steps: () => steps, indexPauses: () => indexPauses };
}

test("a batch waits until the one before is durable, so that deletes do not pile up", async () => {
  const { backend, clock, runner, steps } = world();
  runner.start();
  await clock.advanceAsync(10);
  const begun = steps();
  await clock.advanceAsync(60_000);
  assert.deepEqual([steps(), backend.commits.length], [begun, 1]);
  backend.commits[0]?.resolve();
  await clock.advanceAsync(10);
  assert.deepEqual([steps(), backend.commits.length], [begun + 1, 2]);
});

test("a compaction goes on after a commit that found the disk full", async () => {
  const { backend, clock, runner } = world();
  const done = runner.done();
  let failures = 0;
  for (let at = 0; at < 100 && failures < 3; at++) {
    for (const commit of backend.commits.splice(0)) {
      commit.reject(new Error("no space left"));
      failures++;
    }
    await clock.advanceAsync(1000);
  }
  assert.equal(failures, 3);
  let ended = false;
  void done.then(() => {
    ended = true;
  });
  for (let at = 0; at < 100 && !ended; at++) {
    for (const commit of backend.commits.splice(0)) commit.resolve();
    await clock.advanceAsync(1000);
  }
  assert.ok(ended);
});

test("nothing is done after the stop, when a commit ends late", async () => {
  const { backend, clock, runner, steps } = world();
  runner.start();
  await clock.advanceAsync(10);
  const before = steps();
  runner.stop();
  backend.commits[0]?.resolve();
  await clock.advanceAsync(60_000);
  assert.equal(steps(), before);
});

test("what each batch takes of the index is measured", async () => {
  const { backend, clock, runner, steps, indexPauses } = world();
  runner.start();
  await clock.advanceAsync(10);
  for (let batch = 0; batch < RECORDS / BATCH; batch++) {
    for (const commit of backend.commits.splice(0)) commit.resolve();
    await clock.advanceAsync(10);
  }
  assert.ok(indexPauses() >= RECORDS / BATCH && indexPauses() <= steps(), `${indexPauses()}`);
});
