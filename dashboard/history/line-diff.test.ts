import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { lineDiff, shortened } from "./line-diff.ts";

function shown(before: string, after: string): string[] {
  const signs = { same: " ", removed: "-", added: "+" };
  return lineDiff(before, after).map(({ kind, text }) => `${signs[kind]}${text}`);
}

test("lines are taken out and put in", () => {
  assert.deepEqual(shown("a\nb\nc", "a\nx\nc"), [" a", "-b", "+x", " c"]);
  assert.deepEqual(shown("", "a\nb"), ["+a", "+b"]);
  assert.deepEqual(shown("a", ""), ["-a"]);
  assert.deepEqual(shown("a", "a"), [" a"]);
  assert.deepEqual(
    shown("a\nb\nc\na\nb\nb\na", "c\nb\na\nb\na\nc").filter((x) => x[0] !== " ").length,
    5,
  );
});

/** The length of the longest common subsequence, by the table of all pairs. */
function longestCommon(a: readonly string[], b: readonly string[]): number {
  const table = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      const best = isSame
        ? table[i - 1]![j - 1]! + 1
        : Math.max(table[i - 1]![j]!, table[i]![j - 1]!);
      table[i]![j] = best;
    }
  }
  return table[a.length]![b.length]!;
}

test("a diff gives both texts back, and is as short as can be", () => {
  const line = fc.constantFrom("a", "b", "c");
  const lines = fc.array(line, { minLength: 1, maxLength: 14 });
  fc.assert(
    fc.property(lines, lines, (a, b) => {
      const diff = lineDiff(a.join("\n"), b.join("\n"));
      const of = (skipped: string): string[] =>
        diff.filter(({ kind }) => kind !== skipped).map(({ text }) => text);
      assert.deepEqual(of("added"), a);
      assert.deepEqual(of("removed"), b);
      const kept = diff.filter(({ kind }) => kind === "same").length;
      assert.equal(kept, longestCommon(a, b));
    }),
  );
});

test("texts that have nothing in common are still compared", () => {
  const a = Array.from({ length: 5000 }, (_, i) => `a${i}`).join("\n");
  const b = Array.from({ length: 5000 }, (_, i) => `b${i}`).join("\n");
  assert.equal(lineDiff(a, b).length, 10_000);
});

test("lines far from a change are left out", () => {
  const before = Array.from({ length: 20 }, (_, i) => String(i)).join("\n");
  const short = shortened(lineDiff(before, before.replace("10", "ten")), 1);
  assert.deepEqual(
    short.map((line) => (typeof line === "number" ? line : line.text)),
    [9, "9", "10", "ten", "11", 8],
  );
});
