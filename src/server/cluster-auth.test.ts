/** Authentication in a cluster: one set of users and tokens, whichever member is asked. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { StatusCode } from "../api/errors.ts";
import { Permission, Permission_Type } from "../api/gen/auth.ts";
import {
  AuthenticateRequest,
  AuthenticateResponse,
  AuthEnableRequest,
  AuthRoleAddRequest,
  AuthRoleGetRequest,
  AuthRoleGrantPermissionRequest,
  AuthRoleListRequest,
  AuthRoleRevokePermissionRequest,
  AuthStatusRequest,
  AuthUserAddRequest,
  AuthUserChangePasswordRequest,
  AuthUserDeleteRequest,
  AuthUserGetRequest,
  AuthUserGrantRoleRequest,
  AuthUserListRequest,
  LeaseGrantRequest,
  MemberAddRequest,
  MemberAddResponse,
  MemberListRequest,
  PutRequest,
  RangeRequest,
  RangeResponse,
  TxnRequest,
  WatchCreateRequest,
  WatchRequest,
  WatchResponse,
} from "../api/gen/rpc.ts";
import { METHOD } from "../api/rpc-table.ts";
import type { TokenSigner } from "../env/index.ts";
import { AUTH_USERS_BUCKET, openBackend } from "../backend/index.ts";
import { FaultDisk } from "../env/testing/index.ts";
import { FakeStreamCall, FakeUnaryCall } from "./testing/fake-call.ts";
import { TestCluster } from "./testing/test-cluster.ts";
import { TEST_OPTIONS, TestMember } from "./testing/test-member.ts";

/** What members of a cluster and a lone member have in common. */
interface World {
  until(condition: () => boolean): Promise<void>;
}

const KEY = Buffer.from("a");

async function ask(
  world: World,
  member: TestMember,
  method: number,
  body: Uint8Array,
  token?: string,
): Promise<FakeUnaryCall> {
  const call = new FakeUnaryCall(method, body, token === undefined ? {} : { token });
  member.server.rpc.unary([call]);
  await world.until(() => call.answered);
  return call;
}

async function answer(...given: Parameters<typeof ask>): Promise<Uint8Array> {
  const call = await ask(...given);
  assert.equal(call.failure, undefined);
  assert.ok(call.answer);
  return call.answer;
}

async function login(world: World, member: TestMember, name: string): Promise<string> {
  const body = AuthenticateRequest.encode(
    AuthenticateRequest.create({ name, password: `${name}'s` }),
  );
  const { token } = AuthenticateResponse.decode(
    await answer(world, member, METHOD.Authenticate, body),
  );
  return token;
}

const addUser = (name: string) =>
  AuthUserAddRequest.encode(AuthUserAddRequest.create({ name, password: `${name}'s` }));
const permission = Permission.create({ permType: Permission_Type.READWRITE, key: KEY });

/** root, and alice who may read and write the key. */
async function enableAuth(world: World, member: TestMember): Promise<void> {
  const steps: readonly (readonly [number, Uint8Array])[] = [
    [METHOD.UserAdd, addUser("root")],
    [METHOD.RoleAdd, AuthRoleAddRequest.encode({ name: "root" })],
    [METHOD.UserGrantRole, AuthUserGrantRoleRequest.encode({ user: "root", role: "root" })],
    [METHOD.UserAdd, addUser("alice")],
    [METHOD.RoleAdd, AuthRoleAddRequest.encode({ name: "writer" })],
    [
      METHOD.RoleGrantPermission,
      AuthRoleGrantPermissionRequest.encode({ name: "writer", perm: permission }),
    ],
    [METHOD.UserGrantRole, AuthUserGrantRoleRequest.encode({ user: "alice", role: "writer" })],
    [METHOD.AuthEnable, AuthEnableRequest.encode({})],
  ];
  for (const [method, body] of steps) await answer(world, member, method, body);
}

