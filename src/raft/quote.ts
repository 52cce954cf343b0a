/** Bytes as a double-quoted literal in Go's style (`%q`): UTF-8 where printable, else escapes. */
import { viewAsBuffer } from "../base/bytes.ts";

const ESCAPES: ReadonlyMap<number, string> = new Map([
  [0x07, "\\a"],
  [0x08, "\\b"],
  [0x09, "\\t"],
  [0x0a, "\\n"],
  [0x0b, "\\v"],
  [0x0c, "\\f"],
  [0x0d, "\\r"],
  [0x22, '\\"'],
  [0x5c, "\\\\"],
]);

/** Letters, marks, numbers, punctuation, symbols, and the ASCII space; nothing invisible. */
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

export function quoteBytes(bytes: Uint8Array): string {
  const buffer = viewAsBuffer(bytes);
  let text = '"';
  for (let at = 0; at < buffer.length; ) {
    const length = sequenceLength(buffer, at);
    if (length === 0) {
      text += `\\x${(buffer[at] as number).toString(16).padStart(2, "0")}`;
      at++;
      continue;
    }
    text += quoteRune(buffer.toString("utf8", at, at + length));
    at += length;
  }
  return `${text}"`;
}

function quoteRune(rune: string): string {
  const code = rune.codePointAt(0) as number;
  const escaped = ESCAPES.get(code);
  if (escaped !== undefined) return escaped;
  if (PRINTABLE.test(rune)) return rune;
  const hex = code.toString(16);
  if (code < 0x80) return `\\x${hex.padStart(2, "0")}`;
  return code < 0x1_0000 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}

/** Length of the UTF-8 sequence at `at`, or 0 when there is no valid one. */
function sequenceLength(buffer: Buffer, at: number): number {
  const first = buffer[at] as number;
  const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (length <= 1) return length;
  if (first > 0xf4 || at + length > buffer.length) return 0;
  const sequence = buffer.subarray(at, at + length);
  // Decoding replaces what is not valid, so only valid bytes come back as they were.
  return Buffer.from(sequence.toString("utf8"), "utf8").equals(sequence) ? length : 0;
}
