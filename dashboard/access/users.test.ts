import assert from "node:assert/strict";
import { test } from "node:test";
import { permissionOf, spanText } from "./users.ts";

const shown = (key: string, rangeEnd?: string): string =>
  spanText(
    permissionOf("r", {
      key: btoa(key),
      ...(rangeEnd === undefined ? {} : { range_end: btoa(rangeEnd) }),
    }),
  );

test("what a role grants is told in words", () => {
  assert.equal(shown("/a"), "/a");
  assert.equal(shown("/a/", "/a0"), "/a/*");
  assert.equal(shown("/a", "/c"), "/a up to /c");
  assert.equal(shown("/a", "\0"), "/a and all behind it");
  assert.equal(shown("\0", "\0"), "all keys");
  assert.equal(shown("\n<b>\xff"), "\\x0a<b>\\xff");
  assert.equal(permissionOf("r", { key: "" }).access, "read");
});
