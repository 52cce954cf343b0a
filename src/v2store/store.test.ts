import assert from "node:assert/strict";
import { test } from "node:test";
import { Request } from "../api/gen/etcdserver.ts";
import { Snapshot } from "../api/gen/raft.ts";
import { bytesFromUtf8, utf8FromBytes } from "../base/bytes.ts";
import { finish } from "../base/slice.ts";
import { type Member, type Membership, NO_MEMBERSHIP } from "../membership/index.ts";
import {
  encodeDocument,
  MembershipDocument,
  membershipOfDocument,
  refuseUserDocument,
  refuseUserRequest,
  V2DataError,
  withOnlyMember,
} from "./index.ts";

function member(id: bigint): Member {
  return { id, peerURLs: [`http://m${id}:1`], isLearner: false, name: "", clientURLs: [] };
}

function membershipOf(...ids: bigint[]): Membership {
  return { ...NO_MEMBERSHIP, members: ids.map(member) };
}

function documentOf(store: MembershipDocument): Uint8Array {
  return finish(store.documentInSteps());
}

function snapshotOf(membership: Membership): Snapshot {
  return Snapshot.create({ data: encodeDocument(membership) });
}

function request(Method: string, Path: string, Val = ""): Uint8Array {
  return Request.encode(Request.create({ Method, Path, Val }));
}

/** A document with more in its tree than the membership. */
function documentWith(children: Record<string, unknown>): Uint8Array {
  const document = JSON.parse(utf8FromBytes(encodeDocument(membershipOf(1n, 2n))));
  Object.assign(document.Root.Children, children);
  return bytesFromUtf8(JSON.stringify(document));
}

test("a store shows the membership of now and remembers that of its snapshot", () => {
  let members = [member(1n), member(2n)];
  const current = {
    ...NO_MEMBERSHIP,
    get members() {
      return members;
    },
  };
  const store = new MembershipDocument(current, snapshotOf(membershipOf(1n)));
  assert.deepEqual(store.documented, membershipOf(1n));
  assert.deepEqual(membershipOfDocument(documentOf(store)), membershipOf(1n, 2n));
  members = [member(3n)];
  assert.deepEqual(membershipOfDocument(documentOf(store)), membershipOf(3n));
  assert.deepEqual(store.documented, membershipOf(1n));
});

test("a store without a snapshot, or whose snapshot holds nothing, remembers no members", () => {
  assert.deepEqual(new MembershipDocument(membershipOf(1n)).documented, NO_MEMBERSHIP);
  const empty = new MembershipDocument(membershipOf(1n), Snapshot.create());
  assert.deepEqual(empty.documented, NO_MEMBERSHIP);
});

test("a received snapshot takes effect when it is switched to, and a damaged one never", () => {
  const store = new MembershipDocument(membershipOf(1n), snapshotOf(membershipOf(1n)));
  const switchStore = store.prepareReload(snapshotOf(membershipOf(5n)));
  assert.deepEqual(store.documented, membershipOf(1n));
  switchStore();
  assert.deepEqual(store.documented, membershipOf(5n));
  const damaged = Snapshot.create({ data: bytesFromUtf8("{") });
  assert.throws(() => store.prepareReload(damaged), SyntaxError);
  assert.deepEqual(store.documented, membershipOf(5n));
});

test("data of users is refused with what to do about it", () => {
  const put = request("PUT", "/1/k", "v");
  const store = new MembershipDocument(membershipOf(1n));
  const apply = (data: Uint8Array) => store.apply(Request.decode(data));
  for (const refuse of [apply, refuseUserRequest]) {
    assert.throws(
      () => refuse(put),
      (error) =>
        error instanceof V2DataError &&
        error.message.startsWith(
          "detected disallowed v2 WAL for stage --v2-deprecation=write-only (PUT /1/k): start with --enable-v2",
        ),
    );
  }
  // Whether these are needed is another's matter.
  refuseUserRequest(Uint8Array.of(0xff));
  refuseUserRequest(request("PUT", "/0/members/1/attributes", "{"));
  // They only read, or move the store's clock on.
  for (const method of ["SYNC", "QGET", ""]) apply(request(method, "/1/k"));
});

test("keys, users and roles in a document are data of users; empty directories are not", () => {
  const directory = (names: readonly string[]) => ({
    Children: Object.fromEntries(names.map((name) => [name, { Value: "v", Children: null }])),
  });
  const users = { Children: { users: directory(["root"]), roles: directory([]) } };
  for (const children of [{ 1: directory(["k"]) }, { 2: users }]) {
    assert.throws(
      () => refuseUserDocument(documentWith(children)),
      /^V2DataError: detected disallowed custom content in v2store for stage --v2-deprecation=write/,
    );
  }
  const noUsers = { Children: { users: directory([]) } };
  refuseUserDocument(documentWith({ 1: directory([]), 2: noUsers }));
  assert.throws(() => refuseUserDocument(bytesFromUtf8("{}")), /it is no v2 store/);
});

test("a document with only one member keeps what users have put there", () => {
  const key = { Children: { k: { Value: "v", Children: null } } };
  const alone = withOnlyMember(documentWith({ 1: key }), member(9n));
  assert.deepEqual(membershipOfDocument(alone).members, [member(9n)]);
  assert.throws(() => refuseUserDocument(alone), V2DataError);
  for (const text of ["", "null", "{}", '{"Root":{}}']) {
    assert.throws(() => withOnlyMember(bytesFromUtf8(text), member(9n)), SyntaxError, text);
  }
});
