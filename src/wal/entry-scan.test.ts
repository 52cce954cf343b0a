import assert from "node:assert/strict";
import test from "node:test";
import { Entry } from "../api/gen/raft.ts";
import { scanEntry, scanned } from "./entry-scan.ts";

test("an entry is seen in its bytes as a decoder sees it", () => {
  for (const number of [0, 1, 127, 128, 16_383, 16_384, 2 ** 31, 2 ** 32 + 5, 2 ** 49 - 1]) {
    for (const type of [0, 1, 2, 77]) {
      for (const length of [0, 1, 127, 128, 20_000]) {
        const entry = { type, term: number, index: number + 1, data: Buffer.alloc(length, 1) };
        const bytes = Buffer.concat([Buffer.from("..."), Entry.encode(entry), Buffer.from("...")]);
        if (number + 1 === 2 ** 49) {
          assert.equal(scanEntry(bytes, 3, bytes.length - 3), false, "a decoder is asked");
          continue;
        }
        assert.equal(scanEntry(bytes, 3, bytes.length - 3), true, `${number} ${type} ${length}`);
        assert.deepEqual({ ...scanned }, { type, term: number, index: number + 1 });
      }
    }
  }
});

test("what is not written as etcd writes it is left to a decoder", () => {
  const usual = Entry.encode({ type: 1, term: 300, index: 70_000, data: Buffer.from("data") });
  for (let end = 0; end < usual.length; end++) {
    if (scanEntry(usual, 0, end)) assert.deepEqual(Entry.decode(usual, 0, end).data.length, 0);
  }
  const longer = Buffer.concat([usual, Buffer.from([0x28, 0x01])]);
  assert.equal(scanEntry(longer, 0, longer.length), false);
  const [type, term, rest] = [usual.subarray(0, 2), usual.subarray(2, 5), usual.subarray(5)];
  const mixed = Buffer.concat([term, type, rest]);
  assert.equal(scanEntry(mixed, 0, mixed.length), false);
  assert.equal(Entry.decode(mixed).term, 300);
  assert.equal(scanEntry(Buffer.from([0x08, 0xff, 0x10, 1, 0x18, 1]), 0, 6), false);
});
