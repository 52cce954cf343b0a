/**
 * The client half of one HTTP/2 connection, as cheap as a load generator needs it: no priorities,
 * no header table, large windows, one write per turn. Honours the server's flow control. All
 * connections read to one piece of memory, and bodies are counted as they come: an answer costs the
 * processors, which the server has its share of, no memory and no copy.
 *
 * Not a client for anything else: the peer is believed, and errors end the connection.
 */
import { connect, type Socket } from "node:net";
import { connect as tlsConnect } from "node:tls";
import { HpackDecoder } from "../../src/transport/http2/hpack-decoder.ts";
import { type RequestTemplates, writeDigits } from "./requests.ts";

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEADER_BYTES = 9;
const WINDOW_BYTES = 2 ** 31 - 1;
const INITIAL_WINDOW_BYTES = 65_535;
const OUTPUT_BYTES = 256 * 1024;
const INPUT_BYTES = 128 * 1024;

const TYPE = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, window: 8 } as const;
const FLAG_ACK = 1;
const FLAG_END_STREAM = 1;
const FLAG_PADDED = 8;
const SETTING_HEADER_TABLE_SIZE = 1;
const SETTING_INITIAL_WINDOW_SIZE = 4;
const CANCELLED = -1;

/** What was read last, until it has been handled. */
const input: Buffer = Buffer.allocUnsafeSlow(INPUT_BYTES);

export interface LoadHandlers {
  /** A call ended with a gRPC status (0: fine; -1: reset). */
  onEnd(stream: number, status: number, nowMs: number): void;
  /** Bytes of a call's answer. Borrowed until the handler returns. */
  onData?(stream: number, chunk: Buffer, start: number, end: number, nowMs: number): void;
  onClose(error: Error): void;
}

export class LoadConnection {
  readonly #socket: Socket;
  readonly #handlers: LoadHandlers;
  readonly #hpack = new HpackDecoder();
  #out: Buffer = Buffer.allocUnsafe(OUTPUT_BYTES);
  #outAt = 0;
  /** The beginning of a frame, of a copy of its own. */
  #rest: Buffer | undefined;
  /** The DATA frame whose rest comes next: how much that is, and which flags it has. */
  #dataLeft = 0;
  #dataStream = 0;
  #dataFlags = 0;
  #nextStream = 1;
  #sendWindow = INITIAL_WINDOW_BYTES;
  #received = 0;
  #isInTurn = false;
  #isClosed = false;
  readonly #waiting: (() => void)[] = [];

  constructor(port: number, handlers: LoadHandlers, isSecure = false) {
    this.#handlers = handlers;
    const where = { port, host: "127.0.0.1", noDelay: true };
    const callback = (bytes: number): boolean => {
      this.#receive(input.subarray(0, bytes));
      return true;
    };
    this.#socket = isSecure
      ? tlsConnect({ ...where, ALPNProtocols: ["h2"], rejectUnauthorized: false })
      : connect({ ...where, onread: { buffer: input, callback } });
    if (isSecure) this.#socket.on("data", (chunk) => this.#receive(chunk));
    this.#socket.on("error", (error) => this.#fail(error));
    this.#socket.on("close", () => this.#fail(new Error("the server closed the connection")));
    this.#hello();
  }

  /** Starts a call; returns the number of its stream. `n` becomes the key's digits. */
  call({ first, next }: RequestTemplates, n: number): number {
    const stream = this.#nextStream;
    const template = stream === 1 ? first : next;
    this.#nextStream += 2;
    const send = (): void => {
      const at = this.#append(template.frames);
      for (const id of template.streamIdAt) this.#out.writeUInt32BE(stream, at + id);
      let key = n;
      for (const digits of template.digitsAt) {
        writeDigits(this.#out, at + digits, key);
        key += template.keyStep;
      }
    };
    this.#send(template.dataBytes, send);
    return stream;
  }

  /** Starts a call that stays open; `messages` are DATA frames without END_STREAM. */
  open(headers: Buffer): number {
    const stream = this.#nextStream;
    this.#nextStream += 2;
    this.#send(0, () => this.#out.writeUInt32BE(stream, this.#append(headers) + 5));
    return stream;
  }

  /** Sends a DATA frame on an open call. */
  message(stream: number, frame: Buffer): void {
    this.#send(frame.length - FRAME_HEADER_BYTES, () => {
      this.#out.writeUInt32BE(stream, this.#append(frame) + 5);
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#socket.destroy();
  }

  #hello(): void {
    const settings = Buffer.alloc(FRAME_HEADER_BYTES + 12);
    settings.writeUIntBE(12, 0, 3);
    settings[3] = TYPE.settings;
    settings.writeUInt16BE(SETTING_HEADER_TABLE_SIZE, 9);
    settings.writeUInt32BE(0, 11);
    settings.writeUInt16BE(SETTING_INITIAL_WINDOW_SIZE, 15);
    settings.writeUInt32BE(WINDOW_BYTES, 17);
    this.#append(Buffer.from(PREFACE, "latin1"));
    this.#append(settings);
    this.#windowUpdate(WINDOW_BYTES - INITIAL_WINDOW_BYTES);
    this.#flush();
  }

  #send(dataBytes: number, write: () => void): void {
    if (this.#sendWindow < dataBytes || this.#waiting.length > 0) {
      this.#waiting.push(() => this.#send(dataBytes, write));
      return;
    }
    this.#sendWindow -= dataBytes;
    write();
    if (!this.#isInTurn) this.#flush();
  }

