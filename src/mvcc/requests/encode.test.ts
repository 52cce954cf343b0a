import assert from "node:assert/strict";
import test from "node:test";
import {
  DeleteRangeResponse,
  PutResponse,
  RangeResponse,
  ResponseHeader,
} from "../../api/gen/rpc.ts";
import { KeyValue } from "../../api/gen/kv.ts";
import { OneRecord, RecordList } from "../record-list.ts";
import { encodeKeyValue } from "../testing/records.ts";
import {
  encodeDeleteRangeResponse,
  encodePutResponse,
  encodeRangeResponse,
  encodeRecordParts,
  sizeRangeResponse,
} from "./encode.ts";
import { RangeEncoder } from "./range-encoder.ts";

const headerMessage = ResponseHeader.create({ clusterId: 1n, memberId: 2n, revision: 300 });
const header = ResponseHeader.encode(headerMessage);

function records(count: number, valueBytes: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) =>
    encodeKeyValue(`key-${i}`, 2, i + 2, 1, Buffer.alloc(valueBytes, i), 0n),
  );
}

test("responses equal the generated codecs' encoding", () => {
  const kvs = records(3, 200);
  const decoded = kvs.map((kv) => KeyValue.decode(kv));
  const [first] = decoded;
  for (const [count, more] of [
    [0, false],
    [3, false],
    [100_000, true],
  ] as const) {
    const message = RangeResponse.create({ header: headerMessage, kvs: decoded, more, count });
    const result = { revision: 300, kvs: RecordList.of(kvs), more, count };
    assert.deepEqual(encodeRangeResponse(header, result), RangeResponse.encode(message));
  }
  const put = PutResponse.create({ header: headerMessage, prevKv: first });
  assert.deepEqual(encodePutResponse(header, kvs[0]), PutResponse.encode(put));
  const bare = PutResponse.create({ header: headerMessage });
  assert.deepEqual(encodePutResponse(header), PutResponse.encode(bare));
  const deletion = DeleteRangeResponse.create({
    header: headerMessage,
    deleted: 3,
    prevKvs: decoded,
  });
  assert.deepEqual(
    encodeDeleteRangeResponse(header, { revision: 300, deleted: 3, previous: kvs }),
    DeleteRangeResponse.encode(deletion),
  );
});

/** All that an encoder gives, in pieces or in steps of memory of so many bytes. */
function piecesOf(encoder: RangeEncoder, wanted: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let next = encoder.piece(wanted); next !== undefined; next = encoder.piece(wanted)) {
    pieces.push(next);
  }
  return pieces;
}

test("pieces of a range response add up to the response, none much above what was wanted", () => {
  for (const count of [0, 1, 7, 400]) {
    for (const [more, total] of [
      [true, 500],
      [false, count],
    ] as const) {
      const kvs = RecordList.of(records(count, 100));
      const result = { revision: 300, kvs, more, count: total };
      const whole = encodeRangeResponse(header, result);
      assert.equal(sizeRangeResponse(header, result), whole.length);
      for (const wanted of [1, 1000, 1 << 20]) {
        const pieces = piecesOf(new RangeEncoder(header, result), wanted);
        assert.deepEqual(Buffer.concat(pieces), whole);
        for (const piece of pieces) assert.ok(piece.length > 0 && piece.length < wanted + 200);
      }
    }
  }
});

test("a range response is written where there is room, in whole fields", () => {
  const result = { revision: 300, kvs: RecordList.of(records(50, 100)), more: true, count: 500 };
  const whole = encodeRangeResponse(header, result);
  const rooms = Array.from({ length: 150 }, (_, i) => 130 + i);
  for (const room of [...rooms, 1000, 1 << 20]) {
    const encoder = new RangeEncoder(header, result);
    const memory = Buffer.alloc(room + 20, 0xee);
    const parts: Buffer[] = [];
    for (let end = encoder.write(memory, 10, 10 + room); end > 10; ) {
      assert.ok(end <= 10 + room);
      assert.ok(RangeResponse.decode(memory.subarray(10, end)).kvs.length > 0 || end < 150);
      parts.push(Buffer.from(memory.subarray(10, end)));
      end = encoder.write(memory, 10, 10 + room);
    }
    assert.deepEqual(Buffer.concat(parts), whole);
    assert.equal(memory.lastIndexOf(Buffer.alloc(10, 0xee)), room + 10);
    assert.equal(encoder.piece(1), undefined);
  }
  const encoder = new RangeEncoder(header, result);
  const memory = Buffer.alloc(100);
  encoder.write(memory, 0, memory.length);
  assert.equal(encoder.write(memory, 0, memory.length), 0, "a record that does not fit waits");
  assert.ok((encoder.piece(1)?.length ?? 0) > 100);
});

test("a response around a record is the one that a copy of the record makes", () => {
  for (const bytes of [0, 1, 127, 128, 40_000, 3_000_000]) {
    const record = Buffer.alloc(bytes, "r");
    for (const more of [false, true]) {
      const result = { revision: 7, kvs: new OneRecord(record), more, count: more ? 300 : 1 };
      const parts = encodeRecordParts(header, result, record);
      assert.equal(parts[1], record);
      assert.deepEqual(Buffer.concat(parts), encodeRangeResponse(header, result));
    }
  }
});
