import assert from "node:assert/strict";
import { test } from "node:test";
import { CliExit } from "../framework/exit.ts";
import { parseCompare } from "./compare-line.ts";
import { watchTarget } from "./watch-line.ts";
import { splitWords } from "./words.ts";

test("words are quoted as in Go, raw, or bare", () => {
  const rows: [string, string[]][] = [
    ["put key1 val", ["put", "key1", "val"]],
    ['put "a b" "x\\ty\\u00e9"', ["put", "a b", "x\tyé"]],
    ["put 'a \"b\"' c", ["put", 'a "b"', "c"]],
    ["  get   k --prefix ", ["get", "k", "--prefix"]],
    ["", []],
  ];
  for (const [line, words] of rows) assert.deepEqual(splitWords(line), words);
  assert.throws(
    () => splitWords('put "\\q"'),
    (error: unknown) => error instanceof CliExit && error.code === 3,
  );
});

test("conditions name a target, a key, an operator and a value", () => {
  const parsed = (line: string): unknown => {
    const result = parseCompare(line);
    return "value" in result
      ? [result.value.targetUnion, result.value.result, String(result.value.key)]
      : result.error;
  };
  assert.deepEqual(parsed('mod("k") > "5"'), [{ case: "modRevision", value: 5 }, 1, "k"]);
  assert.deepEqual(parsed('ver("a b") != "0" # rest'), [{ case: "version", value: 0 }, 3, "a b"]);
  const farthest = { case: "version", value: Number.MAX_SAFE_INTEGER };
  assert.deepEqual(parsed('ver("a") = "9223372036854775807"'), [farthest, 0, "a"]);
  assert.deepEqual(parsed('c("k") < "7"'), [{ case: "createRevision", value: 7 }, 2, "k"]);
  assert.deepEqual(parsed('value("k") = "v"'), [
    { case: "value", value: Buffer.from("v") },
    0,
    "k",
  ]);
  assert.deepEqual(parsed('lease("k") = "ff"'), [{ case: "lease", value: 255n }, 0, "k"]);
});

test("a bad condition is told with what could be read of it", () => {
  const rows: [string, string][] = [
    ["bad", "malformed comparison: bad"],
    ['mod(k) = "1"', 'malformed comparison: mod(k) = "1"; got mod("")  ""'],
    ['mod("k") = 1', 'malformed comparison: mod("k") = 1; got mod("k") = ""'],
    ['zz("k") = "1"', 'malformed comparison: zz("k") = "1" (unknown target zz)'],
    ['mod("k") = "x"', 'invalid txn compare request: mod("k") = "x"'],
  ];
  for (const [line, error] of rows) assert.deepEqual(parseCompare(line), { error });
});

test("a watch takes its key from the arguments or the environment, not from both", () => {
  const none = { key: "", rangeEnd: "" };
  const env = { key: "e", rangeEnd: "f" };
  assert.deepEqual(watchTarget({ keys: ["a", "b"], command: ["echo", "b"] }, none), {
    key: "a",
    rangeEnd: "b",
    command: ["echo", "b"],
  });
  assert.deepEqual(watchTarget({ keys: [], command: ["echo"] }, env), {
    key: "e",
    rangeEnd: "f",
    command: ["echo"],
  });
  assert.deepEqual(watchTarget({ keys: [], command: undefined }, none), {
    error: "bad number of arguments",
  });
  assert.deepEqual(watchTarget({ keys: ["a"], command: undefined }, env), {
    error: "bad number of arguments (found conflicting environment key)",
  });
  assert.deepEqual(watchTarget({ keys: ["a"], command: [] }, none), {
    error: "bad number of arguments (found separator --, but no commands)",
  });
});
