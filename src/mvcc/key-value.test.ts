import assert from "node:assert/strict";
import test from "node:test";
import { KeyValue } from "../api/gen/kv.ts";
import { bytesFromLatin1, latin1FromBytes } from "../base/bytes.ts";
import { encodeDeletedKeyValue, KeyValueView, keyOf, withoutValue } from "./key-value.ts";
import { encodeKeyValue, encodeTombstone } from "./testing/records.ts";
import { TestRandom } from "./testing/random.ts";

function randomBytes(random: TestRandom, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random.below(256)));
}

test("records equal the generated codec's, field for field and byte for byte", () => {
  const random = new TestRandom(11);
  const view = new KeyValueView();
  for (let i = 0; i < 2000; i++) {
    const key = randomBytes(random, 1 + random.below(random.pick([4, 40, 300])));
    const value = randomBytes(random, random.below(random.pick([1, 40, 300])));
    const createRevision = 2 + random.below(random.pick([100, 2 ** 33, 2 ** 50]));
    const modRevision = createRevision + random.below(1000);
    const version = 1 + random.below(1000);
    const lease = random.pick([0n, 1n, 0x7fff_ffff_ffff_ffffn, -5n]);
    const expected = { key, createRevision, modRevision, version, value, lease };
    const name = latin1FromBytes(key);
    const record = encodeKeyValue(name, createRevision, modRevision, version, value, lease);
    assert.deepEqual(record, KeyValue.encode(expected));
    view.load(record);
    assert.equal(view.key, name);
    assert.equal(keyOf(record), name);
    assert.deepEqual(Buffer.from(view.value), value);
    const { createRevision: create, modRevision: mod, version: ver, lease: id } = view;
    assert.deepEqual([create, mod, ver, id], [createRevision, modRevision, version, lease]);
    const bare = KeyValue.encode({ ...expected, value: Buffer.alloc(0) });
    assert.deepEqual(Buffer.from(withoutValue(record, view)), Buffer.from(bare));
  }
});

test("a tombstone holds the key, a watched deletion also the revision", () => {
  for (const key of ["k", "a".repeat(200), "\x00\xff"]) {
    const stored = KeyValue.decode(encodeTombstone(key));
    assert.deepEqual(stored, KeyValue.create({ key: bytesFromLatin1(key) }));
    const watched = KeyValue.decode(encodeDeletedKeyValue(key, 2 ** 40));
    const expected = KeyValue.create({ key: bytesFromLatin1(key), modRevision: 2 ** 40 });
    assert.deepEqual(watched, expected);
  }
});

test("fields in any order and unknown fields are understood", () => {
  const record = Buffer.concat([
    Buffer.from([0x7a, 2, 1, 2]),
    Buffer.from([0x2a, 1, 0x76]),
    Buffer.from([0x18, 9]),
    Buffer.from([0x0a, 1, 0x6b]),
  ]);
  const view = new KeyValueView().load(record);
  assert.deepEqual([view.key, view.modRevision, keyOf(record)], ["k", 9, "k"]);
  assert.deepEqual(Buffer.from(view.value), Buffer.from("v"));
  assert.equal(KeyValue.decode(withoutValue(record, view)).value.length, 0);
});

test("a truncated record is an error", () => {
  const record = encodeKeyValue("key", 2, 2, 1, Buffer.from("value"), 0n);
  for (let length = 1; length < record.length; length++) {
    const cut = record.subarray(0, length);
    if (length === 5 || length === 7 || length === 9 || length === 11) continue;
    assert.throws(() => new KeyValueView().load(cut), /unexpected end/, `length ${length}`);
  }
});
