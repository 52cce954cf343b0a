import assert from "node:assert/strict";
import test from "node:test";
import { bytesFromLatin1 } from "../base/bytes.ts";
import { RangeRequest, RangeRequest_SortOrder } from "./gen/rpc.ts";
import { scanPlainGet } from "./get-scan.ts";

const key = bytesFromLatin1("k\xff");

test("a get of one key without options is read as the message is", () => {
  for (const serializable of [false, true]) {
    for (const name of ["k", "k\xff\0", "k".repeat(127)]) {
      const request = RangeRequest.create({ key: bytesFromLatin1(name), serializable });
      const found = scanPlainGet(RangeRequest.encode(request));
      assert.deepEqual(found, { key: name, isSerializable: serializable });
    }
  }
});

test("anything else is left to the message's decoder", () => {
  const others = [
    {},
    { key: bytesFromLatin1("k".repeat(128)) },
    { key, rangeEnd: key },
    { key, limit: 1 },
    { key, revision: 3 },
    { key, sortOrder: RangeRequest_SortOrder.DESCEND },
    { key, keysOnly: true },
    { key, countOnly: true, serializable: true },
    { key, minModRevision: 2 },
  ];
  for (const fields of others) {
    const encoded = RangeRequest.encode(RangeRequest.create(fields));
    assert.equal(scanPlainGet(encoded), undefined, JSON.stringify(fields));
  }
  const plain = RangeRequest.encode(RangeRequest.create({ key, serializable: true }));
  for (let end = 0; end < plain.length; end++) {
    if (end !== 2 + key.length) assert.equal(scanPlainGet(plain.subarray(0, end)), undefined);
  }
  // The last of several values counts, and a varint may be longer than it must.
  assert.equal(scanPlainGet(Buffer.concat([plain, plain])), undefined);
  assert.equal(scanPlainGet(Buffer.from([0x0a, 0x81, 0x00, 0x6b])), undefined);
  assert.equal(scanPlainGet(Buffer.from([0x0a, 0x01, 0x6b, 0x38, 0x02])), undefined);
});
