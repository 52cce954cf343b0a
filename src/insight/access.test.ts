/** The explained answer is the server's, for whatever roles grant and requests ask. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KeyRangeSet } from "../auth/index.ts";
import { type AccessQuestion, explainAccess, type Grant } from "./access.ts";
import { prefixSpan } from "./key-span.ts";

const text = fc.string({ unit: fc.constantFrom("a", "b", "\0", "\xff"), maxLength: 3 });
const span = fc.record({ begin: text, end: text });
const grant = fc.record({
  role: fc.constantFrom("r", "s"),
  access: fc.constantFrom<Grant["access"]>("read", "write", "readwrite"),
  span,
});

test("who may do what is decided as the server decides it", () => {
  fc.assert(
    fc.property(fc.array(grant, { maxLength: 6 }), span, (grants, asked) => {
      const readable = grants.filter(({ access }) => access !== "write").map((each) => each.span);
      const answer = explainAccess({
        ...{ isAuthEnabled: true, roles: ["r", "s"], grants },
        ...{ access: "read", span: asked },
      });
      assert.equal(answer.allowed, new KeyRangeSet(readable).covers(asked));
    }),
    { numRuns: 2000, seed: 7 },
  );
});

const ALICE: AccessQuestion = {
  isAuthEnabled: true,
  roles: ["apps", "tools"],
  grants: [
    { role: "apps", access: "readwrite", span: prefixSpan("/apps/a") },
    { role: "tools", access: "read", span: prefixSpan("/apps/b") },
    { role: "tools", access: "write", span: prefixSpan("/apps/c") },
  ],
  access: "read",
  span: prefixSpan("/apps/a/1"),
};

test("the answer names the grants, joined where they touch", () => {
  assert.deepEqual(explainAccess(ALICE), {
    allowed: true,
    because: "granted",
    by: [ALICE.grants[0]],
  });
  const both = explainAccess({ ...ALICE, span: { begin: "/apps/a", end: "/apps/c" } });
  assert.deepEqual(both, { allowed: true, because: "granted", by: ALICE.grants.slice(0, 2) });
});

test("a refusal names the first key that is missing, and grants of the other access", () => {
  const answer = explainAccess({ ...ALICE, span: { begin: "/apps/b/x", end: "/apps/d" } });
  assert.deepEqual(answer, {
    allowed: false,
    because: "notGranted",
    missing: "/apps/c",
    otherAccess: [ALICE.grants[2]],
    by: [ALICE.grants[1]],
  });
});

test("root, unknown users and authentication that is off have answers of their own", () => {
  const because = (more: Partial<AccessQuestion>): string =>
    explainAccess({ ...ALICE, ...more }).because;
  assert.equal(because({ roles: ["root"], grants: [] }), "root");
  assert.equal(because({ roles: undefined }), "noSuchUser");
  assert.equal(because({ roles: [] }), "noRoles");
  assert.equal(because({ isAuthEnabled: false, roles: [] }), "authOff");
  assert.equal(because({ span: { begin: "", end: "" } }), "emptyKey");
});
