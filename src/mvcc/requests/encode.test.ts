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
  encodeRangeChunks,
  encodeRangeResponse,
  encodeRecordParts,
  sizeRangeResponse,
} from "./encode.ts";

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

test("chunks of a range response add up to the response, none much above the limit", () => {
  for (const count of [0, 1, 7, 400]) {
    const result = {
      revision: 300,
      kvs: RecordList.of(records(count, 100)),
      more: true,
      count: 500,
    };
    const whole = encodeRangeResponse(header, result);
    assert.equal(sizeRangeResponse(header, result), whole.length);
    for (const chunkBytes of [1, 1000, 1 << 20]) {
      const chunks = [...encodeRangeChunks(header, result, chunkBytes)];
      assert.deepEqual(Buffer.concat(chunks), whole);
      for (const chunk of chunks) assert.ok(chunk.length < chunkBytes + 200);
    }
  }
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
