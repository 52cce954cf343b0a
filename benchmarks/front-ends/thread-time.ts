/**
 * Deadlines on two threads: each thread's `performance.now` has an origin of its own, the system's
 * clock behind both is one.
 */

/** Add to this thread's time for the system's, in milliseconds. */
export function systemOffsetMs(): number {
  return Number(process.hrtime.bigint()) / 1e6 - performance.now();
}
