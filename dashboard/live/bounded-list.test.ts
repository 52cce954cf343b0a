import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyList, withMore } from "./bounded-list.ts";

test("a list keeps the newest and counts what it lost", () => {
  let list = withMore(emptyList<number>(), [1, 2], 3);
  list = withMore(list, [3, 4], 3);
  assert.deepEqual(list, { items: [4, 3, 2], dropped: 1 });
  assert.deepEqual(withMore(list, [], 3), list);
});
