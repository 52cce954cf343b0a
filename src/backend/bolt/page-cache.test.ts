/** What the page cache counts, and what it lets go. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Page } from "./page.ts";
import { PageCache } from "./page-cache.ts";
import { PageSlab } from "./page-slab.ts";

const PAGE_BYTES = 4096;
const OVERHEAD_BYTES = 256;

function pageIn(slab: PageSlab, id: number): Page {
  const buffer = slab.take(id, PAGE_BYTES).fill(id);
  return new Page(id, buffer, true, 0, 0, slab);
}

function filled(cache: PageCache, pages: number): PageSlab {
  const slab = new PageSlab(pages * PAGE_BYTES);
  for (let id = 2; id < 2 + pages; id++) cache.put(pageIn(slab, id));
  return slab;
}

test("a slab counts whole while half of its pages are cached", () => {
  const cache = new PageCache(1024 * 1024);
  filled(cache, 16);
  assert.equal(cache.bytes, 16 * (PAGE_BYTES + OVERHEAD_BYTES));
  for (let id = 2; id < 10; id++) cache.delete(id);
  assert.equal(cache.bytes, 16 * PAGE_BYTES + 8 * OVERHEAD_BYTES);
});

test("the last pages of a slab move into memory of their own, with their content", () => {
  const cache = new PageCache(1024 * 1024);
  const slab = filled(cache, 16);
  for (let id = 2; id < 15; id++) cache.delete(id);
  assert.equal(cache.bytes, 3 * (PAGE_BYTES + OVERHEAD_BYTES));
  for (let id = 15; id < 18; id++) {
    const page = cache.get(id);
    assert.notEqual(page?.buffer.buffer, slab.memory.buffer);
    assert.deepEqual(page?.buffer, Buffer.alloc(PAGE_BYTES, id));
  }
  for (let id = 15; id < 18; id++) cache.delete(id);
  assert.equal(cache.bytes, 0);
});

test("pages that are used stay within the bound, and keep no slab of pages that went", () => {
  const limitBytes = 20 * (PAGE_BYTES + OVERHEAD_BYTES);
  const cache = new PageCache(limitBytes);
  for (let round = 0; round < 50; round++) {
    const slab = new PageSlab(8 * PAGE_BYTES);
    for (let i = 0; i < 8; i++) cache.put(pageIn(slab, 2 + round * 8 + i));
    for (let early = 0; early <= round; early++) cache.get(2 + early * 8);
    assert.ok(cache.bytes <= limitBytes, `${cache.bytes} bytes in round ${round}`);
  }
});

test("pages that are written and not read keep to their share, and a page that is read stays", () => {
  const limitBytes = 160 * (PAGE_BYTES + OVERHEAD_BYTES);
  const cache = new PageCache(limitBytes);
  for (let round = 0; round < 50; round++) {
    const slab = new PageSlab(8 * PAGE_BYTES);
    for (let i = 0; i < 8; i++) cache.putWritten(pageIn(slab, 2 + round * 8 + i));
    if (round === 0) assert.equal(cache.get(5)?.buffer[0], 5);
    assert.ok(cache.bytes <= 32 * (PAGE_BYTES + OVERHEAD_BYTES), `${cache.bytes} bytes`);
  }
  assert.deepEqual(cache.get(5)?.buffer, Buffer.alloc(PAGE_BYTES, 5));
  assert.equal(cache.get(6), undefined);
  const newest = 2 + 50 * 8 - 1;
  assert.equal(cache.get(newest)?.id, newest);
  for (let id = 2; id <= newest; id++) cache.delete(id);
  assert.equal(cache.bytes, 0);
});
