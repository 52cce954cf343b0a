import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { extname } from "node:path";
import { test } from "node:test";
import { SystemClock } from "./system-clock.ts";

const DAY_MS = 86_400_000;

test("a timer fires once and not before its time", async () => {
  const clock = new SystemClock({ holdsProcess: true });
  const start = clock.nowMs();
  let fired = 0;
  await new Promise<void>((resolve) => {
    clock.setTimer(5, () => {
      fired++;
      resolve();
    });
    clock
      .setTimer(1, () => {
        fired += 10;
      })
      .cancel();
  });
  assert.ok(clock.nowMs() - start >= 5);
  assert.equal(fired, 1);
});

// `setTimeout` takes more than 2^31-1 ms for 1 ms: a timer of 30 days fired at once, found that its
// time had not come, and was set anew, a thousand times a second.
for (const [name, delayMs] of [
  ["2^31 ms", 2 ** 31],
  ["30 days", 30 * DAY_MS],
  ["2^53 ms", 2 ** 53],
  ["for ever", Number.POSITIVE_INFINITY],
] as const) {
  test(`a timer of ${name} waits without waking up in between`, async (t) => {
    const clock = new SystemClock({ holdsProcess: true });
    const real = globalThis.setTimeout;
    const delays: number[] = [];
    t.after(() => {
      globalThis.setTimeout = real;
    });
    globalThis.setTimeout = ((fire: () => void, ms: number) => {
      delays.push(ms);
      return real(fire, ms);
    }) as typeof setTimeout;
    const timer = clock.setTimer(delayMs, () => assert.fail("it fired"));
    await new Promise<void>((resolve) => real(resolve, 20));
    timer.cancel();
    assert.deepEqual(delays, [2 ** 31 - 1]);
  });
}

test("a process waits for its timers only if they hold it", () => {
  const url = new URL(`./system-clock${extname(import.meta.url)}`, import.meta.url);
  const module = JSON.stringify(url.href);
  const run = (holdsProcess: boolean): string => {
    const script = `import { SystemClock } from ${module};
      new SystemClock({ holdsProcess: ${holdsProcess} }).setTimer(50, () => console.log("fired"));`;
    return spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
    }).stdout;
  };
  assert.equal(run(true), "fired\n");
  assert.equal(run(false), "");
});
