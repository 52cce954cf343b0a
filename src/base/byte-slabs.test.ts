import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteSlabs, SlabPool } from "./byte-slabs.ts";

/** Larger than any slab. */
const LARGE_BYTES = 1024 * 1024;

function append(slabs: ByteSlabs, text: Buffer): void {
  slabs.append(text.length);
  slabs.bytes.set(text, slabs.start);
}

function at(slabs: ByteSlabs, index: number): Buffer {
  slabs.locate(index);
  return slabs.bytes.subarray(slabs.start, slabs.end);
}

test("byte strings of any size are found where they were appended", () => {
  const slabs = new ByteSlabs(new SlabPool());
  const expected: Buffer[] = [];
  for (let i = 0; i < 2000; i++) {
    const size = i % 199 === 7 ? LARGE_BYTES : (i * 7919) % 3001;
    const text = Buffer.alloc(size, i);
    append(slabs, text);
    expected.push(text);
  }
  assert.equal(slabs.length, expected.length);
  for (const [i, text] of expected.entries()) assert.deepEqual(at(slabs, i), text);
});

test("a snapshot does not show what is appended later", () => {
  const slabs = new ByteSlabs(undefined);
  append(slabs, Buffer.from("before"));
  const snapshot = new ByteSlabs(undefined, slabs);
  for (let i = 0; i < 200; i++) append(slabs, Buffer.from("later"));
  assert.equal(snapshot.length, 1);
  assert.equal(at(snapshot, 0).toString(), "before");
  assert.throws(() => snapshot.locate(1));
});

/** Fills a slab of the full size, and gives its memory. */
function filled(pool: SlabPool, use: (slabs: ByteSlabs, last: number) => void): ArrayBufferLike {
  const slabs = new ByteSlabs(pool);
  for (let i = 0; i < 300; i++) append(slabs, Buffer.alloc(3000, 1));
  const last = slabs.length - 1;
  const memory = at(slabs, last).buffer;
  use(slabs, last);
  slabs.recycle();
  return memory;
}

test("memory is used again when nobody has a view of it", () => {
  const pool = new SlabPool();
  const first = filled(pool, () => undefined);
  const memories = [filled(pool, () => undefined), filled(pool, () => undefined)];
  assert.ok(memories.includes(first));
});

test("memory of which somebody has a view, or a snapshot, is left to him", () => {
  for (const use of [
    (slabs: ByteSlabs, last: number) => void slabs.lend(last),
    (slabs: ByteSlabs) => void new ByteSlabs(undefined, slabs),
  ]) {
    const pool = new SlabPool();
    const first = filled(pool, use);
    for (let i = 0; i < 3; i++)
      assert.notEqual(
        filled(pool, () => undefined),
        first,
      );
  }
});
