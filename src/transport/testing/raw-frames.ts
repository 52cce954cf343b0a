/** Raw HTTP/2 frames for tests: written byte by byte, read back, no state machine in between. */
import { PREFACE } from "../http2/constants.ts";
import { HpackDecoder } from "../http2/hpack-decoder.ts";
import type { HeaderBlock } from "../http2/header-block.ts";

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, id: number, payload?: Uint8Array): Buffer {
  const length = payload?.length ?? 0;
  const bytes = Buffer.alloc(9 + length);
  bytes.writeUIntBE(length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(id, 5);
  if (payload !== undefined) bytes.set(payload, 9);
  return bytes;
}

export const END_STREAM = 1;
export const END_HEADERS = 4;
export const ACK = 1;

export const data = (id: number, body: Uint8Array | string, flags = 0): Buffer =>
  frame(0, flags, id, Buffer.from(body as string));

export const headers = (id: number, block: Uint8Array, flags = END_HEADERS): Buffer =>
  frame(1, flags, id, block);

export const priority = (id: number, length = 5): Buffer => frame(2, 0, id, Buffer.alloc(length));

export const continuation = (id: number, block: Uint8Array, flags = 0): Buffer =>
  frame(9, flags, id, block);

export const ping = (flags = 0, text = "12345678"): Buffer => frame(6, flags, 0, Buffer.from(text));

export const rst = (id: number, code = 8): Buffer => frame(3, 0, id, uint32(code));

export const windowUpdate = (id: number, bytes: number): Buffer => frame(8, 0, id, uint32(bytes));

export function settings(values: Readonly<Record<number, number>> = {}): Buffer {
  const entries = Object.entries(values);
  const payload = Buffer.alloc(entries.length * 6);
  entries.forEach(([id, value], i) => {
    payload.writeUInt16BE(Number(id), i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  });
  return frame(4, 0, 0, payload);
}

export const SETTINGS_ACK: Buffer = frame(4, ACK, 0);

/** What a client sends first, and its answer to our SETTINGS. */
export const HELLO: Buffer = Buffer.concat([PREFACE, settings(), SETTINGS_ACK]);

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** A header block of literals that touch no table. */
export function block(
  fields: Readonly<Record<string, string>> | readonly [string, string][],
): Buffer {
  const parts: Buffer[] = [];
  const pairs = Array.isArray(fields) ? fields : Object.entries(fields);
  for (const [name, value] of pairs as [string, string][]) {
    parts.push(Buffer.from([0]), literal(name), literal(value));
  }
  return Buffer.concat(parts);
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  const length: number[] = [];
  if (bytes.length < 127) {
    length.push(bytes.length);
  } else {
    length.push(127);
    let rest = bytes.length - 127;
    for (; rest >= 128; rest >>>= 7) length.push((rest & 127) | 128);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}

export const GRPC_HEAD = {
  ":method": "POST",
  ":scheme": "http",
  ":path": "/test.Echo/Echo",
  ":authority": "a",
  "content-type": "application/grpc",
  te: "trailers",
};

export function grpcHead(method: string, more: Readonly<Record<string, string>> = {}): Buffer {
  return block({ ...GRPC_HEAD, ":path": `/test.Echo/${method}`, ...more });
}

/** A gRPC message with its prefix. */
export function message(body: Uint8Array | string): Buffer {
  const bytes = Buffer.from(body as string);
  return Buffer.concat([Buffer.from([0]), uint32(bytes.length), bytes]);
}

/** A whole unary request. */
export function call(id: number, body: string, method = "Echo"): Buffer {
  return Buffer.concat([headers(id, grpcHead(method)), data(id, message(body), END_STREAM)]);
}

/** Cuts output into frames; bytes of an unfinished frame wait for the next push. */
export class FrameParser {
  #rest: Buffer = Buffer.alloc(0);
  readonly #hpack = new HpackDecoder();

  push(bytes: Uint8Array): Frame[] {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    const frames: Frame[] = [];
    while (this.#rest.length >= 9) {
      const end = 9 + this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < end) break;
      frames.push({
        type: this.#rest[3] ?? 0,
        flags: this.#rest[4] ?? 0,
        id: this.#rest.readUInt32BE(5),
        payload: this.#rest.subarray(9, end),
      });
      this.#rest = this.#rest.subarray(end);
    }
    return frames;
  }

  /** Every header frame must be decoded once, in order. */
  decode(frame: Frame): HeaderBlock {
    const decoded = this.#hpack.decode(frame.payload, 0, frame.payload.length);
    if (decoded === undefined) throw new Error("our own header block is malformed");
    return decoded;
  }
}
