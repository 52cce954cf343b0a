import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesFromLatin1 } from "../base/bytes.ts";
import { SeededRandom } from "../env/testing/index.ts";
import { type KeyRange, KeyRangeSet, keyRange, pointRange } from "./key-ranges.ts";

/** Every key of up to two letters of a small alphabet, and what lies between and above them. */
const LETTERS = ["\0", "a", "b", "c"];
const KEYS = [...LETTERS, ...LETTERS.flatMap((one) => LETTERS.map((two) => one + two))].sort();
const ENDS = ["", "\0", ...KEYS.filter((key) => key !== "\0")];

function rangeOf(key: string, rangeEnd: string): KeyRange {
  return keyRange(bytesFromLatin1(key), bytesFromLatin1(rangeEnd));
}

/** All keys of up to four letters tell ranges with bounds of up to two letters apart. */
const PROBES = KEYS.flatMap((key) => [key, `${key}\0`, `${key}\0\0`, `${key}\xff`]);

function holds({ begin, end }: KeyRange, key: string): boolean {
  return key >= begin && (end === "" || key < end);
}

test("a range is covered exactly when each of its keys is in one of the granted ranges", () => {
  const random = new SeededRandom(7);
  const pick = (from: readonly string[]): string => from[random.below(from.length)] ?? "";
  for (let round = 0; round < 400; round++) {
    const granted: KeyRange[] = [];
    for (let i = random.below(5); i >= 0; i--) granted.push(rangeOf(pick(KEYS), pick(ENDS)));
    const set = new KeyRangeSet(granted);
    for (const key of ["", ...PROBES]) {
      assert.equal(set.has(key), set.covers(pointRange(key)), JSON.stringify({ granted, key }));
    }
    for (const key of KEYS) {
      for (const end of ENDS) {
        const asked = rangeOf(key, end);
        if (asked.end !== "" && asked.end <= asked.begin) continue;
        const expected = PROBES.filter((probe) => holds(asked, probe)).every((probe) =>
          granted.some((range) => holds(range, probe)),
        );
        assert.equal(set.covers(asked), expected, JSON.stringify({ granted, asked }));
      }
    }
  }
});

test("an empty range is answered for as its begin is, as etcd does", () => {
  const set = new KeyRangeSet([rangeOf("b", "d"), rangeOf("x", "")]);
  assert.equal(set.covers(rangeOf("c", "c")), true);
  assert.equal(set.covers(rangeOf("c", "a")), true);
  assert.equal(set.covers(rangeOf("b", "a")), true);
  assert.equal(set.covers(rangeOf("x", "x")), true);
  assert.equal(set.covers(rangeOf("d", "c")), false);
  assert.equal(set.covers(rangeOf("a", "a")), false);
});

test("the end \\0 means everything from the key on, and no end the key alone", () => {
  const one = new KeyRangeSet([rangeOf("k", "")]);
  assert.equal(one.covers(rangeOf("k", "")), true);
  assert.equal(one.covers(rangeOf("k", "\0")), false);
  assert.equal(one.covers(rangeOf("k\0", "")), false);
  const all = new KeyRangeSet([rangeOf("k", "\0")]);
  assert.equal(all.covers(rangeOf("k", "\0")), true);
  assert.equal(all.covers(rangeOf("z", "zz")), true);
  assert.equal(all.covers(rangeOf("j", "\0")), false);
});

test("a grant on the empty key, as old databases may hold, grants nothing", () => {
  for (const end of ["", "\0", "z"]) {
    const set = new KeyRangeSet([rangeOf("", end)]);
    assert.equal(set.covers(rangeOf("a", "")), false);
    assert.equal(set.covers(rangeOf("", "\0")), false);
  }
});
