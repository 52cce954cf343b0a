/** The machine's monotonic clock, whose origin all processes share, unlike that of `performance`. */

/** Milliseconds, to the microsecond. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}
