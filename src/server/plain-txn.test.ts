/** Compare-and-put transactions, which the proposing member applies without decoding them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AuthEnableRequest,
  AuthRoleAddRequest,
  AuthUserAddRequest,
  AuthUserGrantRoleRequest,
  Compare,
  Compare_CompareResult,
  Compare_CompareTarget,
  PutRequest,
  RangeRequest,
  TxnRequest,
  TxnResponse,
} from "../api/gen/rpc.ts";
import { METHOD } from "../api/rpc-table.ts";
import { FaultDisk } from "../env/testing/index.ts";
import { FakeUnaryCall } from "./testing/fake-call.ts";
import { TestCluster } from "./testing/test-cluster.ts";
import { TestMember } from "./testing/test-member.ts";

const key = Buffer.from("lock");

/** Takes the key if nobody has it, and otherwise reads who has. */
function acquire(owner: string, lease = 0n): Uint8Array {
  const isFree = Compare.create({
    key,
    target: Compare_CompareTarget.CREATE,
    result: Compare_CompareResult.EQUAL,
    targetUnion: { case: "createRevision", value: 0 },
  });
  const put = PutRequest.create({ key, value: Buffer.from(owner), lease });
  return TxnRequest.encode(
    TxnRequest.create({
      compare: [isFree],
      success: [{ request: { case: "requestPut", value: put } }],
      failure: [{ request: { case: "requestRange", value: RangeRequest.create({ key }) } }],
    }),
  );
}

function answerOf({ failure, answer }: FakeUnaryCall): TxnResponse {
  assert.equal(failure, undefined);
  return TxnResponse.decode(answer ?? Buffer.alloc(0));
}

function ownerIn({ responses }: TxnResponse): string | undefined {
  const [response] = responses;
  if (response?.response?.case !== "responseRange") return undefined;
  return Buffer.from(response.response.value.kvs[0]?.value ?? []).toString();
}

test("of several who want a key through all members one gets it, and the others see who", async () => {
  const cluster = new TestCluster(["m1", "m2", "m3"]);
  await cluster.start();
  const names = ["first", "second", "third"];
  const calls = cluster.members.map((each, i) => each.call(METHOD.Txn, acquire(names[i]!)));
  await cluster.until(() => calls.every((call) => call.answered));
  const answers = calls.map(answerOf);
  const winner = answers.findIndex(({ succeeded }) => succeeded);
  for (const [i, answer] of answers.entries()) {
    assert.equal(answer.succeeded, i === winner);
    assert.equal(answer.header?.revision, 2);
    assert.equal(ownerIn(answer), i === winner ? undefined : names[winner]);
  }
  await cluster.until(() =>
    cluster.members.every(({ server }) => server.store.currentRevision === 2),
  );
  const seen = await Promise.all(cluster.members.map((each) => each.everything()));
  for (const { kvs } of seen) assert.deepEqual(kvs, seen[0]!.kvs);
  assert.equal(Buffer.from(seen[0]!.kvs[0]!.value).toString(), names[winner]);
  await cluster.stop();
});

test("the log shows such a transaction as any other, done or failed", async () => {
  const member = new TestMember(new FaultDisk());
  await member.start();
  member.logger.lines.length = 0;
  const calls = [member.call(METHOD.Txn, acquire("me")), member.call(METHOD.Txn, acquire("you"))];
  await member.until(() => calls.every((call) => call.answered));
  const text =
    'compare:<target:CREATE key:"lock" > success:<request_put:<key:"lock" value_size:2 >> ' +
    'failure:<request_range:<key:"lock" > >';
  const told = member.logger.lines.filter(({ message }) => message === "request stats");
  assert.deepEqual(
    told.map(({ fields }) => [fields["request count"], fields["request content"]]),
    [
      [1, text],
      [1, text.replace("size:2", "size:3")],
    ],
  );
  await member.stop();
});

test("it is refused where authentication was enabled before it in the log", async () => {
  const member = new TestMember(new FaultDisk());
  await member.start();
  const steps: [number, Uint8Array][] = [
    [
      METHOD.UserAdd,
      AuthUserAddRequest.encode(AuthUserAddRequest.create({ name: "root", password: "p" })),
    ],
    [METHOD.RoleAdd, AuthRoleAddRequest.encode({ name: "root" })],
    [METHOD.UserGrantRole, AuthUserGrantRoleRequest.encode({ user: "root", role: "root" })],
  ];
  for (const [method, body] of steps) {
    const call = member.call(method, body);
    await member.until(() => call.answered);
    assert.equal(call.failure, undefined);
  }
  const enable = new FakeUnaryCall(METHOD.AuthEnable, AuthEnableRequest.encode({}));
  const txn = new FakeUnaryCall(METHOD.Txn, acquire("nobody"));
  member.server.rpc.unary([enable, txn]);
  await member.until(() => enable.answered && txn.answered);
  assert.equal(enable.failure, undefined);
  assert.match(txn.failure?.message ?? "answered", /user name is empty/);
  assert.equal(member.server.store.currentRevision, 1);
  await member.stop();
});
