/** The `grpc-timeout` field: at most eight digits and a unit. */

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ["H", 3_600_000],
  ["M", 60_000],
  ["S", 1_000],
  ["m", 1],
  ["u", 0.001],
  ["n", 0.000_001],
]);

/** Milliseconds, or undefined when malformed. */
export function parseTimeout(value: string): number | undefined {
  const digits = value.length - 1;
  if (digits < 1 || digits > 8) return undefined;
  const unitMs = UNIT_MS.get(value.charAt(digits));
  if (unitMs === undefined) return undefined;
  let amount = 0;
  for (let i = 0; i < digits; i++) {
    const digit = value.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
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
