import assert from "node:assert/strict";
import { test } from "node:test";
import { importsOf } from "./source-imports.ts";
import { readSource } from "./source-text.ts";

test("every form of import is seen, and none in a comment", () => {
  const source = readSource(
    "src/a/b.ts",
    'import { x } from "./x.ts";\nimport type { T } from "./t.ts";\nexport * from "./e.ts";\n' +
      'import "./side.ts";\nawait import("./dynamic.ts");\n// import "./comment.ts";\n' +
      'import {\n  many,\n} from "./many.ts";',
  );
  assert.deepEqual(
    importsOf(source).map(({ specifier, line }) => `${line} ${specifier}`),
    ["1 ./x.ts", "2 ./t.ts", "3 ./e.ts", "4 ./side.ts", "5 ./dynamic.ts", "9 ./many.ts"],
  );
});

test("names are read as the other file calls them, with what becomes of them here", () => {
  const read = (text: string) =>
    importsOf(readSource("src/a/b.ts", text)).map(({ names, isReExport }) => {
      if (names === "all") return `${isReExport} all`;
      const texts = names.map(
        ({ theirs, ours, isType }) => `${theirs}>${ours}${isType ? "?" : ""}`,
      );
      return `${isReExport} ${texts.join(" ")}`;
    });
  assert.deepEqual(read('import { a, type B, c as d } from "./x.ts";'), ["false a>a B>B? c>d"]);
  assert.deepEqual(read('import type { A } from "./x.ts";'), ["false A>A?"]);
  assert.deepEqual(read('export { a as b } from "./x.ts";'), ["true a>b"]);
  assert.deepEqual(read('export * from "./x.ts";'), ["true all"]);
  assert.deepEqual(read('import * as x from "./x.ts";'), ["false all"]);
  assert.deepEqual(read('const { a } = await import("./x.ts");'), ["false all"]);
});
