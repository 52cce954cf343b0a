import assert from "node:assert/strict";
import { test } from "node:test";
import {
  formatDuration,
  humanizeBytes,
  parseDuration,
  parseDurationMs,
  TextError,
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

test("what is printed is read as the same", () => {
  const rows: [number, string][] = [
    [0, "0s"],
    [0.000999, "999ns"],
    [0.0015, "1.5µs"],
    [3.157068, "3.157068ms"],
    [5000, "5s"],
    [90_000, "1m30s"],
    [3_661_500, "1h1m1.5s"],
    [1001, "1.001s"],
  ];
  for (const [value, text] of rows) {
    assert.equal(formatDuration(value), text);
    assert.deepEqual(parseDuration(text), { value });
  }
  assert.deepEqual(parseDuration("x"), { error: 'time: invalid duration "x"' });
  assert.deepEqual(parseDuration("5y"), { error: 'time: unknown unit "y" in duration "5y"' });
});

test("sizes are in decimal units with one decimal below ten", () => {
  const rows: [number, string][] = [
    [0, "0 B"],
    [9, "9 B"],
    [999, "999 B"],
    [20_480, "20 kB"],
    [2_147_483_648, "2.1 GB"],
    [9_950, "10 kB"],
    [1_000_000, "1.0 MB"],
  ];
  for (const [bytes, text] of rows) assert.equal(humanizeBytes(bytes), text);
});
