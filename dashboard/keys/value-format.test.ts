import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { utf8 } from "../api/bytes.ts";
import { highlight } from "./highlight.ts";
import {
  bytesOf,
  formatted,
  guessFormat,
  indentedJson,
  problemOf,
  sizeText,
} from "./value-format.ts";

test("the form of a value is seen in its bytes", () => {
  assert.equal(guessFormat(utf8('{"a":[1,2]}')), "json");
  assert.equal(guessFormat(utf8('{"a":')), "text");
  assert.equal(guessFormat(utf8("name: a\nlist:\n  - 1\n")), "yaml");
  assert.equal(guessFormat(utf8("Note: this is prose\nin two lines.")), "text");
  assert.equal(guessFormat(utf8("42")), "text");
  assert.equal(guessFormat(Uint8Array.of(0xff, 0)), "hex");
  assert.equal(guessFormat(utf8("a\0b")), "hex");
  assert.equal(guessFormat(new Uint8Array(0)), "text");
});

test("hex and text are read back as the bytes that they show", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const hex = formatted(bytes, "hex") ?? "";
      assert.equal(problemOf("hex", hex), undefined);
      assert.deepEqual(bytesOf("hex", hex), bytes);
    }),
  );
  assert.equal(formatted(Uint8Array.of(0xff), "text"), undefined);
  assert.match(problemOf("hex", "4") ?? "", /two digits/);
  assert.match(problemOf("hex", "4g") ?? "", /digits 0 to 9/);
});

test("JSON gets a line for each member, and keeps what JavaScript would change", () => {
  const text = '{"big":12345678901234567890,"a":{},"b":[1,[ ],"x: {y}, \\" z"],"a":1e400}';
  const indented = indentedJson(text);
  assert.equal(
    indented,
    [
      "{",
      '  "big": 12345678901234567890,',
      '  "a": {},',
      '  "b": [',
      "    1,",
      "    [],",
      '    "x: {y}, \\" z"',
      "  ],",
      '  "a": 1e400',
      "}",
    ].join("\n"),
  );
  fc.assert(
    fc.property(fc.json(), (json) => {
      assert.deepEqual(JSON.parse(indentedJson(json)), JSON.parse(json));
    }),
  );
});

test("colours cut a text and change nothing of it", () => {
  fc.assert(
    fc.property(fc.constantFrom("json", "yaml"), fc.string({ unit: "binary" }), (format, text) => {
      const pieces = highlight(format as "json", text);
      assert.equal(pieces.map((piece) => piece.text).join(""), text);
    }),
  );
  const kinds = (format: "json" | "yaml", text: string): string[] =>
    highlight(format, text)
      .filter(({ kind }) => kind !== "plain" && kind !== "mark")
      .map((piece) => `${piece.kind} ${piece.text}`);
  assert.deepEqual(kinds("json", '{"a": "b", "c": [-1.5e3, true]}'), [
    ...['name "a"', 'text "b"', 'name "c"', "number -1.5e3", "word true"],
  ]);
  assert.deepEqual(
    kinds("yaml", "# all\nname: web-1\nports:\n  - 80 # http\non: true\nurl: 'a: b'"),
    [
      ...["comment # all", "name name", "name ports", "number 80", "comment # http"],
      ...["name on", "word true", "name url", "text 'a: b'"],
    ],
  );
});

test("sizes are said in three figures", () => {
  const sizes = [0, 1, 999, 1000, 1500, 99_499, 999_499, 999_999, 1_500_000, 2e9];
  assert.deepEqual(sizes.map(sizeText), [
    ...["0 bytes", "1 byte", "999 bytes", "1.0 kB", "1.5 kB", "99 kB", "999 kB", "1.0 MB"],
    ...["1.5 MB", "2.0 GB"],
  ]);
});
