/** The `grpc-timeout` field: at most eight digits and a unit. */

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ["H", 3_600_000],
  ["M", 60_000],
  ["S", 1_000],
  ["m", 1],
  ["u", 0.001],
  ["n", 0.000_001],
]);

/** Below it a deadline has passed before anybody can look: the smallest unit that clients use. */
export const SHORTEST_TIMEOUT_MS = 0.001;

/** Milliseconds, or why the value is malformed, in grpc-go's words. */
export function parseTimeout(value: string): number | string {
  const digits = value.length - 1;
  if (digits < 1) return `transport: timeout string is too short: ${JSON.stringify(value)}`;
  if (digits > 8) return `transport: timeout string is too long: ${JSON.stringify(value)}`;
  const unitMs = UNIT_MS.get(value.charAt(digits));
  if (unitMs === undefined) {
    return `transport: timeout unit is not recognized: ${JSON.stringify(value)}`;
  }
  let amount = 0;
  for (let i = 0; i < digits; i++) {
    const digit = value.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) {
      return `strconv.ParseUint: parsing ${JSON.stringify(value.slice(0, digits))}: invalid syntax`;
    }
    amount = amount * 10 + digit;
  }
  return amount * unitMs;
}

/** The shortest exact-enough form, rounded up so that a server never gives up early. */
export function formatTimeout(ms: number): string {
  const clamped = Math.max(ms, 0);
  if (clamped < 100_000) return `${Math.ceil(clamped * 1000)}u`;
  if (clamped < 100_000_000) return `${Math.ceil(clamped)}m`;
  return `${Math.min(Math.ceil(clamped / 1000), 99_999_999)}S`;
}
