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

test("a response of nothing but a header decodes", () => {
  const encoder = new HeaderEncoder(CLUSTER, MEMBER);
  const { header } = PutResponse.decode(encoder.encodeResponse(42, 7));
  assert.equal(header?.revision, 42);
  assert.equal(header?.raftTerm, 7);
});
