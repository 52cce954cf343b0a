import assert from "node:assert/strict";
import { test } from "node:test";
import { humanizeBytes } from "../../base/go-text.ts";
import {
  formatDuration,
  formatLeaseID,
  goQuote,
  parseDuration,
  parseInt64,
  readGoString,
} from "./go-text.ts";
import { bytesOfText, textOfBytes } from "./raw-text.ts";
import { formatTable } from "./table.ts";

test("strings are quoted as %q does", () => {
  const rows: [string | Uint8Array, string][] = [
    ["plain", '"plain"'],
    ['a"b\\c', '"a\\"b\\\\c"'],
    ["\t\n\x07\x01\x7f", '"\\t\\n\\a\\x01\\x7f"'],
    ["é中😀", '"é中😀"'],
    ["\u00a0\u2028\u200b", '"\\u00a0\\u2028\\u200b"'],
    [Uint8Array.of(0xff, 0x61, 0xc3), '"\\xffa\\xc3"'],
  ];
  for (const [value, expected] of rows) assert.equal(goQuote(value), expected);
});

test("a quoted string reads back as what it was", () => {
  for (const text of [
    "",
    "a b",
    'q"\\',
    "é\u0001😀",
    textOfBytes(Uint8Array.of(0xff, 0x80, 0x41)),
  ]) {
    const quoted = goQuote(text);
    assert.deepEqual(readGoString(`${quoted} rest`), { value: text, length: quoted.length });
  }
  assert.equal(readGoString("bare"), undefined);
  assert.equal(readGoString('"open'), undefined);
  assert.equal(readGoString('"\\400"'), undefined);
});

test("bytes that are no UTF-8 survive as text", () => {
  for (let i = 0; i < 256; i++) {
    const bytes = Buffer.of(0x61, i, 0xc3, 0xa9, i);
    assert.ok(bytes.equals(bytesOfText(textOfBytes(bytes))), `byte ${i}`);
  }
});

test("durations print and read as Go's", () => {
  const rows: [number, string][] = [
    [0, "0s"],
    [999, "999ns"],
    [1500, "1.5µs"],
    [3_157_068, "3.157068ms"],
    [5e9, "5s"],
    [90e9, "1m30s"],
    [3_661.5e9, "1h1m1.5s"],
  ];
  for (const [value, text] of rows) {
    assert.equal(formatDuration(value), text);
    assert.deepEqual(parseDuration(text), { value });
  }
  assert.deepEqual(parseDuration("x"), { error: 'time: invalid duration "x"' });
  assert.deepEqual(parseDuration("5y"), { error: 'time: unknown unit "y" in duration "5y"' });
});

test("numbers are refused with Go's words", () => {
  assert.deepEqual(parseInt64("zz", 16), {
    error: 'strconv.ParseInt: parsing "zz": invalid syntax',
  });
  assert.deepEqual(parseInt64("9223372036854775808", 10), {
    error: 'strconv.ParseInt: parsing "9223372036854775808": value out of range',
  });
  assert.deepEqual(parseInt64("-9223372036854775808", 10), { value: -(2n ** 63n) });
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

test("lease ids have sixteen digits", () => {
  assert.equal(formatLeaseID(0x4b2da1fb7337e723n), "4b2da1fb7337e723");
  assert.equal(formatLeaseID(255n), "00000000000000ff");
});

test("a table has centred headings in capitals and cells to the right", () => {
  assert.equal(
    formatTable(["ID", "is_learner"], [["8e9e05c52164694d", "false"]]),
    [
      "+------------------+------------+",
      "|        ID        | IS LEARNER |",
      "+------------------+------------+",
      "| 8e9e05c52164694d |      false |",
      "+------------------+------------+",
      "",
    ].join("\n"),
  );
});