const putKey = PutRequest.encode(PutRequest.create({ key: KEY, value: KEY }));
const rangeKey = RangeRequest.encode(RangeRequest.create({ key: KEY }));
const revokeWriting = AuthRoleRevokePermissionRequest.encode(
  AuthRoleRevokePermissionRequest.create({ role: "writer", key: KEY }),
);

test("a token that one member gave out is good at all of them, also before they know it", async () => {
  const cluster = new TestCluster(["m1", "m2", "m3"]);
  await cluster.start();
  const leader = cluster.leader();
  const other = cluster.members.find((member) => member !== leader);
  assert.ok(other);
  await enableAuth(cluster, leader);
  await cluster.until(() => other.server.auth.store.enabled);
  assert.deepEqual((await ask(cluster, other, METHOD.Put, putKey)).failure, {
    code: StatusCode.INVALID_ARGUMENT,
    message: "etcdserver: user name is empty",
  });

  // It hears nothing while alice logs in at the leader, and then of the token before the login.
  cluster.pause(other);
  const token = await login(cluster, leader, "alice");
  await answer(cluster, leader, METHOD.Put, putKey, token);
  const early = new FakeUnaryCall(METHOD.Range, rangeKey, { token });
  other.server.rpc.unary([early]);
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(early.answered, false);
  cluster.resume(other, "messages");
  await cluster.until(() => early.answered);
  assert.equal(early.failure, undefined);
  assert.equal(RangeResponse.decode(early.answer ?? KEY).kvs.length, 1);

  const made = await ask(cluster, other, METHOD.Range, rangeKey, `${token.slice(0, 16)}.999999`);
  assert.equal(made.failure?.message, "etcdserver: invalid auth token");
  await cluster.stop();
});

test("users survive a restart, and tokens do not", async () => {
  const member = new TestMember(new FaultDisk());
  await member.start();
  await enableAuth(member, member);
  const token = await login(member, member, "alice");
  await answer(member, member, METHOD.Put, putKey, token);
  await member.stop();
  await member.start();
  const old = await ask(member, member, METHOD.Range, rangeKey, token);
  assert.equal(old.failure?.message, "etcdserver: invalid auth token");
  const fresh = await login(member, member, "alice");
  assert.equal(
    RangeResponse.decode(await answer(member, member, METHOD.Range, rangeKey, fresh)).count,
    1,
  );
  await member.stop();
});

test("a member that received the database has the users in it", async () => {
  const cluster = new TestCluster(["m1", "m2", "m3"], { snapshotCount: 10, catchUpEntries: 1 });
  await cluster.start();
  const leader = cluster.leader();
  await enableAuth(cluster, leader);
  const root = await login(cluster, leader, "root");
  for (let i = 0; i < 40; i++) await answer(cluster, leader, METHOD.Put, putKey, root);
  const member = MemberAddRequest.encode(
    MemberAddRequest.create({ peerURLs: ["http://m4:2380"], isLearner: true }),
  );
  // Refused until the members have been connected for a while.
  let added = await ask(cluster, leader, METHOD.MemberAdd, member, root);
  while (added.failure?.code === StatusCode.UNAVAILABLE) {
    added = await ask(cluster, leader, METHOD.MemberAdd, member, root);
  }
  assert.equal(MemberAddResponse.decode(added.answer ?? KEY).members.length, 4);
  await cluster.until(() =>
    cluster.members.every(({ server }) => server.cluster.members.length === 4),
  );
  const late = cluster.add("m4", "existing");
  await late.start();
  assert.equal(late.server.auth.store.enabled, true);
  const serializable = RangeRequest.encode(RangeRequest.create({ key: KEY, serializable: true }));
  const refused = await ask(cluster, late, METHOD.Range, serializable);
  assert.equal(refused.failure?.message, "etcdserver: user name is empty");
  const token = await login(cluster, leader, "alice");
  const read = await answer(cluster, late, METHOD.Range, serializable, token);
  assert.equal(RangeResponse.decode(read).count, 1);
  await cluster.stop();
});

