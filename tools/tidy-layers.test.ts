/** What the rules about layers refuse, on made-up files. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readSource, type SourceText } from "./source-text.ts";
import { type Layer, layerProblems, unusedPermissions } from "./tidy-layers.ts";

const file = (path: string, ...specifiers: string[]): SourceText =>
  readSource(path, specifiers.map((name) => `import { x } from "${name}";\n`).join(""));
const problems = (path: string, specifier: string): string[] =>
  layerProblems(file(path, specifier)).map(({ text }) => text);
const refuses = (path: string, specifier: string, text: RegExp): void => {
  const found = problems(path, specifier);
  assert.equal(found.length, 1, `${path} may import ${specifier}`);
  assert.match(found[0] ?? "", text);
};
const allows = (path: string, specifier: string): void => {
  assert.deepEqual(problems(path, specifier), []);
};

test("imports point downwards only", () => {
  allows("src/mvcc/a.ts", "../backend/index.ts");
  allows("src/mvcc/a.ts", "./index/x.ts");
  refuses("src/backend/a.ts", "../mvcc/index.ts", /backend must not import from mvcc/);
  refuses("src/server/a.ts", "../platform/index.ts", /server must not import from platform/);
  refuses("src/server/a.ts", "../transport/x.ts", /server must not import from transport/);
  allows("src/embed/a.ts", "../platform/index.ts");
  refuses("src/client/a.ts", "../server/index.ts", /client must not import from server/);
  refuses("src/transport/a.ts", "../server/index.ts", /transport must not import from server/);
  refuses("src/base/a.ts", "../../tools/x.ts", /base must not import tools/);
  refuses("src/unheard/a.ts", "./x.ts", /no known layer/);
  refuses("src/base/a.ts", "./x.js", /lacks .ts/);
});

test("tests may use the real disk, and what their layer's row allows besides", () => {
  allows("src/server/a.test.ts", "../platform/index.ts");
  allows("src/client/a.test.ts", "../embed/x.ts");
  refuses("src/client/a.ts", "../embed/x.ts", /client must not import from embed/);
});

test("pure layers know no node: module; their tests do", () => {
  for (const layer of ["raft", "mvcc", "lease", "wal", "snap", "backend", "api"]) {
    refuses(`src/${layer}/a.ts`, "node:fs", /must not import node:fs/);
    allows(`src/${layer}/a.test.ts`, "node:fs");
    allows(`src/${layer}/testing/a.ts`, "node:fs");
  }
});

test("files and the network are for the layers outside", () => {
  refuses("src/server/a.ts", "node:fs/promises", /server must not import node:fs/);
  refuses("src/lease/a.ts", "node:net", /lease must not import node:net/);
  refuses("src/base/a.ts", "node:child_process", /base must not import/);
  refuses("src/env/a.ts", "node:net", /env must not import/);
  allows("src/platform/a.ts", "node:fs");
  allows("src/server/a.ts", "node:crypto");
  const importing = (names: string): number =>
    layerProblems(readSource("src/server/a.ts", `import ${names} from "node:net";\n`)).length;
  assert.equal(importing("{ type Socket, isIP }"), 0);
  assert.equal(importing("{ connect, isIP }"), 1);
  assert.equal(importing("* as net"), 1);
});

test("what is for tests is imported by tests only", () => {
  refuses("src/server/a.ts", "../env/testing/index.ts", /only tests may import src\/env\/testing/);
  refuses("src/embed/a.ts", "./e2e/harness.ts", /only tests may import/);
  refuses("src/raft/a.ts", "./testdata/x.ts", /only tests may import/);
  allows("src/server/a.test.ts", "../env/testing/index.ts");
  allows("src/embed/e2e/harness.ts", "../../env/testing/index.ts");
});

test("a layer has one door: its index, or its files", () => {
  refuses("src/server/a.ts", "../wal/wal.ts", /wal is imported through its index/);
  allows("src/server/a.ts", "../wal/index.ts");
  refuses("src/server/a.ts", "../base/index.ts", /base has no index/);
  allows("src/server/a.ts", "../base/bytes.ts");
  // Beside its own files and in tests, any door will do.
  allows("src/wal/a.ts", "./wal.ts");
  allows("src/server/a.test.ts", "../wal/wal.ts");
});

const layer = (imports: readonly string[], testImports: readonly string[] = []): Layer => ({
  door: "deep",
  imports,
  testImports,
});

test("a permission that nobody uses is found", () => {
  const sources = [file("src/low/a.ts"), file("src/high/a.ts", "../low/a.ts")];
  const unused = (layers: Readonly<Record<string, Layer>>): string[] =>
    unusedPermissions(sources, { layers, otherDoors: [] });
  assert.deepEqual(unused({ low: layer([]), high: layer(["low"]) }), []);
  assert.deepEqual(unused({ low: layer(["high"]), high: layer(["low"]) }), [
    "low may import high but does not",
  ]);
  assert.deepEqual(unused({ low: layer([], ["high"]), high: layer(["low"]) }), [
    "tests of low may import high but do not",
  ]);
  assert.deepEqual(unused({ low: layer([]), high: layer(["low"]), gone: layer(["low"]) }), [
    "src/gone does not exist",
  ]);
});

test("a use by a test is none by the layer", () => {
  const sources = [
    file("src/low/a.ts"),
    file("src/high/a.ts"),
    file("src/high/a.test.ts", "../low/a.ts"),
  ];
  const layers = { low: layer([]), high: layer(["low"]) };
  assert.deepEqual(unusedPermissions(sources, { layers, otherDoors: [] }), [
    "high may import low but does not",
  ]);
});

test("a known use of another door that is gone is found", () => {
  const sources = [file("src/low/a.ts"), file("src/high/a.ts", "../low/index.ts")];
  const layers = { low: layer([]), high: layer(["low"]) };
  const used = { layer: "high", target: "src/low/index.ts" };
  const gone = { layer: "low", target: "src/high/index.ts" };
  assert.deepEqual(unusedPermissions(sources, { layers, otherDoors: [used, gone] }), [
    "low no longer imports src/high/index.ts: take it from OTHER_DOORS",
  ]);
});
