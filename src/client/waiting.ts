/** Waiting that ends early: by a signal, by a deadline, or because the client is closed. */
import { setMaxListeners } from "node:events";
import type { Clock, Timer } from "../env/clock.ts";
import { abortedError, deadlineError } from "./errors.ts";

/** What bounds a call: made once, shared by all its attempts. */
export interface Limits {
  /** On the clock's scale; infinity for none. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Calls `listener` when the signal fires; returns how to take that back. */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal === undefined) return () => undefined;
  // Node 20 takes eleven calls that share a signal for a leak, and says so on stderr.
  setMaxListeners(0, signal);
  signal.addEventListener("abort", listener, { once: true });
  return () => signal.removeEventListener("abort", listener);
}

/**
 * Settles as `promise` does, unless a limit is hit first: then rejects with kind "aborted" or
 * "deadlineExceeded", and `promise` goes on unobserved. `lastError` tells why it took so long.
 */
export function within<T>(
  promise: Promise<T>,
  limits: Limits,
  clock: Clock,
  lastError?: () => unknown,
): Promise<T> {
  const { deadlineMs, signal } = limits;
  if (signal === undefined && deadlineMs === Number.POSITIVE_INFINITY) return promise;
  if (signal?.aborted === true) {
    promise.catch(() => undefined);
    return Promise.reject(abortedError(signal.reason));
  }
  return new Promise((resolve, reject) => {
    let timer: Timer | undefined;
    const finish = (settle: () => void): void => {
      timer?.cancel();
      forget();
      settle();
    };
    const forget = onAbort(signal, () => finish(() => reject(abortedError(signal?.reason))));
    if (deadlineMs !== Number.POSITIVE_INFINITY) {
      timer = clock.setTimer(Math.max(0, deadlineMs - clock.nowMs()), () =>
        finish(() => reject(deadlineError(lastError?.()))),
      );
    }
    promise.then(
      (value) => finish(() => resolve(value)),
      (error: unknown) => finish(() => reject(error)),
    );
  });
}

/** Resolves after a pause; rejects at once when `signal` fires, with kind "aborted". */
export function pause(
  delayMs: number,
  clock: Clock,
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(abortedError(signal.reason));
      return;
    }
    const forget = onAbort(signal, () => {
      timer.cancel();
      reject(abortedError(signal?.reason));
    });
    const timer = clock.setTimer(delayMs, () => {
      forget();
      resolve();
    });
  });
}
