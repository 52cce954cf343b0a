/**
 * `Clock` on the machine's clocks: the only place that hands a duration to `setTimeout`. It needs
 * no `node:` module, so that transport, client and platform share it.
 */
import type { Clock, Timer } from "./clock.ts";

/** `setTimeout` fires at once above this; longer delays are reached in steps. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

export interface SystemClockOptions {
  /**
   * Whether the process stays alive for a timer that waits. A server's does not; that of a program
   * that awaits a pause between two attempts does. Default false.
   */
  readonly holdsProcess?: boolean;
}

export class SystemClock implements Clock {
  readonly #holdsProcess: boolean;

  constructor({ holdsProcess = false }: SystemClockOptions = {}) {
    this.#holdsProcess = holdsProcess;
  }

  nowMs(): number {
    return performance.now();
  }

  wallMs(): number {
    return Date.now();
  }

  /** Any delay will do: one of 30 days waits as long, an infinite one never ends. */
  setTimer(delayMs: number, fire: () => void): Timer {
    const dueMs = performance.now() + delayMs;
    let handle: NodeJS.Timeout;
    const arm = (): void => {
      const restMs = Math.ceil(dueMs - performance.now());
      handle = setTimeout(onTimeout, Math.min(Math.max(0, restMs), MAX_TIMEOUT_MS));
      if (!this.#holdsProcess) handle.unref();
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
