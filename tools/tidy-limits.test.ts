import assert from "node:assert/strict";
import { test } from "node:test";
import { readSource } from "./source-text.ts";
import { limitProblems } from "./tidy-limits.ts";

const found = (texts: readonly string[], byChance: readonly string[] = []): string[] =>
  limitProblems(
    texts.map((text, i) => readSource(`src/a/${i}.ts`, text)),
    new Set(byChance),
  ).map(({ path, line, text }) => `${path}:${line} ${text}`);

const LIMIT = "/** Why. */\nexport const MAX_A_BYTES = 16;\n";

test("a limit without a reason is found", () => {
  assert.deepEqual(found([LIMIT]), []);
  assert.deepEqual(found(["\n\nconst MAX_A_BYTES = 16;\n"]), [
    "src/a/0.ts:3 MAX_A_BYTES has no comment with its reason",
  ]);
  assert.deepEqual(found(["const DEFAULT_MAX_A = 2 * 8;\n"]), [
    "src/a/0.ts:1 DEFAULT_MAX_A has no comment with its reason",
  ]);
});

test("a limit that is written twice is found", () => {
  const twice = "src/a/1.ts:2 MAX_A_BYTES stands in src/a/0.ts too, with the same value";
  assert.deepEqual(found([LIMIT, LIMIT]), [twice]);
  assert.deepEqual(found([LIMIT, LIMIT.replace("= 16", "= 2 ** 4")]), [twice]);
  assert.deepEqual(found([LIMIT, LIMIT.replace("= 16", "= 17")]), []);
});

test("the list of chances is exact", () => {
  assert.deepEqual(found([LIMIT, LIMIT], ["MAX_A_BYTES"]), []);
  assert.deepEqual(found([LIMIT], ["MAX_A_BYTES"]), [
    "tools/tidy-limits.ts:1 MAX_A_BYTES stands in one file only: take it from SAME_BY_CHANCE",
  ]);
});
