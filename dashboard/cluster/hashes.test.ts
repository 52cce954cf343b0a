import assert from "node:assert/strict";
import { test } from "node:test";
import { hashVerdict, type MemberHash } from "./hashes.ts";

const told = (hash: number, compactRevision = 1): MemberHash => {
  return { kind: "told", name: "m", hash, compactRevision };
};
const failed: MemberHash = { kind: "failed", name: "m", reason: "no answer" };

test("hashes are compared where they are about the same", () => {
  const kind = (...hashes: readonly MemberHash[]): string => hashVerdict(hashes, 9).kind;
  assert.equal(kind(told(1), told(1), told(1)), "success");
  assert.equal(kind(told(1), told(1), told(2)), "error");
  assert.equal(kind(told(1), told(2, 5)), "warning");
  assert.equal(kind(told(1), told(1), failed), "warning");
  assert.equal(kind(told(1), told(2), failed), "error");
  assert.equal(kind(told(1)), "success");
});
