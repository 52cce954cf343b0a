import assert from "node:assert/strict";
import { test } from "node:test";
import { HashLanes } from "./hash-lanes.ts";

function drain(lanes: HashLanes<string>): string {
  const taken: string[] = [];
  while (!lanes.isEmpty) taken.push(lanes.take() ?? "nothing");
  return taken.join(" ");
}

test("lanes have turns, and each keeps its order", () => {
  const lanes = new HashLanes<string>(100);
  for (const task of ["a1", "a2", "a3", "a4", "b1", "c1", "c2"]) {
    assert.equal(lanes.add(task.charAt(0), task), undefined);
  }
  assert.equal(drain(lanes), "a1 b1 c1 a2 c2 a3 a4");
  assert.equal(lanes.take(), undefined);
});

test("when all is full, a newcomer takes the last place of the longest lane", () => {
  const lanes = new HashLanes<string>(4);
  for (const task of ["a1", "a2", "a3", "a4"]) assert.equal(lanes.add("a", task), undefined);
  assert.equal(lanes.add("a", "a5"), "a5");
  assert.equal(lanes.add("b", "b1"), "a4");
  assert.equal(lanes.add("b", "b2"), "a3");
  assert.equal(lanes.add("c", "c1"), "a2");
  assert.equal(lanes.add("a", "a6"), "a6");
  assert.equal(drain(lanes), "a1 b1 c1 b2");
});
