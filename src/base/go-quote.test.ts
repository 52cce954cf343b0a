import assert from "node:assert/strict";
import { test } from "node:test";
import { quote, quoteList, readGoString } from "./go-quote.ts";
import { textOfBytes } from "./raw-text.ts";

test("strings are quoted as %q does", () => {
  const rows: [string | Uint8Array, string][] = [
    ["plain", '"plain"'],
    ['a"b\\c', '"a\\"b\\\\c"'],
    ["\t\n\x07\x01\x7f", '"\\t\\n\\a\\x01\\x7f"'],
    ["é中😀", '"é中😀"'],
    ["\u00a0\u2028\u200b", '"\\u00a0\\u2028\\u200b"'],
    [Uint8Array.of(0xff, 0x61, 0xc3), '"\\xffa\\xc3"'],
  ];
  for (const [value, expected] of rows) assert.equal(quote(value), expected);
});

test("every control byte is escaped as %q does, and lists stand in brackets", () => {
  assert.equal(quote('a"b\\c\n\x01\x7fé'), '"a\\"b\\\\c\\n\\x01\\x7fé"');
  assert.equal(quoteList(["a", "b"]), '["a" "b"]');
});

test("a quoted string reads back as what it was", () => {
  for (const text of [
    "",
    "a b",
    'q"\\',
    "é\u0001😀",
    textOfBytes(Uint8Array.of(0xff, 0x80, 0x41)),
  ]) {
    const quoted = quote(text);
    assert.deepEqual(readGoString(`${quoted} rest`), { value: text, length: quoted.length });
  }
  assert.equal(readGoString("bare"), undefined);
  assert.equal(readGoString('"open'), undefined);
  assert.equal(readGoString('"\\400"'), undefined);
});
