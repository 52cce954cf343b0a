import assert from "node:assert/strict";
import test from "node:test";
import { CountedTree } from "./btree.ts";

/** Deterministic numbers below `bound` (a small linear congruential generator). */
function generator(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 0x1_0000_0000) * bound);
  };
}

function entriesOf(tree: CountedTree, from: string, end?: string): [string, number][] {
  const entries: [string, number][] = [];
  for (const cursor = tree.seek(from, end); cursor.valid; cursor.next()) {
    entries.push([cursor.key, cursor.value]);
  }
  return entries;
}

function assertEqualsModel(tree: CountedTree, model: Map<string, number>, probe: string): void {
  const sorted = [...model].sort((a, b) => (a[0] < b[0] ? -1 : 1));
  assert.deepEqual(entriesOf(tree, ""), sorted);
  assert.equal(tree.size, model.size);
  assert.equal(tree.weight, sorted.filter(([, value]) => value & 1).length);
  const below = sorted.filter(([key, value]) => key < probe && (value & 1) === 1);
  assert.equal(tree.rank(probe), below.length, `rank of ${probe}`);
  assert.deepEqual(
    entriesOf(tree, probe),
    sorted.filter(([key]) => key >= probe),
  );
  for (const from of ["", `${probe.slice(0, -2)}00`, probe, "~"]) {
    assert.deepEqual(
      entriesOf(tree, from, probe),
      sorted.filter(([key]) => key >= from && key < probe),
    );
  }
}

test("a tree and its copy do not see each other's changes", () => {
  const below = generator(7);
  const tree = new CountedTree();
  const model = new Map<string, number>();
  const change = (of: CountedTree, as: Map<string, number>): void => {
    const key = String(below(6000)).padStart(4, "0");
    const value = below(1 << 20);
    if (value % 3 === 0) assert.equal(of.delete(key), as.delete(key));
    else of.set(key, value);
    if (value % 3 !== 0) as.set(key, value);
  };
  assert.deepEqual(entriesOf(tree.copy(), ""), []);
  for (let i = 0; i < 9000; i++) change(tree, model);
  const copy = tree.copy();
  const copied = new Map(model);
  for (let i = 0; i < 9000; i++) {
    change(tree, model);
    change(copy, copied);
  }
  assertEqualsModel(tree, model, "3000");
  assertEqualsModel(copy, copied, "3000");
});

test("random inserts, changes and deletions give what a sorted map gives", () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const below = generator(seed);
    const tree = new CountedTree();
    const model = new Map<string, number>();
    for (let phase = 0; phase < 12; phase++) {
      const deleteBias = phase % 3 === 2 ? 8 : 2;
      for (let i = 0; i < 700; i++) {
        const key = String(below(3000)).padStart(4, "0");
        if (below(10) < deleteBias) {
          assert.equal(tree.delete(key), model.delete(key));
        } else {
          const value = below(1 << 20);
          tree.set(key, value);
          model.set(key, value);
        }
        assert.equal(tree.get(key), model.get(key) ?? -1);
      }
      assertEqualsModel(tree, model, String(below(3000)).padStart(4, "0"));
    }
    for (const key of [...model.keys()]) assert.equal(tree.delete(key), true);
    assert.deepEqual(entriesOf(tree, ""), []);
    assert.equal(tree.weight, 0);
  }
});

test("ascending and descending inserts keep order and counts", () => {
  for (const ascending of [true, false]) {
    const tree = new CountedTree();
    const model = new Map<string, number>();
    for (let i = 0; i < 20_000; i++) {
      const key = String(ascending ? i : 20_000 - i).padStart(6, "0");
      tree.set(key, i);
      model.set(key, i);
    }
    assertEqualsModel(tree, model, "009999");
  }
});

test("a bulk-loaded tree equals one built entry by entry and can be changed", () => {
  for (const size of [0, 1, 59, 60, 61, 3600, 3601, 20_000]) {
    const keys = Array.from({ length: size }, (_, i) => String(i).padStart(6, "0"));
    const keyAt = (at: number) => keys[at]!;
    const tree = built(CountedTree.fromSorted(size, keyAt, (at) => at, 1000));
    const model = new Map(keys.map((key, i) => [key, i] as const));
    assertEqualsModel(tree, model, "001234");
    const below = generator(size + 1);
    for (let i = 0; i < 500; i++) {
      const key = String(below(size + 10)).padStart(6, "0");
      if (below(2) === 0) {
        tree.set(key, i);
        model.set(key, i);
      } else {
        tree.delete(key);
        model.delete(key);
      }
    }
    assertEqualsModel(tree, model, "000100");
  }
});

function built(steps: Generator<void, CountedTree>): CountedTree {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

test("building a large tree pauses", () => {
  const keyAt = (at: number) => String(at).padStart(6, "0");
  const steps = CountedTree.fromSorted(10_000, keyAt, (at) => at, 1000);
  let pauses = 0;
  while (steps.next().done !== true) pauses++;
  assert.ok(pauses >= 9, `${pauses} pauses`);
});

test("keys compare as bytes when they are latin1", () => {
  const tree = new CountedTree();
  for (let byte = 255; byte >= 0; byte--) tree.set(String.fromCharCode(byte), byte);
  const order = entriesOf(tree, "").map(([, value]) => value);
  assert.deepEqual(
    order,
    Array.from({ length: 256 }, (_, i) => i),
  );
});

test("changing only a weight changes the counts", () => {
  const tree = new CountedTree();
  for (let i = 0; i < 1000; i++) tree.set(String(i).padStart(4, "0"), i * 2 + 1);
  assert.equal(tree.rank("0500"), 500);
  tree.set("0100", 200);
  assert.equal(tree.rank("0500"), 499);
  assert.equal(tree.rank("0100"), 100);
  assert.equal(tree.weight, 999);
});