  /** Makes room for the bytes and copies them; returns where they begin. */
  #append(bytes: Buffer): number {
    if (this.#outAt + bytes.length > this.#out.length) this.#flush();
    const at = this.#outAt;
    bytes.copy(this.#out, at);
    this.#outAt = at + bytes.length;
    return at;
  }

  #flush(): void {
    if (this.#outAt === 0 || this.#isClosed) return;
    const filled = this.#out.subarray(0, this.#outAt);
    this.#socket.write(filled);
    // Node may still hold what the kernel did not take at once.
    if (this.#socket.writableLength > 0) this.#out = Buffer.allocUnsafe(OUTPUT_BYTES);
    this.#outAt = 0;
  }

  #fail(error: Error): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#handlers.onClose(error);
  }

  /** Takes in bytes of the server, which are borrowed. */
  #receive(chunk: Buffer): void {
    const nowMs = performance.now();
    const buffer = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#isInTurn = true;
    let at = this.#dataLeft === 0 ? 0 : this.#moreData(buffer, 0, nowMs);
    while (buffer.length - at >= FRAME_HEADER_BYTES) {
      const end = at + FRAME_HEADER_BYTES + buffer.readUIntBE(at, 3);
      if (end <= buffer.length) {
        this.#frame(buffer, at, end, nowMs);
        at = end;
      } else if (buffer[at + 3] === TYPE.data && ((buffer[at + 4] ?? 0) & FLAG_PADDED) === 0) {
        this.#dataStream = buffer.readUInt32BE(at + 5) & 0x7fffffff;
        this.#dataFlags = buffer[at + 4] ?? 0;
        this.#dataLeft = end - at - FRAME_HEADER_BYTES;
        at = this.#moreData(buffer, at + FRAME_HEADER_BYTES, nowMs);
      } else break;
    }
    this.#rest = at === buffer.length ? undefined : Buffer.from(buffer.subarray(at));
    if (this.#received > WINDOW_BYTES / 2) {
      this.#windowUpdate(this.#received);
      this.#received = 0;
    }
    this.#isInTurn = false;
    this.#flush();
  }

  /** Takes what is there of a DATA frame without padding; returns where that ends. */
  #moreData(buffer: Buffer, at: number, nowMs: number): number {
    const end = Math.min(at + this.#dataLeft, buffer.length);
    this.#dataLeft -= end - at;
    this.#data(this.#dataStream, buffer, at, end, nowMs);
    if (this.#dataLeft === 0 && (this.#dataFlags & FLAG_END_STREAM) !== 0) {
      this.#handlers.onEnd(this.#dataStream, CANCELLED, nowMs);
    }
    return end;
  }

  #data(stream: number, buffer: Buffer, start: number, end: number, nowMs: number): void {
    this.#received += end - start;
    if (end > start) this.#handlers.onData?.(stream, buffer, start, end, nowMs);
  }

  #frame(buffer: Buffer, at: number, end: number, nowMs: number): void {
    const flags = buffer[at + 4] ?? 0;
    const stream = buffer.readUInt32BE(at + 5) & 0x7fffffff;
    const payload = at + FRAME_HEADER_BYTES;
    switch (buffer[at + 3]) {
      case TYPE.data:
        if (flags & FLAG_PADDED) {
          const padding = buffer[payload] ?? 0;
          this.#received += padding + 1;
          this.#data(stream, buffer, payload + 1, end - padding, nowMs);
        } else this.#data(stream, buffer, payload, end, nowMs);
        if (flags & FLAG_END_STREAM) this.#handlers.onEnd(stream, CANCELLED, nowMs);
        return;
      case TYPE.headers:
        if (flags & FLAG_END_STREAM) {
          this.#handlers.onEnd(stream, this.#statusOf(buffer, payload, end), nowMs);
        } else {
          this.#hpack.decode(buffer, payload, end);
        }
        return;
      case TYPE.reset:
        this.#handlers.onEnd(stream, CANCELLED, nowMs);
        return;
      case TYPE.settings:
        if ((flags & FLAG_ACK) === 0) this.#append(Buffer.from([0, 0, 0, 4, 1, 0, 0, 0, 0]));
        return;
      case TYPE.ping:
        if ((flags & FLAG_ACK) === 0) this.#answerPing(buffer, payload, end);
        return;
      case TYPE.window:
        if (stream === 0) this.#grow(buffer.readUInt32BE(payload) & 0x7fffffff);
        return;
      case TYPE.goAway:
        this.#fail(new Error(`GOAWAY, code ${buffer.readUInt32BE(payload + 4)}`));
        return;
      default:
    }
  }

  #answerPing(buffer: Buffer, start: number, end: number): void {
    this.#append(
      Buffer.concat([
        Buffer.from([0, 0, 8, TYPE.ping, FLAG_ACK, 0, 0, 0, 0]),
        buffer.subarray(start, end),
      ]),
    );
  }

  #grow(bytes: number): void {
    this.#sendWindow += bytes;
    const waiting = this.#waiting.splice(0);
    for (const send of waiting) send();
  }

  #windowUpdate(bytes: number): void {
    const update = Buffer.from([0, 0, 4, TYPE.window, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    update.writeUInt32BE(bytes, FRAME_HEADER_BYTES);
    this.#append(update);
  }

  /** The gRPC status of a block of trailers; the decoder hands out one object per block. */
  #statusOf(buffer: Buffer, start: number, end: number): number {
    const block = this.#hpack.decode(buffer, start, end);
    if (block === undefined) {
      this.#fail(new Error("a malformed header block"));
      return CANCELLED;
    }
    if (typeof block.interpretation === "number") return block.interpretation;
    const field = block.fields.find(({ name }) => name === "grpc-status");
    const status = field === undefined ? CANCELLED : Number(field.value);
    block.interpretation = status;
    return status;
  }
}
