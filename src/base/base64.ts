/** Where base64 text is broken, as Go counts it; Node's decoder forgives everything. */

const PAD = 0x3d;

function isDigit(code: number): boolean {
  return (
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x2b ||
    code === 0x2f
  );
}

/**
 * Index of the first byte that makes a binary metadata value malformed, or -1. Such a value may
 * leave its padding out; one whose length is a multiple of four is held to the rules of padding.
 */
export function base64Fault(text: string): number {
  const { length } = text;
  const padded = length % 4 === 0;
  let at = 0;
  while (at < length && isDigit(text.charCodeAt(at))) at++;
  const digits = at % 4;
  if (at === length) return digits === 1 ? at - 1 : -1;
  if (!padded || text.charCodeAt(at) !== PAD || digits < 2) return at;
  if (digits === 2 && text.charCodeAt(at + 1) !== PAD) return at;
  const end = at + 4 - digits;
  return end < length ? end : -1;
}
