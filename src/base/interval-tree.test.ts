import assert from "node:assert/strict";
import test from "node:test";
import { IntervalTree } from "./interval-tree.ts";

interface Entry {
  readonly begin: string;
  readonly end: string;
  value: number;
}

function holds(entry: Entry, point: string): boolean {
  return entry.begin <= point && (entry.end === "" || point < entry.end);
}

test("stab and covers give what a list of intervals gives, over random changes", () => {
  let state = 7;
  const below = (bound: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 0x1_0000_0000) * bound);
  };
  const tree = new IntervalTree<number>();
  const model = new Map<string, Entry>();
  const name = (): string => String.fromCharCode(97 + below(8)) + (below(2) === 0 ? "" : "x");
  for (let i = 0; i < 20_000; i++) {
    const begin = name();
    const end = below(6) === 0 ? "" : `${begin}${String.fromCharCode(97 + below(20))}`;
    const id = `${begin}|${end}`;
    if (below(2) === 0) {
      tree.set(begin, end, i);
      model.set(id, { begin, end, value: i });
    } else {
      assert.equal(tree.delete(begin, end), model.delete(id));
    }
    assert.equal(tree.get(begin, end), model.get(id)?.value);
    const point = `${name()}${below(2) === 0 ? "" : "c"}`;
    const found: number[] = [];
    tree.stab(point, (value) => found.push(value));
    const expected = [...model.values()].filter((entry) => holds(entry, point));
    const order = (a: number, b: number): number => a - b;
    assert.deepEqual(found.sort(order), expected.map((entry) => entry.value).sort(order));
    assert.equal(tree.covers(point), expected.length > 0);
    assert.equal(tree.size, model.size);
  }
  const listed = [...tree.entries()].map(([begin, end]) => `${begin}|${end}`);
  assert.deepEqual(listed.sort(), [...model.keys()].sort());
});

test("the end is not part of an interval, the begin is", () => {
  const tree = new IntervalTree<string>();
  tree.set("b", "d", "mid");
  assert.deepEqual(
    ["a", "b", "c", "d"].map((point) => tree.covers(point)),
    [false, true, true, false],
  );
});

test("an unbounded interval holds everything from its begin on", () => {
  const tree = new IntervalTree<string>();
  tree.set("m", "", "rest");
  assert.equal(tree.covers("\xff\xff"), true);
  assert.equal(tree.covers("l"), false);
});

test("an empty interval is refused", () => {
  assert.throws(() => new IntervalTree<number>().set("b", "b", 1), /not empty/);
});
