/** The table of places, written as the build does and read as the logger does. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { unbundled, unbundledStack } from "./bundle-places.ts";

/**
 * Line 1 of the script has nothing; line 2 has line 11 of a.ts from column 1 on, line 12 from 41 and
 * line 9 from 241 on; line 3 line 101 of b.ts; line 4 nothing.
 */
const TABLE = String.fromCharCode(...[0, 2, 0, 20, 3 + 40, 2, 200, 1, 7, 0, 1, 2, 2, 0, 184, 1, 0]);

function folderOf(t: TestContext, places: string): string {
  const folder = mkdtempSync(join(tmpdir(), "places-"));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "places"), places, "latin1");
  return folder;
}

test("a place is that of the last mark before it", (t) => {
  const index = { sources: ["src/a.ts", "src/b.ts"], tables: { "s.cjs": [3, 3 + TABLE.length] } };
  const folder = folderOf(t, `${JSON.stringify(index)}\n\0\0\0${TABLE}`);
  const script = join(folder, "s.cjs");
  const placeOf = (line: number, column: number): string => {
    const place = unbundled(script, line, column);
    return `${place?.file}:${place?.line}`;
  };
  assert.equal(placeOf(2, 1), "src/a.ts:11");
  assert.equal(placeOf(2, 40), "src/a.ts:11");
  assert.equal(placeOf(2, 41), "src/a.ts:12");
  assert.equal(placeOf(2, 240), "src/a.ts:12");
  assert.equal(placeOf(2, 241), "src/a.ts:9");
  assert.equal(placeOf(2, 4000), "src/a.ts:9");
  assert.equal(placeOf(3, 1), "src/b.ts:101");
  assert.equal(placeOf(9, 1), "src/b.ts:101");
  assert.equal(unbundled(script, 1, 1), undefined);
  assert.equal(unbundled(script, 33, 1), undefined, "of the next block");
  assert.equal(unbundled(join(folder, "other.cjs"), 2, 1), undefined);
  assert.equal(unbundled(join(folder, "s.js"), 2, 1), undefined);
  const stack = `Error: x\n    at f (${script}:2:250)\n    at ${script}:3:1\n    at node:net:1:2`;
  assert.equal(
    unbundledStack(stack),
    "Error: x\n    at f (src/a.ts:9)\n    at src/b.ts:101\n    at node:net:1:2",
  );
});

test("a table that is missing or damaged leaves places as they are", (t) => {
  for (const text of [
    "",
    "{}",
    "{\n",
    "{}\n",
    "null\n",
    '{"sources":[],"tables":{"s.cjs":[0,9]}}\n;A',
  ]) {
    const script = join(folderOf(t, text), "s.cjs");
    assert.equal(unbundled(script, 1, 1), undefined, text);
    assert.equal(unbundledStack(`at ${script}:1:1`), `at ${script}:1:1`);
  }
});
