import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeV2Document, encodeV2Document, type Membership } from "./v2-document.ts";

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
  const text = encodeV2Document(ONE_MEMBER);
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
  assert.deepEqual(decodeV2Document(encodeV2Document(membership)), membership);
});

test("text that is no document is refused", () => {
  assert.throws(() => decodeV2Document("{"), SyntaxError);
});
