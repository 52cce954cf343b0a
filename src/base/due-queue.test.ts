import assert from "node:assert/strict";
import { test } from "node:test";
import { type DueItem, DueQueue } from "./due-queue.ts";

interface Item extends DueItem {
  readonly name: number;
}

test("random adds, moves and removals always leave the earliest in front", () => {
  let state = 12345;
  const random = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  const queue = new DueQueue<Item>();
  const all = Array.from({ length: 50 }, (_, name): Item => ({ name, dueMs: 0, heapIndex: -1 }));
  const model = new Map<number, number>();
  for (let step = 0; step < 5000; step++) {
    const item = all[random(all.length)] as Item;
    if (random(3) === 0) {
      queue.remove(item);
      model.delete(item.name);
    } else {
      const due = random(1000);
      queue.set(item, due);
      model.set(item.name, due);
    }
    assert.equal(queue.size, model.size);
    const first = queue.peek();
    const earliest = Math.min(...model.values());
    assert.equal(first?.dueMs ?? Number.POSITIVE_INFINITY, earliest);
  }
  const drained: number[] = [];
  for (let item = queue.peek(); item !== undefined; item = queue.peek()) {
    drained.push(item.dueMs);
    queue.remove(item);
  }
  assert.deepEqual(
    drained,
    [...model.values()].sort((a, b) => a - b),
  );
});

test("after clear the items can be queued again", () => {
  const queue = new DueQueue<Item>();
  const item: Item = { name: 1, dueMs: 0, heapIndex: -1 };
  queue.set(item, 5);
  queue.clear();
  assert.equal(queue.size, 0);
  queue.set(item, 7);
  assert.equal(queue.peek(), item);
});

test("a queue filled in order behaves as one filled item by item", () => {
  const queue = new DueQueue<Item>();
  const items = [1, 2, 2, 5, 9].map((dueMs, name): Item => ({ name, dueMs, heapIndex: -1 }));
  queue.set({ name: 99, dueMs: 0, heapIndex: -1 }, 0);
  queue.fill(items);
  assert.equal(queue.size, 5);
  queue.remove(items[0] as Item);
  queue.set(items[4] as Item, 1);
  assert.equal(queue.peek(), items[4]);
});
