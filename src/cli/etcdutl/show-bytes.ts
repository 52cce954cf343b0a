/** Keys and values for people: printable text as it is, everything else escaped; one line. */
import { quote } from "../../base/go-quote.ts";

/** Longer texts are cut, with their full length behind. */
const MAX_SHOWN_BYTES = 256;

export function showBytes(bytes: Uint8Array, maxBytes: number = MAX_SHOWN_BYTES): string {
  if (bytes.length <= maxBytes) return quote(bytes);
  return `${quote(bytes.subarray(0, maxBytes))}... (${bytes.length} bytes)`;
}
