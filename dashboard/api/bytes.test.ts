import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromBase64, latin1, parseShown, shownText, toBase64, utf8 } from "./bytes.ts";

test("what is shown of a key is one line, and is read back as the same bytes", () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), fc.string({ unit: "binary" }).map(utf8)), (bytes) => {
      const shown = shownText(bytes);
      assert.ok(!/[\r\n]/.test(shown));
      assert.equal(latin1(parseShown(shown)), latin1(bytes));
    }),
  );
});

test("text stays text, and what would hide is escaped", () => {
  assert.equal(shownText(utf8("/grüße/🙂")), "/grüße/🙂");
  assert.equal(shownText(utf8("a\nb\tc\\d")), "a\\nb\\tc\\\\d");
  assert.equal(shownText(utf8("user\u202etxt.exe")), "user\\u202etxt.exe");
  assert.equal(shownText(Uint8Array.of(0x61, 0xff, 0)), "a\\xff\\x00");
  assert.equal(latin1(parseShown("C:\\dir")), "C:\\dir");
});

test("base64 of large values and of none", () => {
  const large = Uint8Array.from({ length: 1_500_000 }, (_, i) => i * 7);
  assert.deepEqual(fromBase64(toBase64(large)), large);
  assert.equal(fromBase64(undefined).length, 0);
});
