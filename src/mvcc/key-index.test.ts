import assert from "node:assert/strict";
import test from "node:test";
import { type KeepRule, KeyIndex } from "./key-index.ts";
import { seeds, TestRandom } from "./testing/random.ts";

interface ModelChange {
  readonly main: number;
  readonly sub: number;
  readonly tombstone: boolean;
}

/** The rules in their plainest form: every key has a list of changes. */
class ModelIndex {
  readonly keys = new Map<string, ModelChange[]>();

  at(key: string, revision: number): ModelChange | undefined {
    return this.keys.get(key)?.findLast((change) => change.main <= revision);
  }

  kept(key: string, revision: number, rule: KeepRule): ModelChange | undefined {
    const change = this.at(key, revision);
    if (change?.tombstone !== true) return change;
    return rule === "compaction" && change.main === revision ? change : undefined;
  }

  compact(revision: number): void {
    for (const [key, changes] of this.keys) {
      const kept = this.kept(key, revision, "compaction");
      const rest = changes.filter((change) => change.main > revision || change === kept);
      if (rest.length === 0) this.keys.delete(key);
      else this.keys.set(key, rest);
    }
  }
}

function keysOf(index: KeyIndex): string[] {
  const keys: string[] = [];
  for (const cursor = index.seek(""); cursor.valid; cursor.next()) keys.push(cursor.key);
  return keys;
}

function assertSame(index: KeyIndex, model: ModelIndex, random: TestRandom, current: number): void {
  assert.deepEqual(keysOf(index), [...model.keys.keys()].sort());
  for (const key of model.keys.keys()) {
    const revision = random.below(current + 2);
    const expected = model.at(key, revision);
    const found = index.findAt(key, revision);
    assert.equal(found, expected !== undefined && !expected.tombstone, `${key} at ${revision}`);
    if (found) assert.deepEqual([index.main, index.sub], [expected?.main, expected?.sub]);
    for (const rule of ["compaction", "hash"] as const) {
      const kept = model.kept(key, revision, rule);
      for (const change of model.keys.get(key) ?? []) {
        const answer = index.keeps(key, change.main, change.sub, revision, rule);
        assert.equal(answer, change === kept, `${key} keeps ${change.main} at ${revision}`);
      }
    }
  }
  const begin = `k${random.below(60)}`;
  const live = [...model.keys.keys()].filter((key) => model.at(key, current)?.tombstone === false);
  assert.equal(index.liveKeys, live.length);
  assert.equal(index.countLatest(begin, ""), live.filter((key) => key >= begin).length);
  const end = `k${random.below(60)}`;
  const inside = live.filter((key) => key >= begin && key < end);
  assert.equal(index.countLatest(begin, end), inside.length);
}

test("random puts, deletions and compactions give what lists of changes give", () => {
  for (const seed of seeds(6)) {
    const random = new TestRandom(seed);
    const index = new KeyIndex();
    const model = new ModelIndex();
    let current = 1;
    for (let step = 0; step < 1500; step++) {
      const main = ++current;
      const key = `k${random.below(60)}`;
      const changes = model.keys.get(key) ?? [];
      const before = changes.at(-1);
      const live = before !== undefined && !before.tombstone;
      if (random.chance(30)) {
        assert.equal(index.tombstone(key, main, 1), live, `seed ${seed}`);
        if (live) changes.push({ main, sub: 1, tombstone: true });
      } else {
        assert.equal(index.put(key, main, 0), live);
        if (live) assert.deepEqual([index.main, index.sub], [before.main, before.sub]);
        changes.push({ main, sub: 0, tombstone: false });
      }
      if (changes.length > 0) model.keys.set(key, changes);
      if (random.chance(3)) {
        const revision = 1 + random.below(current);
        for (const name of [...model.keys.keys()]) index.compact(name, revision);
        model.compact(revision);
      }
      if (step % 100 === 99) assertSame(index, model, random, current);
    }
  }
});

