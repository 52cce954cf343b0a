import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "../../env/testing/index.ts";
import { CALM, Links } from "./links.ts";

test("a calm direction keeps the order of its messages", () => {
  const links = new Links({ ...CALM, latencyMs: 5 }, new SeededRandom(1));
  let last = 0;
  for (let nowMs = 0; nowMs < 100; nowMs += 0.5) {
    const [delay, ...copies] = links.delivery("a", "b", nowMs);
    assert.deepEqual(copies, []);
    const arrival = nowMs + (delay ?? 0);
    assert.ok(delay !== undefined && arrival > last, `${arrival} after ${last}`);
    last = arrival;
  }
});

test("a blocked direction loses everything, the other one nothing", () => {
  const links = new Links({ ...CALM, latencyMs: 1 }, new SeededRandom(1));
  links.block("a", "b");
  assert.deepEqual(links.delivery("a", "b", 0), []);
  assert.equal(links.delivery("b", "a", 0).length, 1);
  assert.equal(links.openSinceMs("a", "b"), undefined);
  links.open("a", "b", 7);
  assert.equal(links.delivery("a", "b", 7).length, 1);
  assert.equal(links.openSinceMs("b", "a"), 7);
});

test("messages are lost, doubled and held up in the shares that were asked for", () => {
  const traits = { latencyMs: 1, loss: 0.2, duplication: 0.3, reordering: 0.25 };
  const links = new Links(traits, new SeededRandom(1));
  const sent = Array.from({ length: 4000 }, (_, i) => links.delivery("a", "b", i * 10));
  const share = (wanted: (delays: readonly number[]) => boolean) =>
    sent.filter(wanted).length / sent.length;
  const near = (actual: number, expected: number) => Math.abs(actual - expected) < 0.05;
  assert.ok(
    near(
      share((delays) => delays.length === 0),
      0.2,
    ),
  );
  assert.ok(
    near(
      share(([delay]) => delay !== undefined && delay >= 5),
      0.8 * 0.25,
    ),
  );
  assert.ok(
    near(
      share((delays) => delays.length === 2),
      0.8 * 0.75 * 0.3,
    ),
  );
});
