import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "../../env/testing/seeded-random.ts";
import { EndpointChoice, type TcpEndpoint } from "./endpoint-choice.ts";

function endpoint(host: string, priority = 0, weight = 0): TcpEndpoint {
  return { host, port: 1, priority, weight };
}

function picks(endpoints: readonly TcpEndpoint[], count: number): Map<string, number> {
  const choice = new EndpointChoice(new SeededRandom(7));
  const counts = new Map<string, number>();
  for (let i = 0; i < count; i++) {
    const host = choice.next(endpoints)?.host ?? "none";
    counts.set(host, (counts.get(host) ?? 0) + 1);
  }
  return counts;
}

test("endpoints without weights take turns", () => {
  const choice = new EndpointChoice(new SeededRandom(1));
  const all = [endpoint("a"), endpoint("b"), endpoint("c")];
  const order = Array.from({ length: 6 }, () => choice.next(all)?.host);
  assert.deepEqual(order, ["a", "b", "c", "a", "b", "c"]);
});

test("only the best priority gets connections, whether it has weights or not", () => {
  assert.deepEqual(
    [...picks([endpoint("a", 2), endpoint("b", 1), endpoint("c", 1)], 10)],
    [
      ["b", 5],
      ["c", 5],
    ],
  );
  assert.deepEqual([...picks([endpoint("a", 2, 9), endpoint("b", 1, 1)], 10)], [["b", 10]]);
});

test("connections follow the weights, and a weight of 0 gets about one in a hundred", () => {
  const counts = picks([endpoint("a", 0, 3), endpoint("b", 0, 1), endpoint("c", 0, 0)], 10_000);
  const [a = 0, b = 0, c = 0] = ["a", "b", "c"].map((host) => counts.get(host));
  assert.ok(a > 7_100 && a < 7_700, `a: ${a}`);
  assert.ok(b > 2_200 && b < 2_800, `b: ${b}`);
  assert.ok(c > 50 && c < 200, `c: ${c}`);
});

test("nobody is alive", () => {
  assert.equal(new EndpointChoice(new SeededRandom(1)).next([]), undefined);
});
