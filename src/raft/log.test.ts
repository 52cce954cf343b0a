/** The log's parts against simple models: unstable tail with storage, storage alone, inflights. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Entry } from "../api/gen/raft.ts";
import { EMPTY_BYTES } from "../base/bytes.ts";
import { entryBytes, limitEntries } from "./entry-size.ts";
import { Inflights } from "./inflights.ts";
import { RaftLog } from "./log.ts";
import { emptyConfState, MemoryStorage, newSnapshot } from "./storage.ts";
import { entriesOf, SILENT_LOGGER } from "./testing/lab.ts";
import { SeededRandom } from "./testing/seeded-random.ts";

const SEED = 99;

test(`an entry's size is that of its encoding (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED);
  for (let i = 0; i < 2000; i++) {
    const data = random.oneIn(4) ? EMPTY_BYTES : new Uint8Array(1 + random.below(20_000));
    const term = Math.floor(2 ** (random.below(5300) / 100));
    const index = Math.min(Math.floor(2 ** (random.below(5300) / 100)), Number.MAX_SAFE_INTEGER);
    const entry = Entry.create({ type: random.below(3), term, index, data });
    assert.equal(entryBytes(entry), Entry.size(entry), `${term} ${index} ${data.length}`);
  }
});

test("a limit cuts entries at the last that fits, but lets one through", () => {
  const entries = entriesOf([1, 1, 1]);
  const size = entryBytes(entries[0] as Entry);
  assert.equal(limitEntries(entries, 0).length, 1);
  assert.equal(limitEntries(entries, 2 * size).length, 2);
  assert.equal(limitEntries(entries, 2 * size + 1).length, 2);
  assert.equal(limitEntries(entries, 3 * size), entries);
  assert.equal(limitEntries(entries, Number.POSITIVE_INFINITY), entries);
});

test(`storage in memory behaves like an array with a mark (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED);
  const storage = new MemoryStorage();
  storage.applySnapshot(newSnapshot(5, 1, emptyConfState(), EMPTY_BYTES));
  const model = new Map<number, number>([[5, 1]]);
  let first = 6;
  let last = 5;
  for (let step = 0; step < 5000; step++) {
    if (random.oneIn(3) && last >= first) {
      const index = first + random.below(last - first + 1);
      storage.compact(index);
      for (let i = first - 1; i < index; i++) model.delete(i);
      first = index + 1;
    } else {
      // May start before what is compacted, or in the middle of what is there.
      const from = Math.max(1, last + 1 - random.below(random.oneIn(4) ? 10 : 1));
      const entries = entriesOf(Array(random.below(30)).fill(step), from);
      storage.append(entries);
      const end = from + entries.length - 1;
      if (entries.length > 0 && end >= first) {
        for (let i = end + 1; i <= last; i++) model.delete(i);
        for (let i = Math.max(from, first); i <= end; i++) model.set(i, step);
        last = end;
      }
    }
    assert.deepEqual([storage.firstIndex(), storage.lastIndex()], [first, last]);
    const probe = first - 2 + random.below(last - first + 4);
    assert.equal(storage.term(probe), model.get(probe), `term of ${probe}`);
    if (last >= first) {
      const stored = storage.entries(first, last + 1, Number.POSITIVE_INFINITY);
      assert.deepEqual(stored.map((entry) => entry.index).at(0), first);
      assert.equal(stored.length, last - first + 1);
    }
  }
});

/** As in production, and with memory that is used again after a few entries. */
for (const options of [{}, { chunkEntries: 7, slabBytes: 4096 }]) {
  const name = Object.keys(options).length === 0 ? "" : " in small pieces of memory";
  test(`settled entries${name} are equal to those that were given (seed ${SEED})`, () => {
    compareSettled(new MemoryStorage(options));
  });
}

function compareSettled(storage: MemoryStorage): void {
  const random = new SeededRandom(SEED);
  const model: Entry[] = [];
  let first = 1;
  for (let step = 0; step < 400; step++) {
    const added = Array.from({ length: random.below(100) }, (_, i): Entry => {
      const data = Buffer.alloc(random.oneIn(50) ? 100_000 : random.below(1000), step);
      return { type: random.below(3), term: step + 1, index: model.length + i + 1, data };
    });
    storage.append(added);
    model.push(...added);
    if (random.oneIn(2)) storage.settle(model.length - random.below(50));
    const last = Math.max(first, model.length - 50);
    if (random.oneIn(20) && last < model.length && last >= first) {
      storage.compact(last);
      first = last + 1;
    }
    const kept = model.slice(first - 1).map(({ data }) => data.length);
    assert.equal(
      storage.bytes,
      kept.reduce((sum, bytes) => sum + bytes, 0),
    );
    const low = first + random.below(Math.max(1, model.length - first));
    if (low > model.length) continue;
    assert.deepEqual(
      storage.entries(low, model.length + 1, Number.POSITIVE_INFINITY),
      model.slice(low - 1),
    );
    assert.equal(storage.term(low), model[low - 1]?.term);
    assert.equal(storage.entries(low, model.length + 1, 0).length, 1);
  }
  assert.ok(first > 10_000, "chunks have gone");
}

