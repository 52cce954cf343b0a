import assert from "node:assert/strict";
import { test } from "node:test";
import { readSource } from "./source-text.ts";
import { unknownNames } from "./tidy-comments.ts";

const found = (...texts: string[]): string[] =>
  unknownNames(texts.map((text, i) => readSource(`src/a/${i}.ts`, text))).map(
    ({ path, line, text }) => `${path}:${line} ${/names (\S+),/.exec(text)?.[1]}`,
  );

test("a comment that names what is nowhere is found", () => {
  assert.deepEqual(found("/**\n * See `gone`.\n */\nconst here = 1;"), ["src/a/0.ts:2 gone"]);
  assert.deepEqual(found("// As `Gone.here` and `#gone()`.\nconst here = 1;"), [
    "src/a/0.ts:1 Gone.here",
    "src/a/0.ts:1 #gone",
  ]);
  assert.deepEqual(found("// `a` names `a`, and a comment is no place to be."), [
    "src/a/0.ts:1 a",
    "src/a/0.ts:1 a",
  ]);
});

test("a name that stands in code or in a text of any source is known", () => {
  assert.deepEqual(
    found("// See `here` and `Thing.there(x)`.", "const here = 1;", '"Thing there";'),
    [],
  );
});

test("names of others, settings, patterns, and texts are let be", () => {
  assert.deepEqual(found("// As `time.ParseDuration` and Go's `LimitListener`."), []);
  assert.deepEqual(found("// `data_dir`, `--data-dir`, `readX(b)` and `encodeXResponse`."), []);
  assert.deepEqual(found('const a = "// `gone`";'), []);
});
