/**
 * Writes frames into the output queue (RFC 9113 4.1, 6). It knows no windows: who may send what
 * and when is decided before.
 *
 * Header sections are encoded when they are written, never earlier: HPACK's table must change in
 * the order of the wire.
 */
import type { MessageSeries } from "../../env/rpc.ts";
import { MAX_FRAME_BYTES, MAX_QUEUED_CONTROL_FRAMES } from "../limits.ts";
import {
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FRAME_CONTINUATION,
  FRAME_DATA,
  FRAME_GOAWAY,
  FRAME_HEADER_BYTES,
  FRAME_HEADERS,
  FRAME_PING,
  FRAME_RST_STREAM,
  FRAME_WINDOW_UPDATE,
} from "./constants.ts";
import {
  HeaderTemplate,
  HpackEncoder,
  type OutgoingField,
  type OutgoingFields,
} from "./hpack-encoder.ts";
import { OutputQueue } from "./output-queue.ts";

export interface FrameListener {
  /** Output has become available; called once per turn until `taken`. */
  wantFlush(): void;
  /** More control frames wait than a well-behaved peer causes; the connection must go. */
  outputOverflow(reason: string): void;
}

/** Writes the next bytes of a body to target[start, end), and returns where they end. */
export type BodyWriter = (target: Buffer, start: number, end: number) => number;

/** Flag and length before each gRPC message. */
export const GRPC_PREFIX_BYTES = 5;

/** Up to here a loop is quicker than `set`. */
const SMALL_COPY_BYTES = 24;

export class FrameWriter {
  readonly output: OutputQueue = new OutputQueue();
  readonly encoder: HpackEncoder = new HpackEncoder();
  readonly #listener: FrameListener;
  #dirty = false;
  #controlFrames = 0;
  #dataFrames = 0;
  #answered = false;

  constructor(listener: FrameListener) {
    this.#listener = listener;
  }

  /** DATA frames written, ever. */
  get dataFrames(): number {
    return this.#dataFrames;
  }

  /** HEADERS or DATA went out since this was last asked. */
  takeAnswered(): boolean {
    const answered = this.#answered;
    this.#answered = false;
    return answered;
  }

  /** The owner takes the output. */
  taken(): void {
    this.#dirty = false;
    this.#controlFrames = 0;
  }

  /** Output is there, or could be. */
  touch(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    this.#listener.wantFlush();
  }

