import assert from "node:assert/strict";
import { test } from "node:test";
import { SlabPool } from "../base/byte-slabs.ts";
import { latin1FromBytes } from "../base/bytes.ts";
import { SeededRandom } from "../env/testing/seeded-random.ts";
import { revisionKey } from "./testing/harness.ts";
import { WriteBuffer } from "./write-buffer.ts";

function putSequential(buffer: WriteBuffer, key: Uint8Array, value: Uint8Array): void {
  buffer.putSequential(key, value.length);
  buffer.bytes.set(value, buffer.start);
}

function entries(buffer: WriteBuffer, start: Uint8Array = new Uint8Array(0)): string[] {
  const found: string[] = [];
  const cursor = buffer.cursor(start);
  for (; cursor.key !== undefined; cursor.advance()) {
    const value = cursor.value === undefined ? "deleted" : latin1FromBytes(cursor.value);
    found.push(`${latin1FromBytes(cursor.key)}=${value}`);
  }
  return found;
}

test("random writes read back as from a map, by key and in order", () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = new SeededRandom(seed);
    const buffer = new WriteBuffer(new SlabPool());
    const model = new Map<string, string>();
    const snapshots: { view: WriteBuffer; expected: string[] }[] = [];
    let main = 1;
    const sorted = (): string[] =>
      [...model].sort((a, b) => (a[0] < b[0] ? -1 : 1)).map(([key, value]) => `${key}=${value}`);
    for (let step = 0; step < 300; step++) {
      const kind = random.below(10);
      if (kind < 5) main += random.below(3);
      const target = kind < 5 ? main : random.between(1, main);
      const key =
        kind === 9
          ? random.bytes(random.between(1, 20))
          : revisionKey(target, random.below(2), random.chance(0.2));
      if (kind === 8) {
        buffer.delete(key);
        model.set(latin1FromBytes(key), "deleted");
      } else {
        const value = Buffer.from(String(step));
        putSequential(buffer, key, value);
        model.set(latin1FromBytes(key), String(step));
      }
      const found = buffer.get(key);
      const text = found === null ? "deleted" : latin1FromBytes(found ?? assert.fail("missing"));
      assert.equal(text, model.get(latin1FromBytes(key)), `seed ${seed}, step ${step}`);
      if (random.chance(0.03))
        snapshots.push({ view: new WriteBuffer(undefined, buffer), expected: sorted() });
    }
    assert.deepEqual(entries(buffer), sorted());
    const start = revisionKey(random.between(1, main));
    assert.deepEqual(
      entries(buffer, start),
      sorted().filter((line) => line.slice(0, line.lastIndexOf("=")) >= latin1FromBytes(start)),
    );
    for (const { view, expected } of snapshots) assert.deepEqual(entries(view), expected);
    assert.equal(buffer.get(revisionKey(main + 10)), undefined);
  }
});

test("revisions beyond the safe integers and odd keys are kept exactly", () => {
  const buffer = new WriteBuffer(new SlabPool());
  const keys = [
    Buffer.concat([Buffer.alloc(8, 0xff), Buffer.from("_"), Buffer.alloc(8, 0xff)]),
    Buffer.concat([
      Buffer.alloc(8, 0xff),
      Buffer.from("_"),
      Buffer.alloc(7, 0xff),
      Buffer.from([0xfe]),
    ]),
    Buffer.from("seventeen bytes!!"),
    Buffer.from("x"),
  ];
  for (const key of keys) putSequential(buffer, key, key);
  for (const key of keys) assert.deepEqual(buffer.get(key), key);
  assert.equal(entries(buffer).length, keys.length);
});
