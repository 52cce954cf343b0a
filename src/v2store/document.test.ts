import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesFromUtf8, utf8FromBytes } from "../base/bytes.ts";
import type { Membership } from "../membership/index.ts";
import { encodeDocument } from "./encode-document.ts";
import { membershipOfDocument } from "./read-document.ts";

const ONE_MEMBER: Membership = {
  members: [
    {
      id: 0xa7a12d02180fd461n,
      peerURLs: ["http://127.0.0.1:20080"],
      isLearner: false,
      name: "default",
      clientURLs: ["http://127.0.0.1:20079"],
    },
  ],
  removedIDs: [],
  version: "3.6.0",
};

test("the document of one member has etcd's form to the byte", () => {
  const text = utf8FromBytes(encodeDocument(ONE_MEMBER));
  const root =
    '{"Root":{"Path":"/","CreatedIndex":0,"ModifiedIndex":0,"ExpireTime":"0001-01-01T00:00:00Z",' +
    '"Value":"","Children":{"0":{"Path":"/0","CreatedIndex":0,"ModifiedIndex":0,' +
    '"ExpireTime":"0001-01-01T00:00:00Z","Value":"","Children":{"members":{"Path":"/0/members",' +
    '"CreatedIndex":1,"ModifiedIndex":1,"ExpireTime":"0001-01-01T00:00:00Z","Value":"",' +
    '"Children":{"a7a12d02180fd461":{"Path":"/0/members/a7a12d02180fd461","CreatedIndex":1,' +
    '"ModifiedIndex":1,"ExpireTime":"0001-01-01T00:00:00Z","Value":"","Children":{"attributes":' +
    '{"Path":"/0/members/a7a12d02180fd461/attributes","CreatedIndex":2,"ModifiedIndex":2,' +
    '"ExpireTime":"0001-01-01T00:00:00Z","Value":"{\\"name\\":\\"default\\",\\"clientURLs\\":' +
    '[\\"http://127.0.0.1:20079\\"]}","Children":null},"raftAttributes":' +
    '{"Path":"/0/members/a7a12d02180fd461/raftAttributes","CreatedIndex":1,"ModifiedIndex":1,' +
    '"ExpireTime":"0001-01-01T00:00:00Z","Value":"{\\"peerURLs\\":[\\"http://127.0.0.1:20080\\"]}",' +
    '"Children":null}}}}},"version":{"Path":"/0/version","CreatedIndex":3,"ModifiedIndex":3,' +
    '"ExpireTime":"0001-01-01T00:00:00Z","Value":"3.6.0","Children":null}}},"1":{"Path":"/1",' +
    '"CreatedIndex":0,"ModifiedIndex":0,"ExpireTime":"0001-01-01T00:00:00Z","Value":"",' +
    '"Children":{}}}},"WatcherHub"';
  assert.equal(text.slice(0, root.length), root);
  const rest =
    '":{"EventHistory":{"Queue":{"Events":[' +
    '{"action":"create","node":{"key":"/0/members/a7a12d02180fd461/raftAttributes",' +
    '"value":"{\\"peerURLs\\":[\\"http://127.0.0.1:20080\\"]}","modifiedIndex":1,"createdIndex":1}},' +
    '{"action":"set","node":{"key":"/0/members/a7a12d02180fd461/attributes","value":' +
    '"{\\"name\\":\\"default\\",\\"clientURLs\\":[\\"http://127.0.0.1:20079\\"]}",' +
    '"modifiedIndex":2,"createdIndex":2}},{"action":"set","node":{"key":"/0/version",' +
    `"value":"3.6.0","modifiedIndex":3,"createdIndex":3}}${",null".repeat(997)}],"Size":3,` +
    '"Front":0,"Back":3,"Capacity":1000},"StartIndex":1,"LastIndex":3}},"CurrentIndex":3,' +
    '"Stats":{"getsSuccess":0,"getsFail":1,"setsSuccess":2,"setsFail":0,"deleteSuccess":0,' +
    '"deleteFail":0,"updateSuccess":0,"updateFail":0,"createSuccess":1,"createFail":0,' +
    '"compareAndSwapSuccess":0,"compareAndSwapFail":0,"compareAndDeleteSuccess":0,' +
    '"compareAndDeleteFail":0,"expireCount":0,"watchers":0},"CurrentVersion":2}';
  assert.equal(text.slice(root.length - 1), rest);
});

test("a member that has not published itself has no attributes yet", () => {
  const [member] = ONE_MEMBER.members;
  assert.ok(member !== undefined);
  const unstarted = { ...ONE_MEMBER, members: [{ ...member, clientURLs: [] }] };
  assert.ok(!utf8FromBytes(encodeDocument(unstarted)).includes("/attributes"));
});

test("a history longer than the event queue keeps its newest part", () => {
  const removedIDs = Array.from({ length: 1200 }, (_, i) => BigInt(i + 1));
  const document = encodeDocument({ members: [], removedIDs, version: undefined });
  const { EventHistory } = JSON.parse(utf8FromBytes(document)).WatcherHub;
  assert.equal(EventHistory.StartIndex, 201);
  assert.equal(EventHistory.LastIndex, 1200);
  const { Queue } = EventHistory;
  assert.deepEqual([Queue.Size, Queue.Front, Queue.Back], [1000, 200, 200]);
  assert.equal(Queue.Events[Queue.Front].node.createdIndex, 201);
  assert.deepEqual(membershipOfDocument(document).removedIDs, removedIDs);
});

test("what was encoded is read back, removed members and learners included", () => {
  const membership: Membership = {
    members: [
      { id: 7n, peerURLs: ["http://b:1", "http://b:2"], isLearner: true, name: "", clientURLs: [] },
      ...ONE_MEMBER.members,
    ],
    removedIDs: [3n, 0xffffffffffffffffn],
    version: undefined,
  };
  assert.deepEqual(membershipOfDocument(encodeDocument(membership)), membership);
});

test("text that is no document is refused", () => {
  assert.throws(() => membershipOfDocument(bytesFromUtf8("{")), SyntaxError);
});
