import assert from "node:assert/strict";
import { test } from "node:test";
import { NodeHostNames } from "./node-host-names.ts";

test("addresses stand for themselves, and what is no name has none", async () => {
  const names = new NodeHostNames();
  assert.equal(await names.lookup("127.0.0.1"), "127.0.0.1");
  assert.equal(await names.lookup("::1"), "::1");
  await assert.rejects(names.lookup(""), { message: "lookup : no such host" });
});