  /** Writes a frame header at a claimed place. */
  #head(at: number, length: number, type: number, flags: number, id: number): void {
    const { slab } = this.output;
    slab[at] = length >>> 16;
    slab[at + 1] = length >>> 8;
    slab[at + 2] = length;
    slab[at + 3] = type;
    slab[at + 4] = flags;
    slab[at + 5] = id >>> 24;
    slab[at + 6] = id >>> 16;
    slab[at + 7] = id >>> 8;
    slab[at + 8] = id;
  }

  // Streams.

  /** A header section in HEADERS and, where it is long, CONTINUATION. */
  headers(id: number, headers: HeaderTemplate | OutgoingFields, endStream: boolean): void {
    const block =
      headers instanceof HeaderTemplate
        ? this.encoder.encodeTemplate(headers)
        : this.encoder.encode(headers);
    this.#headerBlock(id, block, endStream);
  }

  /** As `headers`, for what is known to be a template. */
  template(id: number, template: HeaderTemplate, endStream: boolean): void {
    this.#headerBlock(id, this.encoder.encodeTemplate(template), endStream);
  }

  /** The head of a new stream: a template and a field of its own. */
  requestHead(id: number, template: HeaderTemplate, extra: OutgoingField): void {
    this.#headerBlock(id, this.encoder.encodeTemplateAnd(template, extra), false);
  }

  #headerBlock(id: number, block: Uint8Array, endStream: boolean): void {
    const endFlag = endStream ? FLAG_END_STREAM : 0;
    let type = FRAME_HEADERS;
    let start = 0;
    do {
      const length = Math.min(block.length - start, MAX_FRAME_BYTES);
      const last = start + length === block.length;
      const flags = (last ? FLAG_END_HEADERS : 0) | (type === FRAME_HEADERS ? endFlag : 0);
      const at = this.output.claim(FRAME_HEADER_BYTES + length);
      this.#head(at, length, type, flags, id);
      copyInto(this.output.slab, at + FRAME_HEADER_BYTES, block, start, start + length);
      start += length;
      type = FRAME_CONTINUATION;
    } while (start < block.length);
    this.#answered = true;
    this.touch();
  }

  /** The head of a DATA frame; the caller appends `length` bytes to `output`. */
  dataHead(id: number, length: number, endStream: boolean): void {
    const at = this.output.claim(FRAME_HEADER_BYTES);
    this.#head(at, length, FRAME_DATA, endStream ? FLAG_END_STREAM : 0, id);
    this.#dataFrames += 1;
    this.#answered = true;
    this.touch();
  }

  /** A DATA frame of at most `room` bytes, which `write` gives; how many that were, maybe none. */
  data(id: number, room: number, write: BodyWriter): number {
    const { output } = this;
    output.makeRoom(FRAME_HEADER_BYTES + room);
    const at = output.claim(FRAME_HEADER_BYTES + room);
    const start = at + FRAME_HEADER_BYTES;
    let end = at;
    try {
      end = write(output.slab, start, start + room);
    } finally {
      output.giveBack(start + room - (end > start ? end : at));
    }
    if (end <= start) return 0;
    this.#head(at, end - start, FRAME_DATA, 0, id);
    this.#dataFrames += 1;
    this.#answered = true;
    this.touch();
    return end - start;
  }

  /** As `dataHead`, with gRPC's prefix of a message of `length` bytes. */
  messageHead(id: number, length: number, endStream: boolean): void {
    const at = this.output.claim(FRAME_HEADER_BYTES + GRPC_PREFIX_BYTES);
    const flags = endStream ? FLAG_END_STREAM : 0;
    this.#head(at, length + GRPC_PREFIX_BYTES, FRAME_DATA, flags, id);
    prefix(this.output.slab, at + FRAME_HEADER_BYTES, length);
    this.#dataFrames += 1;
    this.#answered = true;
    this.touch();
  }

  /**
   * A DATA frame with the messages [from, to) of a series, which fit into it and into a slab; returns
   * its length.
   */
  messages(
    id: number,
    { before, between, after }: MessageSeries,
    from: number,
    to: number,
  ): number {
    const fixed = before.length + after.length;
    let length = (GRPC_PREFIX_BYTES + fixed) * (to - from);
    for (let i = from; i < to; i++) length += (between[i] as Uint8Array).length;
    let at = this.output.claim(FRAME_HEADER_BYTES + length);
    this.#head(at, length, FRAME_DATA, 0, id);
    const { slab } = this.output;
    at += FRAME_HEADER_BYTES;
    for (let i = from; i < to; i++) {
      const middle = between[i] as Uint8Array;
      at = prefix(slab, at, fixed + middle.length);
      at = copyInto(slab, at, before, 0, before.length);
      at = copyInto(slab, at, middle, 0, middle.length);
      at = copyInto(slab, at, after, 0, after.length);
    }
    this.#dataFrames += 1;
    this.#answered = true;
    this.touch();
    return length;
  }

  // Control frames.

  /** Claims a control frame and writes its head; where its payload goes, or undefined. */
  #control(length: number, type: number, flags: number, id: number): number | undefined {
    this.#controlFrames += 1;
    if (this.#controlFrames > MAX_QUEUED_CONTROL_FRAMES) {
      this.#listener.outputOverflow("too many control frames to answer");
      return undefined;
    }
    const at = this.output.claim(FRAME_HEADER_BYTES + length);
    this.#head(at, length, type, flags, id);
    this.touch();
    return at + FRAME_HEADER_BYTES;
  }

  #controlNumber(type: number, id: number, value: number): void {
    const at = this.#control(4, type, 0, id);
    if (at !== undefined) this.output.slab.writeUInt32BE(value >>> 0, at);
  }

  resetStream(id: number, code: number): void {
    this.#controlNumber(FRAME_RST_STREAM, id, code);
  }

  windowUpdate(id: number, bytes: number): void {
    this.#controlNumber(FRAME_WINDOW_UPDATE, id, bytes);
  }

  /** `payload` is the 8 opaque bytes; copied. */
  ping(payload: Uint8Array, flags: number): void {
    this.control(FRAME_PING, flags, payload);
  }

  goaway(lastStreamId: number, code: number, debug: string): void {
    const length = Math.min(debug.length, 1024);
    const at = this.#control(8 + length, FRAME_GOAWAY, 0, 0);
    if (at === undefined) return;
    const { slab } = this.output;
    slab.writeUInt32BE(lastStreamId, at);
    slab.writeUInt32BE(code, at + 4);
    slab.latin1Write(debug, at + 8, length);
  }

  /** Any other frame of the connection. */
  control(type: number, flags: number, payload: Uint8Array): void {
    const at = this.#control(payload.length, type, flags, 0);
    if (at !== undefined) this.output.slab.set(payload, at);
  }

  /** Bytes before any frame: the client's preface. */
  preface(bytes: Uint8Array): void {
    this.output.append(bytes);
    this.touch();
  }
}

/** Writes gRPC's prefix; returns where the message begins. */
function prefix(slab: Uint8Array, at: number, length: number): number {
  slab[at] = 0;
  slab[at + 1] = length >>> 24;
  slab[at + 2] = length >>> 16;
  slab[at + 3] = length >>> 8;
  slab[at + 4] = length;
  return at + GRPC_PREFIX_BYTES;
}

/** Returns where the copy ends. */
function copyInto(
  slab: Uint8Array,
  at: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  const length = end - start;
  if (length <= SMALL_COPY_BYTES) {
    let to = at;
    for (let i = start; i < end; i++) slab[to++] = bytes[i] as number;
  } else {
    slab.set(length === bytes.length ? bytes : bytes.subarray(start, end), at);
  }
  return at + length;
}
