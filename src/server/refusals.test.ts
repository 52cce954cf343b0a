/** What a member must not go on with: entries it cannot apply, data it cannot be the member of. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { InternalRaftRequest, RequestHeader } from "../api/gen/raft-internal.ts";
import { EntryType } from "../api/gen/raft.ts";
import { AuthEnableRequest } from "../api/gen/rpc.ts";
import { AUTH_BUCKET } from "../backend/types.ts";
import { bytesFromUtf8 } from "../base/bytes.ts";
import { FaultDisk } from "../env/testing/index.ts";
import { TestMember } from "./testing/test-member.ts";

test("an entry that this version cannot apply stops the member instead of being skipped", async () => {
  const member = new TestMember(new FaultDisk());
  await member.start();
  let reason: Error | undefined;
  void member.server.failed.then((error) => {
    reason = error;
  });
  const data = InternalRaftRequest.encode(
    InternalRaftRequest.create({
      header: RequestHeader.create({ ID: 1n }),
      authEnable: AuthEnableRequest.create(),
    }),
  );
  const entry = { type: EntryType.EntryNormal, term: 0, index: 0, data };
  member.server.raft.node.propose([entry]);
  const { appliedIndex } = member.server;
  member.server.flush();
  await member.until(() => reason !== undefined);
  assert.match(reason?.message ?? "", /cannot apply \(field 1000\)/);
  assert.equal(member.server.appliedIndex, appliedIndex, "it does not count as applied");
});

test("a directory with authentication enabled is refused", async () => {
  const disk = new FaultDisk();
  const member = new TestMember(disk);
  await member.start();
  member.server.backend.put(AUTH_BUCKET, bytesFromUtf8("authEnabled"), Uint8Array.of(1));
  await member.stop();
  await assert.rejects(new TestMember(disk).start(), /authentication is enabled/);
});