test("a watch ends when its user may not read any more, and a write is refused from then on", async () => {
  const member = new TestMember(new FaultDisk());
  await member.start();
  await enableAuth(member, member);
  const root = await login(member, member, "root");
  const token = await login(member, member, "alice");
  const watch = new FakeStreamCall(METHOD.Watch, { token });
  member.server.rpc.stream(watch);
  const value = WatchCreateRequest.create({ key: KEY });
  const requestUnion = { case: "createRequest", value } as const;
  watch.onMessage?.(WatchRequest.encode({ requestUnion }));
  await member.until(() => watch.sent.length === 1);
  await answer(member, member, METHOD.Put, putKey, token);
  await member.until(() => watch.sent.length === 2);

  await answer(member, member, METHOD.RoleRevokePermission, revokeWriting, root);
  await member.until(() => watch.sent.length === 3);
  const [, , last] = watch.sent.map((message) => WatchResponse.decode(message));
  assert.equal(last?.canceled, true);
  const refused = await ask(member, member, METHOD.Put, putKey, token);
  assert.equal(refused.failure?.code, StatusCode.PERMISSION_DENIED);
  await answer(member, member, METHOD.Put, putKey, root);
  await member.until(() => member.server.store.currentRevision === 3);
  assert.equal(watch.sent.length, 3);
  await member.stop();
});

test("a watch whose token has expired is still its user's, until the password changes", async () => {
  const member = new TestMember(new FaultDisk());
  await member.start();
  await enableAuth(member, member);
  const token = await login(member, member, "alice");
  const watch = new FakeStreamCall(METHOD.Watch, { token });
  member.server.rpc.stream(watch);
  const value = WatchCreateRequest.create({ key: KEY });
  watch.onMessage?.(WatchRequest.encode({ requestUnion: { case: "createRequest", value } }));
  await member.until(() => watch.sent.length === 1);
  member.clock.advance(TEST_OPTIONS.simpleTokenTTLMs + 1);
  const old = await ask(member, member, METHOD.Range, rangeKey, token);
  assert.equal(old.failure?.message, "etcdserver: invalid auth token");

  const root = await login(member, member, "root");
  const role = AuthRoleAddRequest.encode({ name: "another" });
  await answer(member, member, METHOD.RoleAdd, role, root);
  await answer(member, member, METHOD.Put, putKey, root);
  await member.until(() => watch.sent.length === 2);
  assert.equal(WatchResponse.decode(watch.sent[1] ?? KEY).events.length, 1);

  const change = AuthUserChangePasswordRequest.create({ name: "alice", password: "new" });
  const body = AuthUserChangePasswordRequest.encode(change);
  await answer(member, member, METHOD.UserChangePassword, body, root);
  await member.until(() => watch.sent.length === 3);
  assert.equal(WatchResponse.decode(watch.sent[2] ?? KEY).canceled, true);
  await member.stop();
});

test("what was proposed under older permissions is refused when it is applied", async () => {
  const cluster = new TestCluster(["m1", "m2", "m3"]);
  await cluster.start();
  const leader = cluster.leader();
  const other = cluster.members.find((member) => member !== leader);
  assert.ok(other);
  await enableAuth(cluster, leader);
  const root = await login(cluster, leader, "root");
  const token = await login(cluster, leader, "alice");
  await cluster.until(() => other.server.auth.store.enabled);
  await answer(cluster, other, METHOD.Range, rangeKey, token);
  // Both are on their way at once; the one that takes the right away is first in the log.
  const revoke = new FakeUnaryCall(METHOD.RoleRevokePermission, revokeWriting, { token: root });
  const put = new FakeUnaryCall(METHOD.Put, putKey, { token });
  leader.server.rpc.unary([revoke]);
  leader.server.rpc.unary([put]);
  await cluster.until(() => revoke.answered && put.answered);
  assert.equal(revoke.failure, undefined);
  assert.match(put.failure?.message ?? "", /revision of auth store is old|permission denied/);
  const { revision } = leader.server.auth.store;
  await cluster.until(() => other.server.auth.store.revision === revision);
  const seen = await answer(cluster, other, METHOD.Range, rangeKey, root);
  assert.equal(RangeResponse.decode(seen).count, 0);
  await cluster.stop();
});

