/** The meaning of `key` and `range_end` in requests. */

import { latin1FromBytes } from "../../base/bytes.ts";

/** End of a range without upper bound, as `IntervalTree` has it. */
export const UNBOUNDED = "";

/**
 * Upper bound of a request's range: undefined for a single key (no range_end), `UNBOUNDED` for
 * range_end "\0", otherwise the first key above the range.
 */
export function rangeEndOf(rangeEnd: Uint8Array): string | undefined {
  if (rangeEnd.length === 0) return undefined;
  if (rangeEnd.length === 1 && rangeEnd[0] === 0) return UNBOUNDED;
  return latin1FromBytes(rangeEnd);
}
