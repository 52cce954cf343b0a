/** What is drawn, and what is told of it, without measuring anything. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Curve } from "./curves.ts";
import { drawCurve, ticksFor } from "./drawing.ts";
import { type Point, PointFile } from "./points.ts";
import { exponentOf, steepnessTable } from "./steepness.ts";

const CURVE: Curve = {
  name: "keys",
  title: "More <keys>",
  axis: "keys",
  sizes: [10, 1000],
  panels: [{ metric: "get", title: "A get", unit: "µs" }],
  measure: () => Promise.reject(new Error("not here")),
};

function point(server: string, size: number, get: number): Point {
  return { curve: "keys", size, server, date: "", values: { get } };
}

test("an exponent is 0 where the cost stays, and 1 where it grows as the size", () => {
  const line = (values: readonly number[]) => values.map((value, i) => ({ size: 10 ** i, value }));
  assert.equal(exponentOf(line([5, 9, 5])), 0);
  assert.equal(exponentOf(line([5, 50, 500])), 1);
  assert.equal(exponentOf(line([5])), undefined);
});

test("a curve is called steeper where it grows faster over the sizes that both have", () => {
  const points = [
    ...[point("ours", 10, 1), point("ours", 1000, 10), point("3.6.14", 10, 5)],
    ...[point("3.6.14", 1000, 5), point("3.4.23", 1000, 3)],
  ];
  const [, , row] = steepnessTable([CURVE], points).split("\n");
  assert.equal(row, "| keys | get | 0.50 | 0.00 |  | 3.6.14 |");
});

test("a picture has a line for each server, and its texts are escaped", () => {
  const points = [point("ours", 10, 1), point("ours", 1000, 10), point("3.6.14", 10, 5)];
  const svg = drawCurve(CURVE, points);
  assert.match(svg, /More &lt;keys>/);
  assert.match(svg, />this server</);
  assert.match(svg, />Go etcd 3\.6\.14</);
  // From the lower left of the plot to its upper right.
  assert.match(svg, /class="line s0" d="M56 230L362 44"/);
  assert.doesNotMatch(svg, /NaN|undefined/);
});

test("ticks are round numbers around all values", () => {
  assert.deepEqual(ticksFor([12, 90]), [10, 20, 50, 100]);
  assert.deepEqual(ticksFor([3, 3000]), [1, 10, 100, 1000, 10_000]);
  assert.deepEqual(ticksFor([5]), [5, 10]);
});

test("points are kept from run to run, and measured anew one by one", () => {
  const root = mkdtempSync(join(tmpdir(), "bench-growth-"));
  const server = { label: "3.6.14", binary: process.execPath, env: {} };
  try {
    const first = new PointFile(root);
    first.keep(server, { curve: "keys", size: 10, values: { get: 1 } });
    first.keep(server, { curve: "keys", size: 1000, values: { get: 2 } });
    const second = new PointFile(root);
    second.keep(server, { curve: "keys", size: 10, values: { get: 3 } });
    const kept = new PointFile(root).points.map(({ size, values }) => [size, values["get"]]);
    assert.deepEqual(kept, [
      [1000, 2],
      [10, 3],
    ]);
  } finally {
    rmSync(root, { recursive: true });
  }
});
