/**
 * A disk that is full, or broken: writes are refused in clear words, nothing that was acknowledged
 * is lost, and the member works again once there is space. After a failed sync it stops for good.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ERRORS } from "../api/errors.ts";
import { RangeRequest } from "../api/gen/rpc.ts";
import { METHOD } from "../api/rpc-table.ts";
import { FaultDisk } from "../env/testing/index.ts";
import { TestMember } from "./testing/test-member.ts";

async function startMember(): Promise<{ disk: FaultDisk; member: TestMember }> {
  const disk = new FaultDisk();
  const member = new TestMember(disk);
  await member.start();
  return { disk, member };
}

test("a full disk under the WAL refuses new writes, keeps those in flight, and recovers", async () => {
  const { disk, member } = await startMember();
  const before = member.put("before", "1");
  await member.until(() => before.answered);

  const endFault = disk.failWhen({
    operation: "write",
    path: ".wal",
    code: "ENOSPC",
    times: Number.POSITIVE_INFINITY,
    keepBytes: 10,
  });
  const inFlight = member.put("in flight", "2");
  await member.until(() => member.server.refusal !== undefined);
  const refused = member.put("refused", "3");
  assert.deepEqual(refused.failure, ERRORS.noSpace);
  assert.equal(inFlight.answered, false, "nothing is acknowledged that is not on disk");

  endFault();
  await member.until(() => inFlight.answered && member.server.refusal === undefined);
  assert.ok(inFlight.answer !== undefined, "the write in flight went through in the end");
  const after = member.put("after", "4");
  await member.until(() => after.answered);
  await member.stop();

  const restarted = new TestMember(disk);
  await restarted.start();
  const { kvs } = await restarted.everything();
  assert.deepEqual(
    kvs.map((kv) => Buffer.from(kv.key).toString()),
    ["after", "before", "in flight"],
  );
  await restarted.stop();
});

test("a full disk under the db file keeps serving from memory and writes it later", async () => {
  const { disk, member } = await startMember();
  const endFault = disk.failWhen({
    operation: "write",
    path: "/db",
    code: "ENOSPC",
    times: Number.POSITIVE_INFINITY,
  });
  const puts = Array.from({ length: 50 }, (_, i) => member.put(`key ${i}`, "v".repeat(1000)));
  await member.until(() => puts.every((put) => put.answered));
  assert.ok(puts.every((put) => put.answer !== undefined));
  assert.equal((await member.everything()).kvs.length, 50);

  endFault();
  let isCommitted = false;
  await member.until(() => {
    member.server.backend.commit().then(
      () => {
        isCommitted = true;
      },
      () => undefined,
    );
    return isCommitted;
  });
  await member.stop();
  const restarted = new TestMember(disk);
  await restarted.start();
  assert.equal((await restarted.everything()).kvs.length, 50);
  await restarted.stop();
});

test("a failed sync of the WAL stops the member, and the write is not acknowledged", async () => {
  const { disk, member } = await startMember();
  disk.failWhen({ operation: "datasync", path: ".wal", code: "EIO" });
  let reason: Error | undefined;
  void member.server.failed.then((error) => {
    reason = error;
  });
  const put = member.put("key", "value");
  await member.until(() => reason !== undefined);
  assert.match(reason?.message ?? "", /input\/output error/);
  assert.equal(put.answer, undefined);
  const refused = member.put("later", "value");
  assert.deepEqual(refused.failure, ERRORS.stopped);
});

test("writes that a hanging disk keeps waiting are bounded; more are refused, reads go on", async () => {
  const { disk, member } = await startMember();
  disk.hold = true;
  const value = "v".repeat(1_000_000);
  const puts = Array.from({ length: 400 }, (_, i) => member.put(`key ${i}`, value));
  const refused = puts.filter((put) => put.failure !== undefined);
  assert.ok(refused.length > 100 && refused.length < 200, `${refused.length} were refused`);
  assert.deepEqual(refused[0]?.failure, ERRORS.tooManyRequests);
  const request = RangeRequest.create({ key: Buffer.from("key 0"), serializable: true });
  const read = member.call(METHOD.Range, RangeRequest.encode(request));
  await member.until(() => read.answered);
  assert.ok(read.answer !== undefined, "reads go on");
});
