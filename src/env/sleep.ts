/** Waiting on a clock. Whether the process stays alive meanwhile is the clock's matter. */
import type { Clock, Timer } from "./clock.ts";

/** Resolves not earlier than `delayMs` from now. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.setTimer(delayMs, resolve));
}

/** Calls `fire` again and again, `intervalMs` after the call before, until it is cancelled. */
export function repeat(clock: Clock, intervalMs: number, fire: () => void): Timer {
  const arm = (): Timer =>
    clock.setTimer(intervalMs, () => {
      timer = arm();
      fire();
    });
  let timer = arm();
  return { cancel: () => timer.cancel() };
}
