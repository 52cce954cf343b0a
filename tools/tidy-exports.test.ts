/** What the rules about leftovers refuse, on made-up files. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readSource } from "./source-text.ts";
import { leftovers } from "./tidy-exports.ts";

type Files = Readonly<Record<string, string>>;
const sourcesOf = (files: Files) =>
  Object.entries(files).map(([path, text]) => readSource(path, text));
const found = (files: Files, known: Readonly<Record<string, string>> = {}) =>
  leftovers(sourcesOf(files), known);
/** Without what is said of whole files. */
const unused = (files: Files, known: Readonly<Record<string, string>> = {}): string[] =>
  found(files, known)
    .filter(({ text }) => !text.includes("imports it"))
    .map(({ path, line, text }) => `${path}:${line} ${text}`);
const dead = (files: Files): string[] =>
  found(files)
    .filter(({ text }) => text.includes("imports it"))
    .map(({ path }) => path);

test("a file that nobody imports is found", () => {
  assert.deepEqual(dead({ "src/a/x.ts": "", "src/a/y.ts": 'import "./x.ts";' }), ["src/a/y.ts"]);
  assert.deepEqual(dead({ "src/a/index.ts": "" }), ["src/a/index.ts"]);
  assert.deepEqual(dead({ "src/client/index.ts": "", "src/bin/etcd.ts": "" }), []);
  const starts = 'new Worker(new URL("./worker.js", import.meta.url));';
  assert.deepEqual(dead({ "src/a/worker.ts": "", "src/bin/etcd.ts": "" }), ["src/a/worker.ts"]);
  assert.deepEqual(dead({ "src/bin/worker.ts": "", "src/bin/etcd.ts": starts }), []);
});

test("an export without a user is found, whatever the name is elsewhere", () => {
  const files = { "src/a/x.ts": "\nexport const one = 1;\nexport const two = 2;\n" };
  const user = 'import { one } from "./x.ts";\nconst two = one;';
  assert.deepEqual(unused({ ...files, "src/a/y.ts": user }), [
    "src/a/x.ts:3 nobody else uses the export two",
  ]);
  assert.deepEqual(unused({ "src/a/x.ts": "export { one };" }), [
    "src/a/x.ts:1 nobody else uses the export one",
  ]);
  assert.deepEqual(unused({ "src/a/x.ts": "export const LIMIT = 1;" }), [
    "src/a/x.ts:1 nobody else uses the export LIMIT",
  ]);
});

test("a file that is loaded late or started is used whole", () => {
  const files = { "src/a/x.ts": "export const one = 1;" };
  assert.deepEqual(unused({ ...files, "src/a/y.ts": 'await import("./x.ts");' }), []);
  assert.deepEqual(unused({ ...files, "src/a/y.ts": 'import * as x from "./x.ts";' }), []);
  assert.deepEqual(unused({ ...files, "src/a/y.ts": 'new URL("./x.js", here);' }), []);
});

test("a barrel uses nothing, and what it passes on has a user", () => {
  const files = {
    "src/a/x.ts": "export const one = 1;",
    "src/a/index.ts": 'export { one } from "./x.ts";',
  };
  assert.deepEqual(unused(files), [
    "src/a/x.ts:1 nobody else uses the export one",
    "src/a/index.ts:1 nobody takes one from here",
  ]);
  assert.deepEqual(unused({ ...files, "src/b/y.ts": 'import { one } from "../a/index.ts";' }), []);
  // The file has a user then, the barrel has none.
  assert.deepEqual(unused({ ...files, "src/a/y.ts": 'import { one } from "./x.ts";' }), [
    "src/a/index.ts:1 nobody takes one from here",
  ]);
});

test("names go through barrels that rename or pass on everything", () => {
  const files = { "src/a/x.ts": "export const one = 1;\nexport const two = 2;" };
  const star = { ...files, "src/a/index.ts": 'export * from "./x.ts";' };
  const user = { "src/b/y.ts": 'import { one } from "../a/index.ts";' };
  assert.deepEqual(unused({ ...star, ...user }), ["src/a/x.ts:2 nobody else uses the export two"]);
  const renamed = { ...files, "src/a/index.ts": 'export { two as one } from "./x.ts";' };
  assert.deepEqual(unused({ ...renamed, ...user }), [
    "src/a/x.ts:1 nobody else uses the export one",
  ]);
});

test("the package's own barrels are for programs outside, and types need no user", () => {
  const files = {
    "src/client/x.ts": "export const one = 1;\nexport interface T {}",
    "src/client/index.ts": 'export { one } from "./x.ts";',
  };
  assert.deepEqual(unused(files), []);
  assert.deepEqual(unused({ "src/a/index.ts": 'export { type T } from "./x.ts";' }), []);
});

test("what only tests use is found, unless the file itself needs it", () => {
  const user = { "src/a/x.test.ts": 'import { one } from "./x.ts";' };
  assert.deepEqual(unused({ "src/a/x.ts": "export const one = 1;", ...user }), [
    "src/a/x.ts:1 only tests use the export one",
  ]);
  assert.deepEqual(unused({ "src/a/x.ts": "export const one = 1;\nf(one);", ...user }), []);
});

test("the list of known leftovers is exact", () => {
  const files = { "src/a/x.ts": "export const one = 1;" };
  assert.deepEqual(unused(files, { "src/a/x.ts one": "why" }), []);
  assert.deepEqual(unused(files, { "src/a/x.ts one": "why", "src/a/x.ts two": "why" }), [
    "tools/tidy-exports.ts:1 src/a/x.ts two has a user or is gone: take it from KNOWN",
  ]);
});

test("a file or a folder that waits for its users is known as a whole", () => {
  const files = { "src/a/x.ts": "export const one = 1;", "src/a/y.ts": "export const two = 2;" };
  assert.equal(found(files).length, 4);
  assert.deepEqual(found(files, { "src/a/": "why" }), []);
  assert.equal(found(files, { "src/a/x.ts": "why" }).length, 2);
  assert.match(found({}, { "src/a/": "why" })[0]?.text ?? "", /^src\/a\/ has a user or is gone/);
});