/** Reads that need a right, of some kind each. */
const READS: Readonly<Record<string, readonly [method: number, body: Uint8Array]>> = {
  "a range": [METHOD.Range, rangeKey],
  "a range of many": [
    METHOD.Range,
    RangeRequest.encode(RangeRequest.create({ key: KEY, rangeEnd: Uint8Array.of(0) })),
  ],
  "a transaction": [
    METHOD.Txn,
    TxnRequest.encode(
      TxnRequest.create({
        success: [{ request: { case: "requestRange", value: RangeRequest.create({ key: KEY }) } }],
      }),
    ),
  ],
  users: [METHOD.UserList, AuthUserListRequest.encode({})],
  "a user": [METHOD.UserGet, AuthUserGetRequest.encode({ name: "alice" })],
  roles: [METHOD.RoleList, AuthRoleListRequest.encode({})],
  "a role": [METHOD.RoleGet, AuthRoleGetRequest.encode({ role: "writer" })],
  status: [METHOD.AuthStatus, AuthStatusRequest.encode({})],
  members: [METHOD.MemberList, MemberListRequest.encode({ linearizable: true })],
};

test("a member that has not heard yet that authentication is on tells nobody anything", async () => {
  const cluster = new TestCluster(["m1", "m2", "m3"]);
  await cluster.start();
  const leader = cluster.leader();
  const other = cluster.members.find((member) => member !== leader);
  assert.ok(other);
  await answer(cluster, leader, METHOD.Put, putKey);
  await cluster.until(() => other.server.store.currentRevision === 2);
  cluster.pause(other);
  await enableAuth(cluster, leader);
  const calls = Object.entries(READS).map(([name, [method, body]]) => {
    const call = new FakeUnaryCall(method, body);
    other.server.rpc.unary([call]);
    return { name, call };
  });
  const value = RangeRequest.encode(RangeRequest.create({ key: KEY }));
  const stream = new FakeStreamCall(METHOD.RangeStream);
  other.server.rpc.stream(stream);
  stream.onMessage?.(value);
  cluster.resume(other, "messages");
  await cluster.until(() => calls.every(({ call }) => call.answered));
  await cluster.until(() => stream.status !== undefined);
  for (const { name, call } of calls) {
    const told = call.failure?.message ?? "answered";
    assert.match(told, /user name is empty|revision of auth store is old/, name);
  }
  assert.equal(stream.status?.message, "etcdserver: user name is empty");
  await cluster.stop();
});

test("a user who was deleted is nobody, whatever token it has", async () => {
  const member = new TestMember(new FaultDisk());
  await member.start();
  await enableAuth(member, member);
  const root = await login(member, member, "root");
  const token = await login(member, member, "alice");
  const deleteAlice = AuthUserDeleteRequest.encode({ name: "alice" });
  await answer(member, member, METHOD.UserDelete, deleteAlice, root);
  const refused = await ask(member, member, METHOD.Range, rangeKey, token);
  assert.equal(refused.failure?.message, "etcdserver: invalid auth token");
  const body = AuthenticateRequest.encode({ name: "alice", password: "alice's" });
  const failed = await ask(member, member, METHOD.Authenticate, body);
  assert.match(failed.failure?.message ?? "", /authentication failed/);
  await member.stop();
});

