/**
 * When a key of the v2 store ends. Requests carry nanoseconds since 1970 in 64 bits, the document
 * and answers a date of RFC 3339: both are exact here.
 */

export interface Expiry {
  /** Whole milliseconds since 1970. */
  readonly ms: number;
  /** Nanoseconds beyond them, below a million. */
  readonly ns: number;
}

const NS_PER_MS = 1_000_000n;
/** Go's zero time, which stands for "never". */
export const NEVER_TEXT = "0001-01-01T00:00:00Z";
/** Ends before this are taken for "never": programs have sent such by mistake (etcd's rule). */
const FIRST_PLAUSIBLE_MS = Date.UTC(2000, 0, 1);

/** Of a request's field, where 0 is "never". */
export function expiryOfNanoseconds(nanoseconds: bigint): Expiry | undefined {
  if (nanoseconds === 0n) return undefined;
  return instantOfNanoseconds(nanoseconds);
}

/** Of the time of a SYNC request. */
export function instantOfNanoseconds(nanoseconds: bigint): Expiry {
  const rest = nanoseconds % NS_PER_MS;
  const ns = rest < 0n ? rest + NS_PER_MS : rest;
  return { ms: Number((nanoseconds - ns) / NS_PER_MS), ns: Number(ns) };
}

export function isPlausible({ ms }: Expiry): boolean {
  return ms >= FIRST_PLAUSIBLE_MS;
}

export function compareExpiry(a: Expiry, b: Expiry): number {
  return a.ms - b.ms || a.ns - b.ns;
}

/**
 * Seconds left, rounded up, at the wall clock's millisecond `nowMs`. The millisecond counts as over,
 * so that a TTL of whole seconds shows itself as it was given.
 */
export function secondsLeft({ ms, ns }: Expiry, nowMs: number): number {
  // Adding zero turns the -0 of a moment ago into 0.
  return Math.ceil((ms - nowMs - 1 + (ns + 1) / 1e6) / 1000) + 0;
}

/** As Go prints it in UTC: without zeros at the end of the fraction. */
export function expiryText({ ms, ns }: Expiry): string {
  const seconds = Math.floor(ms / 1000);
  const fraction = ((ms - seconds * 1000) * 1e6 + ns).toString().padStart(9, "0");
  const digits = fraction.replace(/0+$/, "");
  const date = new Date(seconds * 1000).toISOString().slice(0, -".000Z".length);
  return digits === "" ? `${date}Z` : `${date}.${digits}Z`;
}

const DATE = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;

/** Undefined for "never". Throws `SyntaxError` for what is no date of RFC 3339. */
export function expiryOfText(text: string): Expiry | undefined {
  if (text === NEVER_TEXT) return undefined;
  const match = DATE.exec(text);
  const seconds = match === null ? Number.NaN : Date.parse(`${match[1]}${match[3]}`);
  if (Number.isNaN(seconds)) throw new SyntaxError(`"${text}" is no date`);
  const fraction = Number((match?.[2] ?? "").padEnd(9, "0"));
  return { ms: seconds + Math.floor(fraction / 1e6), ns: fraction % 1e6 };
}
