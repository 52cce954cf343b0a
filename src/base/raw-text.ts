/**
 * Arguments as bytes. The system passes bytes, JavaScript strings hold UTF-16: bytes of an argument
 * that are no UTF-8 are kept as lone low surrogates U+DC80 to U+DCFF (the "surrogateescape" of
 * Python's PEP 383), so that `put` stores exactly what was given.
 */
import { Buffer } from "node:buffer";

const ESCAPE_BASE = 0xdc00;
const LONE_SURROGATE = /[\udc80-\udcff]/;

/** The bytes of a text from `textOfBytes` or from anywhere else. */
export function bytesOfText(text: string): Buffer {
  if (!LONE_SURROGATE.test(text)) return Buffer.from(text, "utf8");
  const parts: Buffer[] = [];
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    const isEscape = code >= ESCAPE_BASE + 0x80 && code <= ESCAPE_BASE + 0xff;
    parts.push(isEscape ? Buffer.of(code - ESCAPE_BASE) : Buffer.from(char, "utf8"));
  }
  return Buffer.concat(parts);
}

/** Decodes UTF-8; bytes that are none become lone surrogates. */
export function textOfBytes(bytes: Uint8Array): string {
  const plain = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  if (!plain.includes("\ufffd")) return plain;
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const length = utf8LengthAt(bytes, at);
    if (length === 0) {
      text += String.fromCharCode(ESCAPE_BASE + (bytes[at] ?? 0));
      at++;
    } else {
      text += Buffer.from(bytes.subarray(at, at + length)).toString("utf8");
      at += length;
    }
  }
  return text;
}

/** Length of the well-formed UTF-8 sequence at `at` (RFC 3629, section 4); 0 if there is none. */
export function utf8LengthAt(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (at + length > bytes.length) return 0;
  for (let i = 1; i < length; i++) if (((bytes[at + i] ?? 0) & 0xc0) !== 0x80) return 0;
  const second = bytes[at + 1] ?? 0;
  if (first === 0xe0 && second < 0xa0) return 0;
  if (first === 0xed && second > 0x9f) return 0;
  if (first === 0xf0 && second < 0x90) return 0;
  if (first === 0xf4 && second > 0x8f) return 0;
  return length;
}
