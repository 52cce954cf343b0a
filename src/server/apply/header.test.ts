import assert from "node:assert/strict";
import { test } from "node:test";
import { PutResponse, ResponseHeader } from "../../api/gen/rpc.ts";
import { HeaderEncoder } from "./header.ts";

const CLUSTER = 0xfedcba9876543210n;
const MEMBER = 0x8e9e05c52164694dn;

test("a header is what the generated codec writes, for every size of number", () => {
  const encoder = new HeaderEncoder(CLUSTER, MEMBER);
  for (const revision of [0, 1, 127, 128, 2 ** 31, 2 ** 53 - 1]) {
    for (const raftTerm of [0, 1, 300, 2 ** 40]) {
      const expected = ResponseHeader.encode(
        ResponseHeader.create({ clusterId: CLUSTER, memberId: MEMBER, revision, raftTerm }),
      );
      assert.deepEqual(Buffer.from(encoder.encode(revision, raftTerm)), Buffer.from(expected));
    }
  }
});

test("the field of a response is its tag, its length and the header, whichever is asked for first", () => {
  const encoder = new HeaderEncoder(CLUSTER, MEMBER);
  const field = encoder.encodeField(7, 2);
  const header = encoder.encode(7, 2);
  assert.deepEqual(Buffer.from(field), Buffer.from([0x0a, header.length, ...header]));
  encoder.encode(8, 2);
  assert.equal(PutResponse.decode(encoder.encodeField(8, 2)).header?.revision, 8);
  assert.equal(encoder.encodeField(8, 2), encoder.encodeField(8, 2));
  assert.notEqual(encoder.encodeResponse(8, 2), encoder.encodeResponse(8, 2));
});

test("a response of nothing but a header decodes", () => {
  const encoder = new HeaderEncoder(CLUSTER, MEMBER);
  const { header } = PutResponse.decode(encoder.encodeResponse(42, 7));
  assert.equal(header?.revision, 42);
  assert.equal(header?.raftTerm, 7);
});
