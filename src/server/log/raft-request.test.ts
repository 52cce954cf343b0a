import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { InternalRaftRequest, RequestHeader } from "../../api/gen/raft-internal.ts";
import { DeleteRangeRequest, PutRequest } from "../../api/gen/rpc.ts";
import { requestIDToBigInt } from "../../base/id-generator.ts";
import { DecodeError } from "../../base/wire.ts";
import { BODY_ROOM_BYTES } from "../../env/rpc.ts";
import { bodyOffset, decodeRaftRequest, encodeRaftRequest, RaftField } from "./raft-request.ts";

const anyID = fc.record({
  low48: fc.integer({ min: 1, max: 2 ** 48 - 1 }),
  high16: fc.integer({ min: 0, max: 0xffff }),
});
const anyPut = fc
  .record({ key: fc.uint8Array({ minLength: 1, maxLength: 300 }), value: fc.uint8Array() })
  .map((fields) => PutRequest.create(fields));

test("an embedded put is byte for byte what the generated codec writes", () => {
  fc.assert(
    fc.property(anyPut, anyID, (put, id) => {
      const whole = InternalRaftRequest.create({
        put,
        header: RequestHeader.create({ ID: requestIDToBigInt(id) }),
      });
      const embedded = encodeRaftRequest(RaftField.put, PutRequest.encode(put), id);
      assert.deepEqual(Buffer.from(embedded), Buffer.from(InternalRaftRequest.encode(whole)));
    }),
  );
});

test("so is one whose body has room around it, or not room enough", () => {
  const anyName = fc.integer({ min: 0, max: 200 }).map((length) => "n".repeat(length));
  fc.assert(
    fc.property(anyPut, anyID, anyName, (put, id, username) => {
      const body = PutRequest.encode(put);
      const memory = Buffer.alloc(body.length + 2 * BODY_ROOM_BYTES, 0xff);
      const roomy = memory.subarray(BODY_ROOM_BYTES, BODY_ROOM_BYTES + body.length);
      roomy.set(body);
      const who = { username, authRevision: 0 };
      const wanted = encodeRaftRequest(RaftField.put, body, id, who);
      const embedded = encodeRaftRequest(RaftField.put, roomy, id, who, true);
      assert.deepEqual(Buffer.from(embedded), Buffer.from(wanted));
    }),
  );
});

test("so is one on behalf of a user, however long the name", () => {
  const anyone = fc.record({
    username: fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.integer({ min: 100, max: 400 }).map((length) => "n".repeat(length)),
    ),
    authRevision: fc.integer({ min: 0, max: 2 ** 40 }),
  });
  const body = PutRequest.encode(PutRequest.create({ key: Buffer.from("k") }));
  fc.assert(
    fc.property(anyID, anyone, (id, who) => {
      const whole = InternalRaftRequest.create({
        put: PutRequest.decode(body),
        header: RequestHeader.create({ ID: requestIDToBigInt(id), ...who }),
      });
      const wanted = Buffer.from(InternalRaftRequest.encode(whole));
      // The second time its bytes are remembered.
      for (let i = 0; i < 2; i++) {
        const embedded = encodeRaftRequest(RaftField.put, body, id, who);
        assert.deepEqual(Buffer.from(embedded), wanted);
      }
    }),
  );
});

test("what the generated codec writes is read back: field, body, id, user", () => {
  fc.assert(
    fc.property(anyID, fc.string({ unit: "grapheme" }), (id, username) => {
      const deleteRange = DeleteRangeRequest.create({ key: Buffer.from("k") });
      const data = InternalRaftRequest.encode(
        InternalRaftRequest.create({
          deleteRange,
          header: RequestHeader.create({ ID: requestIDToBigInt(id), username, authRevision: 9 }),
        }),
      );
      const request = decodeRaftRequest(data);
      assert.equal(request.field, RaftField.deleteRange);
      assert.deepEqual(DeleteRangeRequest.decode(data, request.start, request.end), deleteRange);
      assert.equal(request.idLow, id.low48);
      assert.equal(request.idHigh, id.high16);
      assert.equal(request.username, username);
      assert.equal(request.authRevision, 9);
    }),
  );
});

test("the body's place is known without decoding", () => {
  for (const length of [0, 1, 127, 128, 20_000]) {
    const body = new Uint8Array(length).fill(7);
    const data = encodeRaftRequest(RaftField.clusterVersionSet, body, { low48: 1, high16: 1 });
    const start = bodyOffset(RaftField.clusterVersionSet, length);
    assert.deepEqual(Uint8Array.from(data.subarray(start, start + length)), body);
  }
});

test("cut-off bytes are refused, whatever is missing", () => {
  const put = PutRequest.encode(PutRequest.create({ key: Buffer.from("key") }));
  const data = encodeRaftRequest(RaftField.put, put, { low48: 2 ** 47, high16: 0xfffe });
  for (let length = 1; length < data.length; length++) {
    const cut = data.subarray(0, length);
    try {
      const request = decodeRaftRequest(cut);
      assert.ok(request.end <= length, "a prefix that decodes is a whole field");
    } catch (error) {
      assert.ok(error instanceof DecodeError);
    }
  }
});