test("create revision and version restart after a deletion", () => {
  const index = new KeyIndex();
  index.put("k", 2, 0);
  index.put("k", 3, 0);
  assert.deepEqual([index.createRevision, index.version], [2, 2]);
  index.tombstone("k", 4, 0);
  assert.equal(index.findLatest("k"), false);
  index.put("k", 5, 0);
  assert.deepEqual([index.createRevision, index.version], [5, 1]);
  assert.equal(index.findLatest("k"), true);
  assert.deepEqual([index.main, index.createRevision, index.version], [5, 5, 1]);
});

test("a key that a transaction deletes and puts again is live at its revision", () => {
  const index = new KeyIndex();
  index.put("k", 2, 0);
  index.tombstone("k", 3, 0);
  index.put("k", 3, 1);
  assert.equal(index.findAt("k", 3), true);
  assert.deepEqual([index.main, index.sub], [3, 1]);
  assert.equal(index.findAt("k", 2), true);
  assert.deepEqual([index.main, index.sub], [2, 0]);
});

test("a restored index answers like the one that made the records", () => {
  const random = new TestRandom(3);
  const index = new KeyIndex();
  const restored = new KeyIndex();
  for (let main = 2; main < 3000; main++) {
    // Some are longer than what is gathered at a time.
    const key = `key-${random.below(400)}`.padEnd(random.chance(1) ? 20_000 : 0, "-");
    if (random.chance(30)) {
      if (index.tombstone(key, main, 0)) restore(restored, key, main, 0, 0, true);
    } else {
      index.put(key, main, 0);
      restore(restored, key, main, index.createRevision, index.version, false);
    }
  }
  for (const _ of restored.finishRestore(50)) {
    // One slice.
  }
  assert.deepEqual(keysOf(restored), keysOf(index));
  assert.equal(restored.liveKeys, index.liveKeys);
  for (const key of keysOf(index)) {
    for (const revision of [10, 500, 1500, 3000]) {
      assert.equal(restored.findAt(key, revision), index.findAt(key, revision));
      assert.deepEqual([restored.main, restored.sub], [index.main, index.sub]);
    }
    assert.equal(restored.findLatest(key), index.findLatest(key));
    assert.deepEqual(
      [restored.createRevision, restored.version],
      [index.createRevision, index.version],
    );
  }
});

function restore(
  index: KeyIndex,
  key: string,
  main: number,
  createRevision: number,
  version: number,
  tombstone: boolean,
): void {
  const bytes = Buffer.from(`..${key}`, "latin1");
  const view = { keyStart: 2, keyEnd: bytes.length, createRevision, version };
  index.restore(bytes, view, main, 0, tombstone);
}

test("a restored index has one string for each key", () => {
  const index = new KeyIndex();
  restore(index, "k\u00e9y", 2, 2, 1, false);
  for (const _ of index.finishRestore(50)) {
    // One slice.
  }
  assert.equal(index.findLatest("k\u00e9y"), true);
  assert.equal(index.ownText("k\u00e9y"), "k\u00e9y");
  assert.equal(index.ownText("other"), "other");
});

test("an index and its copy do not see each other's changes", () => {
  const random = new TestRandom(5);
  const pairs = [{ index: new KeyIndex(), model: new ModelIndex() }];
  for (let main = 2; main < 6000; main++) {
    // Copies have the history before, free records among it, and each a future of its own.
    if (main % 1500 === 0) {
      const { index, model } = pairs.at(-1)!;
      const copied = new ModelIndex();
      for (const [key, changes] of model.keys) copied.keys.set(key, [...changes]);
      pairs.push({ index: index.copy(), model: copied });
    }
    for (const { index, model } of pairs) {
      const key = `k${random.below(400)}`;
      if (random.chance(40)) {
        if (index.tombstone(key, main, 0)) changed(model, key, { main, sub: 0, tombstone: true });
      } else {
        index.put(key, main, 0);
        changed(model, key, { main, sub: 0, tombstone: false });
      }
      if (main % 1000 !== 0) continue;
      for (const each of model.keys.keys()) index.compact(each, main - 300);
      model.compact(main - 300);
    }
  }
  for (const { index, model } of pairs) assertSame(index, model, random, 6000);
});

function changed(model: ModelIndex, key: string, change: ModelChange): void {
  const changes = model.keys.get(key);
  if (changes === undefined) model.keys.set(key, [change]);
  else changes.push(change);
}
