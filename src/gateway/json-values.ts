/**
 * Cuts a stream of bytes into the JSON values in it, without parsing them: it only counts brackets
 * outside of strings. What is not JSON comes out as some value that the decoder then refuses.
 */

import { JsonError } from "./json-reader.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

export class JsonValueSplitter {
  readonly #limitBytes: number;
  #parts: Uint8Array[] = [];
  #heldBytes = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #inValue = false;

  /** A value longer than `limitBytes` is refused before it is held. */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** The values that are complete with this chunk; they may borrow it. Throws `JsonError`. */
  push(chunk: Uint8Array): Uint8Array[] {
    const values: Uint8Array[] = [];
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] as number;
      if (!this.#inValue) {
        if (isSpace(byte)) continue;
        this.#inValue = true;
        start = at;
      }
      if (!this.#endsValue(byte)) continue;
      values.push(this.#take(chunk.subarray(start, at + 1)));
    }
    if (this.#inValue) this.#hold(chunk.subarray(start));
    return values;
  }

  /** What is left at the end of the stream: a value without closing mark, or undefined. */
  end(): Uint8Array | undefined {
    return this.#inValue ? this.#take(new Uint8Array(0)) : undefined;
  }

  /** True if `byte` completes the value that is being read. */
  #endsValue(byte: number): boolean {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === BACKSLASH) this.#escaped = true;
      else if (byte === QUOTE) {
        this.#inString = false;
        return this.#depth === 0;
      }
      return false;
    }
    switch (byte) {
      case QUOTE:
        this.#inString = true;
        return false;
      case 0x7b:
      case 0x5b:
        this.#depth++;
        return false;
      case 0x7d:
      case 0x5d:
        this.#depth--;
        return this.#depth <= 0;
      default:
        return this.#depth === 0 && isSpace(byte);
    }
  }

  #hold(part: Uint8Array): void {
    this.#check(part.length);
    this.#parts.push(Uint8Array.from(part));
    this.#heldBytes += part.length;
  }

  #take(last: Uint8Array): Uint8Array {
    this.#check(last.length);
    const value = this.#parts.length === 0 ? last : Buffer.concat([...this.#parts, last]);
    this.#parts = [];
    this.#heldBytes = 0;
    this.#depth = 0;
    this.#inString = false;
    this.#escaped = false;
    this.#inValue = false;
    return value;
  }

  #check(more: number): void {
    if (this.#heldBytes + more > this.#limitBytes) {
      throw new JsonError(`JSON value larger than max (${this.#limitBytes} bytes)`);
    }
  }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
