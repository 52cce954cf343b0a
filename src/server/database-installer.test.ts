/**
 * A lagging replica takes over the leader's db while it serves: what each part shows afterwards,
 * what running reads, jobs and watches see of the switch, and what is refused.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultDisk } from "../env/testing/index.ts";
import { deleteRequest, putRequest } from "../mvcc/testing/harness.ts";
import { UnfitDatabaseError } from "./database-installer.ts";
import { type Operation, Replica } from "./testing/replica.ts";

function put(key: string, value: string, lease = 0n): Operation {
  return { kind: "put", request: putRequest(key, value, { lease }) };
}

/** A leader and a follower that has applied the first operations only. */
async function leaderAndFollower(
  common: readonly Operation[],
  missed: readonly Operation[],
): Promise<{ leader: Replica; follower: Replica }> {
  const leader = await Replica.open(new FaultDisk());
  const follower = await Replica.open(new FaultDisk());
  for (const operation of common) {
    leader.apply(operation);
    follower.apply(operation);
  }
  for (const operation of missed) leader.apply(operation);
  return { leader, follower };
}

test("every part of the follower shows the leader's state, in memory and after a restart", async () => {
  const { leader, follower } = await leaderAndFollower(
    [
      { kind: "addMember", id: 2n },
      { kind: "addMember", id: 3n },
      { kind: "grant", id: 7n, ttl: 60 },
      { kind: "grant", id: 8n, ttl: 60 },
      put("a", "1", 7n),
      put("b", "1", 8n),
      { kind: "alarm", id: 3n, type: 1, raise: true },
    ],
    [
      { kind: "removeMember", id: 3n },
      { kind: "addMember", id: 4n },
      { kind: "revoke", id: 8n },
      { kind: "grant", id: 9n, ttl: 100 },
      { kind: "checkpoint", id: 9n, remainingTTL: 40 },
      put("a", "2", 9n),
      put("c", "1"),
      { kind: "delete", request: deleteRequest("c") },
      { kind: "compact", revision: 4 },
      { kind: "alarm", id: 3n, type: 1, raise: false },
      { kind: "alarm", id: 4n, type: 2, raise: true },
      { kind: "version", version: "3.6.0" },
    ],
  );
  const alarms: string[] = [];
  follower.alarms.onChange = (member, raised) => alarms.push(`${member.memberID} ${raised}`);
  await follower.install(await leader.image(), leader.index);
  assert.deepEqual(follower.describe(), leader.describe());
  assert.deepEqual(alarms, ["3 false", "4 true"]);
  assert.equal(follower.lessor.leaseOf("a"), 9n);
  assert.equal(follower.lessor.isPrimary, false);
  assert.deepEqual(follower.disk.readDirectory("/snap"), ["db"]);
  follower.apply(put("d", "1"));
  leader.apply(put("d", "1"));
  await follower.close();
  const restarted = await Replica.open(follower.disk);
  assert.deepEqual(restarted.describe(), leader.describe());
  await restarted.close();
  await leader.close();
});

test("a db that is older than its snapshot is refused, and nothing has changed", async () => {
  const { leader, follower } = await leaderAndFollower([put("a", "1")], [put("a", "2")]);
  const before = follower.describe();
  const image = await leader.image();
  await assert.rejects(follower.install(image, leader.index + 1), UnfitDatabaseError);
  assert.deepEqual(follower.describe(), before);
  follower.apply(put("a", "2"));
  assert.deepEqual(follower.describe(), leader.describe());
  await follower.close();
  await leader.close();
});
