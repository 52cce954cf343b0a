/**
 * The default clock of a client. Unlike the server's, its timers keep the process alive: a program
 * that awaits a call during a pause between two attempts must not end in the middle. Every timer
 * is cancelled when its call ends or the client is closed.
 */
import type { Clock, Timer } from "../env/clock.ts";

/** `setTimeout` fires at once above this; longer delays are reached in steps. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

export class ProcessClock implements Clock {
  nowMs(): number {
    return performance.now();
  }

  wallMs(): number {
    return Date.now();
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const dueMs = performance.now() + delayMs;
    let handle: NodeJS.Timeout;
    const arm = (): void => {
      const restMs = Math.max(0, Math.ceil(dueMs - performance.now()));
      handle = setTimeout(onTimeout, Math.min(restMs, MAX_TIMEOUT_MS));
    };
    // libuv's clock is cached per turn of the loop, so a timeout may come up to 1 ms early.
    const onTimeout = (): void => {
      if (performance.now() < dueMs) arm();
      else fire();
    };
    arm();
    return { cancel: () => clearTimeout(handle) };
  }
}