test("a wrong password is told by the name of the user, and never shown", async () => {
  const member = new TestMember(new FaultDisk());
  await member.start();
  await enableAuth(member, member);
  member.logger.lines.length = 0;
  const attempt = async (name: string): Promise<string[]> => {
    const body = AuthenticateRequest.encode({ name, password: "a guess" });
    const failed = await ask(member, member, METHOD.Authenticate, body);
    assert.match(failed.failure?.message ?? "", /authentication failed/);
    const lines = member.logger.lines.splice(0);
    assert.ok(!JSON.stringify(lines.map(({ fields }) => fields)).includes("a guess"));
    const told = lines.filter(({ level }) => level !== "debug");
    return told.map(({ level, message }) => `${level} ${message}`);
  };
  assert.deepEqual(await attempt("alice"), [
    "info invalid password",
    "warn invalid authentication was requested",
  ]);
  // As in etcd: that there is no such user is not told by this line.
  assert.deepEqual(await attempt("nobody"), ["warn invalid authentication was requested"]);
  await member.stop();
});

test("a member whose record of a user is damaged does not start, and starts when it is mended", async () => {
  const member = new TestMember(new FaultDisk());
  await member.start();
  await enableAuth(member, member);
  await member.stop();
  const name = Buffer.from("alice");
  const replaced = async (value: (whole: Uint8Array) => Uint8Array): Promise<Uint8Array> => {
    const { disk, clock, logger } = member;
    const db = await openBackend({ disk, clock, logger }, "/data/member/snap/db");
    const whole = Uint8Array.from(db.get(AUTH_USERS_BUCKET, name) ?? []);
    db.put(AUTH_USERS_BUCKET, name, value(whole));
    await db.commit();
    await db.close();
    return whole;
  };
  const whole = await replaced((record) => record.subarray(0, record.length - 3));
  await assert.rejects(member.start(), {
    message: /^record "alice" of bucket "authUsers" is damaged: /,
  });
  await replaced(() => whole);
  await member.start();
  const token = await login(member, member, "alice");
  await answer(member, member, METHOD.Put, putKey, token);
  const refused = await ask(member, member, METHOD.Range, rangeKey);
  assert.equal(refused.failure?.message, "etcdserver: user name is empty");
  await member.stop();
});

test("a lease that expires is revoked without a token, also by who may not sign any", async () => {
  let signs = 0;
  const digest = (text: string) => createHmac("sha256", "key").update(text).digest("base64url");
  const tokenSigner: TokenSigner = {
    algorithm: "HS256",
    canSign: true,
    sign(text) {
      signs++;
      return digest(text);
    },
    verify: (text, signature) => digest(text) === signature,
  };
  const jwt = {
    algorithm: "HS256",
    publicKeyFile: "",
    privateKeyFile: "key",
    unknown: [],
  } as const;
  const tokens = { kind: "jwt", ttlMs: 1e9, ...jwt } as const;
  const member = new TestMember(new FaultDisk(), { tokens }, { tokenSigner });
  await member.start();
  await enableAuth(member, member);
  const token = await login(member, member, "alice");
  assert.equal(signs, 1);
  const grant = LeaseGrantRequest.encode({ ID: 7n, TTL: 2 });
  await answer(member, member, METHOD.LeaseGrant, grant, token);
  const put = PutRequest.encode(PutRequest.create({ key: KEY, lease: 7n }));
  await answer(member, member, METHOD.Put, put, token);
  await member.until(() => member.server.store.currentRevision === 3);
  const read = await answer(member, member, METHOD.Range, rangeKey, token);
  assert.equal(RangeResponse.decode(read).count, 0);
  assert.equal(signs, 1);
  await member.stop();
});

test("a cost that bcrypt does not have is told, and etcd's default taken", async () => {
  const member = new TestMember(new FaultDisk(), { bcryptCost: 99 });
  await member.start();
  const told = member.logger.lines.filter(({ message }) => message.includes("bcrypt cost"));
  assert.deepEqual(
    told.map(({ level, fields }) => [level, fields["given-cost"], fields["default-cost"]]),
    [["warn", 99, 10]],
  );
  await enableAuth(member, member);
  await login(member, member, "alice");
  await member.stop();
});
