import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { latin1 } from "../api/bytes.ts";
import { bytesOfParam, paramOf, parseRoute, routeHref } from "./router.ts";

test("an address names a page and its parameters", () => {
  const { page, params } = parseRoute("#/keys?key=/a/b&x=1");
  assert.equal(page, "keys");
  assert.deepEqual(
    [...params],
    [
      ["key", "/a/b"],
      ["x", "1"],
    ],
  );
  assert.equal(parseRoute("").page, "");
  assert.equal(routeHref("keys", { key: "a b", none: "", missing: undefined }), "#/keys?key=a+b");
});

test("any bytes go through an address", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const href = routeHref("keys", { key: paramOf(bytes) });
      const { params } = parseRoute(href);
      assert.equal(latin1(bytesOfParam(params.get("key") ?? "")), latin1(bytes));
    }),
  );
});
