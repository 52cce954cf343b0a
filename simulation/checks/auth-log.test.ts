import assert from "node:assert/strict";
import { test } from "node:test";
import { NOBODY } from "../../src/auth/identity.ts";
import { RaftField } from "../../src/server/log/raft-request.ts";
import { AuthLog } from "./auth-log.ts";

const REVOKE = 5;

/** Authentication is on, and nobody in particular, who came before that, revokes a lease. */
function revokedByNobody(): AuthLog {
  const log = new AuthLog(() => 0);
  const requests: readonly [number, unknown][] = [
    [RaftField.authUserAdd, { name: "root" }],
    [RaftField.authUserGrantRole, { user: "root", role: "root" }],
    [RaftField.authEnable, {}],
    [RaftField.leaseRevoke, { ID: 1n }],
  ];
  requests.forEach(([field, request], i) => {
    log.begins(i + REVOKE - requests.length + 1, { field, request, identity: NOBODY });
  });
  return log;
}

function violations(log: AuthLog): string[] {
  const told: string[] = [];
  const run = { acknowledged: [], operations: [], userOf: () => undefined };
  log.judge(run, (message) => told.push(message));
  return told;
}

test("a lease that nobody in particular revokes may hold keys, and is then refused", () => {
  for (const outcome of [undefined, "userEmpty"] as const) {
    const log = revokedByNobody();
    for (const member of ["m1", "m2"]) log.applied(member, REVOKE, outcome);
    assert.deepEqual(violations(log), []);
  }
});

test("but all members must make the same of it", () => {
  const log = revokedByNobody();
  log.applied("m1", REVOKE, "userEmpty");
  log.applied("m2", REVOKE, undefined);
  assert.deepEqual(violations(log), ["m2 applied entry 5: allowed; the log says: userEmpty"]);
});

test("and nobody is refused for another reason", () => {
  const log = revokedByNobody();
  log.applied("m1", REVOKE, "permissionDenied");
  assert.deepEqual(violations(log), [
    "m1 applied entry 5: permissionDenied; the log says: allowed",
  ]);
});
