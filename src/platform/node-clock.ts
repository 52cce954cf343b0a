/** `Clock` on the machine's clocks. */
import type { Clock, Timer } from "../env/clock.ts";

/** `setTimeout` fires at once above this; longer delays are reached in steps. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

export interface NodeClockOptions {
  /** Whether the process stays alive for a timer that waits. Default: it does not. */
  readonly holdsProcess?: boolean;
}

export class NodeClock implements Clock {
  readonly #holdsProcess: boolean;

  constructor({ holdsProcess = false }: NodeClockOptions = {}) {
    this.#holdsProcess = holdsProcess;
  }

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
      const restMs = dueMs - performance.now();
      handle = setTimeout(onTimeout, Math.min(Math.max(0, Math.ceil(restMs)), MAX_TIMEOUT_MS));
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
