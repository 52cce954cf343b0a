/**
 * WebSocket framing (RFC 6455) of the server's side: masked frames in, unmasked frames out, no
 * extensions. Messages are put together from their fragments up to a limit; every breach of the
 * protocol names the close code that the RFC asks for.
 */

import { createHash } from "node:crypto";

export const Opcode = {
  CONTINUATION: 0,
  TEXT: 1,
  BINARY: 2,
  CLOSE: 8,
  PING: 9,
  PONG: 10,
} as const;

/** RFC 6455 section 7.4.1. */
export const CloseCode = {
  NORMAL: 1000,
  GOING_AWAY: 1001,
  PROTOCOL_ERROR: 1002,
  INVALID_DATA: 1007,
  TOO_BIG: 1009,
} as const;

/** RFC 6455 section 5.5: control frames carry at most 125 bytes. */
const MAX_CONTROL_BYTES = 125;
/** Fragments without content would cost work for nothing. */
const MAX_FRAGMENTS = 1024;
/** The shortest beginning that tells something. */
const MIN_FRAME_BYTES = 2;
const ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

export class WebSocketError extends Error {
  readonly closeCode: number;
  constructor(closeCode: number, message: string) {
    super(message);
    this.name = "WebSocketError";
    this.closeCode = closeCode;
  }
}

export type WebSocketEvent =
  | { readonly kind: "message"; readonly payload: Uint8Array }
  | { readonly kind: "ping"; readonly payload: Uint8Array }
  | { readonly kind: "close"; readonly code: number };

interface FrameHead {
  readonly final: boolean;
  readonly opcode: number;
  readonly length: number;
  /** Offset of the masking key; the payload comes four bytes later. */
  readonly maskAt: number;
}

export class WebSocketReader {
  readonly #limitBytes: number;
  #input: Buffer = Buffer.alloc(0);
  /** Chunks behind `#input`; joined only when enough for the next step is there. */
  #chunks: Uint8Array[] = [];
  #availableBytes = 0;
  #neededBytes = MIN_FRAME_BYTES;
  #fragments: Buffer[] = [];
  #fragmentBytes = 0;
  #isFragmented = false;
  #isText = false;

  /** A message longer than `limitBytes` is refused when its length is known. */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** The events that are complete with this chunk. Throws `WebSocketError`. */
  push(chunk: Uint8Array): WebSocketEvent[] {
    const events: WebSocketEvent[] = [];
    this.#chunks.push(chunk);
    this.#availableBytes += chunk.length;
    if (this.#availableBytes < this.#neededBytes) return events;
    this.#input = Buffer.concat([this.#input, ...this.#chunks]);
    this.#chunks = [];
    for (;;) {
      const head = this.#readHead();
      const end = head === undefined ? this.#input.length + 1 : head.maskAt + 4 + head.length;
      this.#neededBytes = Math.max(MIN_FRAME_BYTES, end);
      if (head === undefined || this.#input.length < end) break;
      const payload = unmask(this.#input, head.maskAt, end);
      this.#input = this.#input.subarray(end);
      this.#availableBytes = this.#input.length;
      const event = this.#onFrame(head, payload);
      if (event !== undefined) events.push(event);
    }
    return events;
  }

  /** Undefined until the head is complete. */
  #readHead(): FrameHead | undefined {
    const input = this.#input;
    if (input.length < 2) return undefined;
    const first = input.readUInt8(0);
    const second = input.readUInt8(1);
    if ((first & 0x70) !== 0) throw protocolError("reserved bits set without an extension");
    if ((second & 0x80) === 0) throw protocolError("frame of a client without mask");
    const opcode = first & 0x0f;
    const final = (first & 0x80) !== 0;
    const short = second & 0x7f;
    if (opcode >= 8) {
      if (!final) throw protocolError("fragmented control frame");
      if (short > MAX_CONTROL_BYTES) throw protocolError("control frame too long");
    }
    if (short < 126) return this.#head(final, opcode, short, 2);
    if (short === 126) {
      return input.length < 4 ? undefined : this.#head(final, opcode, input.readUInt16BE(2), 4);
    }
    if (input.length < 10) return undefined;
    const length = input.readBigUInt64BE(2);
    return this.#head(final, opcode, length > 0xffffffffn ? Infinity : Number(length), 10);
  }

  #head(final: boolean, opcode: number, length: number, maskAt: number): FrameHead {
    if (length + this.#fragmentBytes > this.#limitBytes) {
      throw new WebSocketError(CloseCode.TOO_BIG, "message too large");
    }
    return { final, opcode, length, maskAt };
  }

  #onFrame(head: FrameHead, payload: Buffer): WebSocketEvent | undefined {
    switch (head.opcode) {
      case Opcode.PING:
        return { kind: "ping", payload };
      case Opcode.PONG:
        return undefined;
      case Opcode.CLOSE:
        return { kind: "close", code: readCloseCode(payload) };
      case Opcode.TEXT:
      case Opcode.BINARY:
        if (this.#isFragmented) throw protocolError("new message inside of a fragmented one");
        this.#isText = head.opcode === Opcode.TEXT;
        break;
      case Opcode.CONTINUATION:
        if (!this.#isFragmented) throw protocolError("continuation without a beginning");
        break;
      default:
        throw protocolError(`unknown opcode ${head.opcode}`);
    }
    this.#fragments.push(payload);
    this.#fragmentBytes += payload.length;
    this.#isFragmented = !head.final;
    if (!head.final) {
      if (this.#fragments.length > MAX_FRAGMENTS) throw protocolError("too many fragments");
      return undefined;
    }
    const message = this.#fragments.length === 1 ? payload : Buffer.concat(this.#fragments);
    this.#fragments = [];
    this.#fragmentBytes = 0;
    if (this.#isText) checkUtf8(message);
    return { kind: "message", payload: message };
  }
}

/** One unfragmented frame of the server. */
export function encodeFrame(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const headBytes = length < 126 ? 2 : length <= 0xffff ? 4 : 10;
  const frame = Buffer.allocUnsafe(headBytes + length);
  frame[0] = 0x80 | opcode;
  if (headBytes === 2) frame[1] = length;
  else if (headBytes === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.set(payload, headBytes);
  return frame;
}

export function encodeClose(code: number): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return encodeFrame(Opcode.CLOSE, payload);
}

/** `Sec-WebSocket-Accept` for a client's key. */
export function acceptKey(key: string): string {
  return createHash("sha1").update(`${key}${ACCEPT_GUID}`).digest("base64");
}

function protocolError(message: string): WebSocketError {
  return new WebSocketError(CloseCode.PROTOCOL_ERROR, message);
}

function unmask(input: Buffer, maskAt: number, end: number): Buffer {
  const payload = Buffer.from(input.subarray(maskAt + 4, end));
  for (let i = 0; i < payload.length; i++) {
    payload[i] = (payload[i] as number) ^ (input[maskAt + (i & 3)] as number);
  }
  return payload;
}

function readCloseCode(payload: Buffer): number {
  if (payload.length === 0) return CloseCode.NORMAL;
  if (payload.length === 1) throw protocolError("close frame with half a code");
  const code = payload.readUInt16BE(0);
  const isKnown = code >= 1000 && code <= 1014 && (code < 1004 || code > 1006);
  if (!isKnown && (code < 3000 || code > 4999)) throw protocolError(`bad close code ${code}`);
  checkUtf8(payload.subarray(2));
  return code;
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function checkUtf8(payload: Uint8Array): void {
  try {
    strictUtf8.decode(payload);
  } catch {
    throw new WebSocketError(CloseCode.INVALID_DATA, "text is not valid UTF-8");
  }
}
