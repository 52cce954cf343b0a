import assert from "node:assert/strict";
import { test } from "node:test";
import {
  formatDuration,
  INT64,
  parseBool,
  parseDurationMs,
  parseInteger,
  quote,
  quoteList,
  TextError,
  UINT32,
  UINT64,
} from "./go-text.ts";

test("durations are read as Go reads them", () => {
  const cases: readonly (readonly [string, number])[] = [
    ["0", 0],
    ["0s", 0],
    ["-0", 0],
    ["100ms", 100],
    ["1.5s", 1500],
    [".5s", 500],
    ["1.s", 1000],
    ["2h45m", 9_900_000],
    ["1h2m3.5s", 3_723_500],
    ["-90m", -5_400_000],
    ["+5s", 5000],
    ["250us", 0.25],
    ["250µs", 0.25],
    ["250μs", 0.25],
    ["1000000ns", 1],
    ["2540400h10m10s", 9_145_440_610_000],
  ];
  for (const [text, ms] of cases) assert.equal(parseDurationMs(text), ms, text);
});

test("malformed durations are refused in Go's words", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["", 'time: invalid duration ""'],
    ["-", 'time: invalid duration "-"'],
    ["abc", 'time: invalid duration "abc"'],
    ["s", 'time: invalid duration "s"'],
    [".", 'time: invalid duration "."'],
    ["3", 'time: missing unit in duration "3"'],
    ["1.5", 'time: missing unit in duration "1.5"'],
    ["1d", 'time: unknown unit "d" in duration "1d"'],
    ["1h5", 'time: missing unit in duration "1h5"'],
    ["3000000h", 'time: invalid duration "3000000h"'],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => parseDurationMs(text), new TextError(message));
  }
});

test("durations are printed as Go prints them", () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, "0s"],
    [0.000001, "1ns"],
    [0.0015, "1.5µs"],
    [1, "1ms"],
    [1.5, "1.5ms"],
    [300, "300ms"],
    [1000, "1s"],
    [1001, "1.001s"],
    [60_000, "1m0s"],
    [90_500, "1m30.5s"],
    [7_200_000, "2h0m0s"],
    [-5_400_000, "-1h30m0s"],
  ];
  for (const [ms, text] of cases) assert.equal(formatDuration(ms), text);
});

test("integers take prefixes and underscores, and know their range", () => {
  const value = (text: string) => parseInteger(text, INT64);
  assert.deepEqual(value("0x1F"), { kind: "value", value: 31 });
  assert.deepEqual(value("0b101"), { kind: "value", value: 5 });
  assert.deepEqual(value("0o17"), { kind: "value", value: 15 });
  assert.deepEqual(value("017"), { kind: "value", value: 15 });
  assert.deepEqual(value("1_000"), { kind: "value", value: 1000 });
  assert.deepEqual(value("-12"), { kind: "value", value: -12 });
  assert.deepEqual(value("+12"), { kind: "value", value: 12 });
  for (const bad of ["", "-", "1__0", "_1", "1_", "08", "1.5", "1e3", "0x", " 1", "١"]) {
    assert.deepEqual(value(bad), { kind: "syntax" }, bad);
  }
  assert.deepEqual(value("9223372036854775808"), { kind: "range" });
  assert.deepEqual(parseInteger("-1", UINT64), { kind: "syntax" });
  assert.deepEqual(parseInteger("4294967296", UINT32), { kind: "range" });
});

test("booleans are the twelve words of Go", () => {
  for (const word of ["1", "t", "T", "true", "TRUE", "True"]) assert.equal(parseBool(word), true);
  for (const word of ["0", "f", "F", "false", "FALSE", "False"]) {
    assert.equal(parseBool(word), false);
  }
  for (const word of ["", "yes", "no", "tRUE", "on", " true"]) {
    assert.equal(parseBool(word), undefined);
  }
});

test("texts are quoted as %q does", () => {
  assert.equal(quote('a"b\\c\n\x01\x7fé'), '"a\\"b\\\\c\\n\\x01\\x7fé"');
  assert.equal(quoteList(["a", "b"]), '["a" "b"]');
});
