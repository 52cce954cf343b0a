/**
 * What threads tell each other about calls: records, one behind the other, in one piece of memory
 * for each message. A record begins with a word of its kind and the slot of its call; both threads
 * keep a call under the same slot, of 24 bits. Numbers are little-endian.
 *
 * The thread of the connection takes a slot by `unary` or `stream`, and has it until the main thread
 * has said its last about the call: `reply`, `fail`, `finish`, `sourceEnd`, `sourceFail` or `gone`. So a
 * record about a call that has ended meanwhile is never taken for one about the next call there.
 */

/** From the thread of connections to the main thread. */
export const TO_MAIN = {
  /** Who calls: words under an id in place of a slot, which later records name. */
  caller: 1,
  /** All ids of callers are free again. */
  forgetCallers: 2,
  unary: 3,
  stream: 4,
  message: 5,
  halfClose: 6,
  cancel: 7,
  /** So many bytes of a stream's messages have left, or wait below the low-water mark. */
  released: 8,
  /** A piece of so many bytes of a large answer has been taken. */
  pieceTaken: 9,
  closeSource: 10,
} as const;

/** From the main thread to that of connections. */
export const TO_FRONT = {
  reply: 1,
  fail: 2,
  /** A large answer begins: its bytes, and what it holds. */
  source: 3,
  piece: 4,
  sourceEnd: 5,
  sourceFail: 6,
  send: 7,
  finish: 8,
  pause: 9,
  resume: 10,
  /** Nothing follows for a call that was cancelled. */
  gone: 11,
  /** Messages of a stream that differ in the middle. */
  series: 12,
} as const;

/** At the front of a message: how many bytes of the other side's messages were dealt with. */
const HEAD_BYTES = 8;
/** Messages of a turn that is not busy fit, and are copied into memory of their size. */
const SLAB_BYTES = 65_536;

/** Gathers the records of one turn. */
export class RecordWriter {
  #bytes = Buffer.allocUnsafeSlow(SLAB_BYTES);
  #view = viewOf(this.#bytes);
  #at = HEAD_BYTES;

  get isEmpty(): boolean {
    return this.#at === HEAD_BYTES;
  }

  get length(): number {
    return this.#at;
  }

  begin(kind: number, slot: number): void {
    this.#need(4);
    this.#view.setUint32(this.#at, kind | (slot << 8), true);
    this.#at += 4;
  }

  u32(value: number): void {
    this.#need(4);
    this.#view.setUint32(this.#at, value, true);
    this.#at += 4;
  }

  f64(value: number): void {
    this.#need(8);
    this.#view.setFloat64(this.#at, value, true);
    this.#at += 8;
  }

  /** Copies the parts of one message, which have so many bytes together. */
  parts(parts: readonly Uint8Array[], length: number): void {
    this.#need(4 + length);
    this.#view.setUint32(this.#at, length, true);
    this.#at += 4;
    for (const part of parts) {
      this.#bytes.set(part, this.#at);
      this.#at += part.length;
    }
  }

  bytes(bytes: Uint8Array): void {
    this.#need(4 + bytes.length);
    this.#view.setUint32(this.#at, bytes.length, true);
    this.#bytes.set(bytes, this.#at + 4);
    this.#at += 4 + bytes.length;
  }

  text(text: string): void {
    this.bytes(Buffer.from(text, "utf8"));
  }

  /** The message, in memory that holds nothing else. */
  take(dealtWith: number): Buffer<ArrayBuffer> {
    this.#view.setFloat64(0, dealtWith, true);
    const message = this.#bytes.subarray(0, this.#at);
    this.#at = HEAD_BYTES;
    if (this.#bytes.length === SLAB_BYTES) {
      const copy = Buffer.allocUnsafeSlow(message.length);
      copy.set(message);
      return copy;
    }
    this.#replace(SLAB_BYTES);
    return message;
  }

  #need(length: number): void {
    const needed = this.#at + length;
    if (needed <= this.#bytes.length) return;
    const old = this.#bytes;
    this.#replace(Math.max(needed, old.length * 2));
    this.#bytes.set(old.subarray(0, this.#at));
  }

  #replace(length: number): void {
    this.#bytes = Buffer.allocUnsafeSlow(length);
    this.#view = viewOf(this.#bytes);
  }
}

/** Reads the records of one message, which the sender made by a `RecordWriter`. */
export class RecordReader {
  kind = 0;
  slot = 0;
  /** How many bytes of this side's messages the other has dealt with. */
  readonly dealtWith: number;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #at = HEAD_BYTES;

  constructor(message: Uint8Array) {
    this.#bytes = Buffer.from(message.buffer, message.byteOffset, message.length);
    this.#view = viewOf(this.#bytes);
    this.dealtWith = this.#view.getFloat64(0, true);
  }

  /** Goes to the next record; false behind the last. */
  next(): boolean {
    if (this.#at === this.#bytes.length) return false;
    const word = this.u32();
    this.kind = word & 0xff;
    this.slot = word >>> 8;
    return true;
  }

  u32(): number {
    const value = this.#view.getUint32(this.#at, true);
    this.#at += 4;
    return value;
  }

  f64(): number {
    const value = this.#view.getFloat64(this.#at, true);
    this.#at += 8;
    return value;
  }

  /** A part of the message, which nobody writes to any more. */
  bytes(): Buffer {
    const length = this.u32();
    const from = this.#at;
    this.#at += length;
    return this.#bytes.subarray(from, this.#at);
  }

  text(): string {
    return this.bytes().toString("utf8");
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
