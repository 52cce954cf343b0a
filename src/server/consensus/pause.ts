/** Waiting on the member's clock. */
import type { Clock } from "../../env/index.ts";

/** Settles after `delayMs`, or when the signal is aborted. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = clock.setTimer(delayMs, done);
    signal.addEventListener("abort", done);
  });
}
