import assert from "node:assert/strict";
import { test } from "node:test";
import type { FlagRow } from "./command-table.ts";
import { FlagValues, flagsFirst } from "./flag-values.ts";

const ROWS: readonly FlagRow[] = [
  { names: ["recursive", "r"], kind: "bool", usage: "" },
  { names: ["ttl"], kind: "int", usage: "" },
  { names: ["value"], kind: "string", usage: "" },
  { names: ["roles"], kind: "list", usage: "" },
  { names: ["timeout"], kind: "duration", usage: "" },
];

function parse(...args: string[]): FlagValues {
  const flags = new FlagValues(ROWS);
  assert.equal(flags.parse(args), undefined);
  return flags;
}

test("flags end at the first argument that is none, or behind two dashes", () => {
  const flags = parse("-r", "--ttl=0x10", "-value", "-x", "key", "--ttl", "1");
  assert.equal(flags.bool("recursive"), true);
  assert.equal(flags.int("ttl"), 16n);
  assert.equal(flags.string("value"), "-x");
  assert.deepEqual(flags.args, ["key", "--ttl", "1"]);
  assert.deepEqual(parse("-r=false", "--", "-r").args, ["-r"]);
  assert.deepEqual(parse("-").args, ["-"]);
});

test("absent flags have their zero value, or the caller's", () => {
  const flags = parse("--value=");
  assert.equal(flags.bool("recursive"), false);
  assert.equal(flags.int("ttl"), 0n);
  assert.equal(flags.string("value", "simple"), "");
  assert.deepEqual(flags.list("roles"), []);
  assert.equal(flags.milliseconds("timeout", 7), 7);
  assert.equal(parse("--timeout", "1m1.5s").milliseconds("timeout", 7), 61_500);
  assert.deepEqual(parse("--roles", "a", "--roles=b,c").list("roles"), ["a", "b,c"]);
});

for (const [args, problem] of [
  [["--nosuch"], "flag provided but not defined: -nosuch"],
  [["--ttl"], "flag needs an argument: -ttl"],
  [["--ttl", "x"], 'invalid value "x" for flag -ttl: parse error'],
  [["--ttl", "99999999999999999999"], "value out of range"],
  [["-r=x"], 'invalid boolean value "x" for -r: parse error'],
  [["--timeout", "5"], 'invalid value "5" for flag -timeout: parse error'],
  [["---x"], "bad flag syntax: ---x"],
  [["-=x"], "bad flag syntax: -=x"],
] as const) {
  test(`${args.join(" ")} is refused`, () => {
    const found = new FlagValues(ROWS).parse(args) ?? "";
    assert.ok(found.endsWith(problem), found);
  });
}

test("a flag by both of its names is a clash", () => {
  assert.equal(
    parse("-r", "--recursive").clash,
    "Cannot use two forms of the same flag: r recursive",
  );
  assert.equal(parse("-r", "-r").clash, undefined);
});

test("a command's own flags move to the front, other dashes stay arguments", () => {
  const first = (...args: string[]): string[] => flagsFirst(ROWS, args);
  assert.deepEqual(first("k", "v", "--ttl", "5"), ["--ttl", "5", "k", "v"]);
  assert.deepEqual(first("k", "-5"), ["k", "-5"]);
  assert.deepEqual(first("k", "--", "-v"), ["--", "k", "-v"]);
  assert.deepEqual(first("--ttl=5", "k"), ["--ttl=5", "k"]);
  assert.deepEqual(first("k", "-r", "cmd"), ["-r", "cmd", "k"]);
});