test("storage says what it cannot give", () => {
  const storage = new MemoryStorage();
  storage.append(entriesOf([1, 1, 2, 2]));
  storage.createSnapshot(3, undefined, EMPTY_BYTES);
  storage.compact(2);
  assert.throws(() => storage.entries(2, 4, 100), { code: "compacted" });
  assert.throws(() => storage.entries(5, 6, 100), { code: "unavailable" });
  assert.throws(() => storage.entries(3, 6, 100), /out of bound/);
  assert.throws(() => storage.compact(2), { code: "compacted" });
  assert.throws(() => storage.compact(9), /out of bound/);
  assert.throws(() => storage.createSnapshot(3, undefined, EMPTY_BYTES), {
    code: "snapshotOutOfDate",
    message: "requested index is older than the existing snapshot",
  });
  assert.throws(() => storage.append(entriesOf([2], 9)), /missing log entry/);
  const older = newSnapshot(1, 1, emptyConfState(), EMPTY_BYTES);
  assert.throws(() => storage.applySnapshot(older), { code: "snapshotOutOfDate" });
  assert.equal(storage.term(2), 1, "the term before the first entry stays known");
  assert.equal(storage.term(1), undefined);
});

test(`unstable tail and storage are one log, wherever the border is (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED);
  for (let round = 0; round < 300; round++) {
    const storage = new MemoryStorage();
    const log = new RaftLog(storage, SILENT_LOGGER, Number.POSITIVE_INFINITY);
    const model: Entry[] = [];
    for (let step = 0; step < 40; step++) {
      if (random.oneIn(2)) {
        const keep = log.committed + random.below(model.length - log.committed + 1);
        const added = entriesOf(Array(1 + random.below(5)).fill(step + 1), keep + 1);
        model.length = keep;
        model.push(...added);
        log.append(added);
      } else if (random.below(2) === 0) {
        // A write of everything so far; it finishes now or is overtaken by the next step.
        storage.append(log.unstable.pendingEntries());
        log.unstable.acceptInProgress();
        const { term, index } = log.lastEntryID();
        if (random.oneIn(2) && index > 0) log.unstable.stableTo(term, index);
      } else {
        log.commitTo(log.committed + random.below(model.length - log.committed + 1));
      }
      assert.equal(log.lastIndex(), model.length);
      if (model.length === 0) continue;
      const low = 1 + random.below(model.length);
      const high = low + random.below(model.length - low + 2);
      const part = log.slice(low, high, Number.POSITIVE_INFINITY);
      assert.equal(part?.length, high - low);
      // The very objects, not copies: callers hang things on them.
      for (const [i, entry] of part.entries()) assert.equal(entry, model[low - 1 + i]);
      assert.equal(log.term(low), model[low - 1]?.term);
    }
  }
});

test(`an inflights window counts messages and bytes (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED);
  for (let round = 0; round < 200; round++) {
    const maxMessages = 1 + random.below(20);
    const maxBytes = random.oneIn(2) ? Number.POSITIVE_INFINITY : 1 + random.below(100);
    const window = new Inflights(maxMessages, maxBytes);
    let model: { index: number; bytes: number }[] = [];
    let index = 0;
    for (let step = 0; step < 200; step++) {
      if (random.oneIn(20)) {
        window.reset();
        model = [];
      } else if (random.oneIn(3)) {
        const upTo = index - random.below(10);
        window.freeUpTo(upTo);
        model = model.filter((one) => one.index > upTo);
      } else if (!window.full) {
        index += 1 + random.below(3);
        const bytes = random.below(30);
        window.add(index, bytes);
        model.push({ index, bytes });
      }
      const bytes = model.reduce((sum, one) => sum + one.bytes, 0);
      assert.equal(window.count, model.length);
      assert.equal(window.full, model.length === maxMessages || bytes >= maxBytes);
    }
  }
  const full = new Inflights(1, Number.POSITIVE_INFINITY);
  full.add(1, 1);
  assert.throws(() => full.add(2, 1), /full inflights/);
});
