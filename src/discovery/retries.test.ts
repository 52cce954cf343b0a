import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../env/clock.ts";
import { Retries } from "./retries.ts";

test("pauses double to 256 seconds, and begin anew behind an answer", async () => {
  const clock: Clock = {
    nowMs: () => 0,
    wallMs: () => 0,
    setTimer: (_delayMs, fire) => {
      setImmediate(fire);
      return { cancel: () => undefined };
    },
  };
  const retries = new Retries(clock);
  const announced: number[] = [];
  const pause = (): Promise<void> => retries.pause((backoffMs) => announced.push(backoffMs / 1000));
  for (let i = 0; i < 10; i++) await pause();
  retries.reset();
  await pause();
  assert.deepEqual(announced, [2, 4, 8, 16, 32, 64, 128, 256, 256, 256, 2]);
});
