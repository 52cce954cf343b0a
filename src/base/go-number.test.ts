import assert from "node:assert/strict";
import { test } from "node:test";
import {
  formatLeaseID,
  INT64,
  parseBool,
  parseInt64,
  parseInteger,
  parseUint64,
  UINT32,
  UINT64,
} from "./go-number.ts";

test("integers take prefixes and underscores, and know their range", () => {
  const value = (text: string) => parseInteger(text, INT64);
  assert.deepEqual(value("0x1F"), { kind: "value", value: 31n });
  assert.deepEqual(value("0b101"), { kind: "value", value: 5n });
  assert.deepEqual(value("0o17"), { kind: "value", value: 15n });
  assert.deepEqual(value("017"), { kind: "value", value: 15n });
  assert.deepEqual(value("1_000"), { kind: "value", value: 1000n });
  assert.deepEqual(value("-12"), { kind: "value", value: -12n });
  assert.deepEqual(value("+12"), { kind: "value", value: 12n });
  for (const bad of ["", "-", "1__0", "_1", "1_", "08", "1.5", "1e3", "0x", " 1", "١"]) {
    assert.deepEqual(value(bad), { kind: "syntax" }, bad);
  }
  assert.deepEqual(value("9223372036854775808"), { kind: "range" });
  assert.deepEqual(parseInteger("-1", UINT64), { kind: "syntax" });
  assert.deepEqual(parseInteger("4294967296", UINT32), { kind: "range" });
});

test("without base 0 there are digits and a sign only", () => {
  assert.deepEqual(parseInteger("017", INT64, 10), { kind: "value", value: 17n });
  assert.deepEqual(parseInteger("-1f", INT64, 16), { kind: "value", value: -31n });
  for (const bad of ["1_0", "0x1", "1e3", ""]) {
    assert.deepEqual(parseInteger(bad, INT64, 10), { kind: "syntax" }, bad);
  }
  assert.deepEqual(parseInteger("0x1", INT64, 16), { kind: "syntax" });
});

test("booleans are the twelve words of Go", () => {
  for (const word of ["1", "t", "T", "true", "TRUE", "True"])
    assert.deepEqual(parseBool(word), { value: true });
  for (const word of ["0", "f", "F", "false", "FALSE", "False"]) {
    assert.deepEqual(parseBool(word), { value: false });
  }
  for (const word of ["", "yes", "no", "tRUE", "on", " true"]) {
    assert.deepEqual(parseBool(word), {
      error: `strconv.ParseBool: parsing "${word}": invalid syntax`,
    });
  }
});

test("numbers are refused with Go's words", () => {
  assert.deepEqual(parseInt64("zz", 16), {
    error: 'strconv.ParseInt: parsing "zz": invalid syntax',
  });
  assert.deepEqual(parseInt64("9223372036854775808", 10), {
    error: 'strconv.ParseInt: parsing "9223372036854775808": value out of range',
  });
  assert.deepEqual(parseInt64("-9223372036854775808", 10), { value: -(2n ** 63n) });
  assert.deepEqual(parseUint64("-1", 10), {
    error: 'strconv.ParseUint: parsing "-1": invalid syntax',
  });
});

test("lease ids have sixteen digits", () => {
  assert.equal(formatLeaseID(0x4b2da1fb7337e723n), "4b2da1fb7337e723");
  assert.equal(formatLeaseID(255n), "00000000000000ff");
});
