import assert from "node:assert/strict";
import { test } from "node:test";
import type { SpaceNode } from "../../src/insight/space.ts";
import { cellsOf, firstParting } from "./icicle.ts";

function node(prefix: string, valueBytes: number, children: readonly SpaceNode[] = []): SpaceNode {
  const figures = { keys: 1, keyBytes: 0, valueBytes, writes: 0, sampled: 1 };
  return { kind: "prefix", prefix, ...figures, children };
}

test("parts stand below their whole, the heaviest first, and those too small to see are left out", () => {
  const root = node("", 1000, [
    node("a/", 300),
    node("b/", 699, [node("b/x/", 699)]),
    node("c/", 1),
  ]);
  const shown = cellsOf(root, "bytes").map(
    ({ node: { prefix }, level, left, width, family }) =>
      `${prefix} ${level} ${left.toFixed(3)} ${width.toFixed(3)} ${family}`,
  );
  assert.deepEqual(shown, [
    " 0 0.000 1.000 0",
    "b/ 1 0.000 0.699 1",
    "b/x/ 2 0.000 0.699 1",
    "a/ 1 0.699 0.300 2",
  ]);
  assert.equal(cellsOf(root, "writes").length, 1);
  const within = node("", 1000, [root]);
  assert.deepEqual(
    cellsOf(within, "bytes").map(({ family }) => family),
    [0, 0, 1, 1, 2],
  );
  assert.equal(firstParting(within), root);
});
