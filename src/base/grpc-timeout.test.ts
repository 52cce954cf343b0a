import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatTimeout, parseTimeout } from "./grpc-timeout.ts";

test("grpc-timeout: units, limits and malformed values", () => {
  const cases: readonly (readonly [string, number | string])[] = [
    ["1H", 3_600_000],
    ["2M", 120_000],
    ["3S", 3_000],
    ["4m", 4],
    ["5000u", 5],
    ["1000000n", 1],
    ["99999999H", 99_999_999 * 3_600_000],
    ["0S", 0],
    ["0n", 0],
    ["S", 'transport: timeout string is too short: "S"'],
    ["", 'transport: timeout string is too short: ""'],
    ["123456789S", 'transport: timeout string is too long: "123456789S"'],
    ["1s", 'transport: timeout unit is not recognized: "1s"'],
    ["-1S", 'strconv.ParseUint: parsing "-1": invalid syntax'],
    ["1.5S", 'strconv.ParseUint: parsing "1.5": invalid syntax'],
    [" 1S", 'strconv.ParseUint: parsing " 1": invalid syntax'],
  ];
  for (const [text, ms] of cases) assert.equal(parseTimeout(text), ms, text);
});

test("a formatted timeout is never shorter than the time left", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e10, noNaN: true }), (ms) => {
      const parsed = parseTimeout(formatTimeout(ms));
      assert.ok(typeof parsed === "number" && parsed >= ms - 1e-6);
      assert.ok(parsed <= ms + Math.max(1, ms / 1000));
    }),
  );
});
