import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOfText, textOfBytes } from "./raw-text.ts";

test("bytes that are no UTF-8 survive as text", () => {
  for (let i = 0; i < 256; i++) {
    const bytes = Buffer.of(0x61, i, 0xc3, 0xa9, i);
    assert.ok(bytes.equals(bytesOfText(textOfBytes(bytes))), `byte ${i}`);
  }
});
