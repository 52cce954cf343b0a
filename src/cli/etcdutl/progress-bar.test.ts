import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../env/clock.ts";
import { ProgressBar } from "./progress-bar.ts";

test("long work shows a bar, not more often than people can read", () => {
  let nowMs = 0;
  const shown: string[] = [];
  const clock = { nowMs: () => nowMs } as Clock;
  const bar = new ProgressBar({ err: (text) => shown.push(String(text)) }, clock);
  for (nowMs = 0; nowMs < 500; nowMs += 10) bar.report("copying", nowMs, 1000);
  bar.clear();
  assert.deepEqual(shown, []);
  for (; nowMs < 700; nowMs += 10) bar.report("copying", nowMs, 1000);
  assert.equal(shown.length, 2);
  assert.match(shown[0] ?? "", /copying \[={15} {15}\] 50%$/);
  nowMs += 100;
  bar.report("reading", 5, 0);
  assert.match(shown[2] ?? "", /reading \.\.\.$/);
  bar.clear();
  assert.equal(shown[3], "\r\x1b[K");
});
