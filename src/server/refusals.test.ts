/** What a member must not go on with: entries it cannot apply, data it cannot be the member of. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { InternalRaftRequest, RequestHeader } from "../api/gen/raft-internal.ts";
import { EntryType } from "../api/gen/raft.ts";
import { FaultDisk } from "../env/testing/index.ts";
import { TestMember } from "./testing/test-member.ts";

test("an entry that this version cannot apply stops the member instead of being skipped", async () => {
  const member = new TestMember(new FaultDisk());
  await member.start();
  let reason: Error | undefined;
  void member.server.failed.then((error) => {
    reason = error;
  });
  // An empty message as field 1999, behind a header.
  const header = InternalRaftRequest.create({ header: RequestHeader.create({ ID: 1n }) });
  const data = Buffer.concat([InternalRaftRequest.encode(header), Uint8Array.of(0xfa, 0x7c, 0)]);
  const entry = { type: EntryType.EntryNormal, term: 0, index: 0, data };
  member.server.raft.node.propose([entry]);
  const { appliedIndex } = member.server;
  member.server.flush();
  await member.until(() => reason !== undefined);
  assert.match(reason?.message ?? "", /cannot apply \(field 1999\)/);
  assert.equal(member.server.appliedIndex, appliedIndex, "it does not count as applied");
});
