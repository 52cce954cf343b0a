/**
 * The sending side of a connection: frames into the output queue, send windows, and the streams
 * whose data waits for window or for the socket. Streams with waiting data take turns, one frame
 * each, so that a large range does not hold up a watch.
 *
 * Header sections are encoded when they are written, never earlier: HPACK's table must change in
 * the order of the wire.
 */
import {
  DEFAULT_WINDOW_BYTES,
  MAX_FRAME_BYTES,
  MAX_QUEUED_CONTROL_FRAMES,
  FAIR_QUEUED_OUTPUT_BYTES,
  MAX_QUEUED_OUTPUT_BYTES,
  MAX_WINDOW_BYTES,
  OUTPUT_HIGH_WATER_BYTES,
  STREAM_LOW_WATER_BYTES,
} from "../limits.ts";
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
import type { OutputBudget } from "./output-budget.ts";
import { OutputQueue } from "./output-queue.ts";
import { type Http2Stream, NO_ITEMS, type OutgoingItem } from "./stream.ts";

export interface SendListener {
  /** Output has become available; called once per turn until `taken`. */
  wantFlush(): void;
  /** END_STREAM of this stream was written. */
  localEnded(stream: Http2Stream): void;
  /** More control frames wait than a well-behaved peer causes; the connection must go. */
  outputOverflow(reason: string): void;
}

const GRPC_PREFIX_BYTES = 5;

export class SendScheduler {
  readonly output = new OutputQueue();
  readonly encoder = new HpackEncoder();
  readonly #listener: SendListener;
  readonly #budget: OutputBudget;
  /** Connection window. */
  window = DEFAULT_WINDOW_BYTES;
  /** Send window of new streams: the peer's SETTINGS_INITIAL_WINDOW_SIZE. */
  initialStreamWindow = DEFAULT_WINDOW_BYTES;
  /** Bytes that wait in stream queues. */
  queuedBytes = 0;
  /** Bytes handed to the socket and not yet taken by the kernel; kept by the owner. */
  socketBytes = 0;
  /** The socket asked to wait; kept by the owner. */
  blocked = false;
  /** HEADERS or DATA went out since this was last cleared: pings in between are no burden. */
  sentSinceCheck = false;
  /** DATA frames written, ever. */
  dataFrames = 0;
  /** DATA moved since this was last cleared. */
  progressed = false;
  #heldBytes = 0;
  #owedBytes = 0;
  #dirty = false;
  #controlFrames = 0;
  #ready: Http2Stream[] = [];
  #readyHead = 0;

  constructor(listener: SendListener, budget: OutputBudget) {
    this.#listener = listener;
    this.#budget = budget;
  }

  /** Everything unsent, wherever it waits. */
  get totalBytes(): number {
    return this.queuedBytes + this.output.bytes + this.socketBytes;
  }

  /** An answer of so many bytes may wait here, by what is left unread here and everywhere. */
  admits(bytes: number): boolean {
    const total = this.totalBytes + this.#heldBytes;
    if (total + bytes <= FAIR_QUEUED_OUTPUT_BYTES) return true;
    return total <= MAX_QUEUED_OUTPUT_BYTES && this.#budget.has(bytes);
  }

  /** Sources of answers hold so much more memory, and will make so many more bytes. */
  holdMore(heldBytes: number, owedBytes: number): void {
    this.#heldBytes += heldBytes;
    this.#budget.queuedBytes += heldBytes;
    this.#owedBytes += owedBytes;
  }

  /** What the peer must take before nothing waits for it: queued, or not even made. */
  get backlogBytes(): number {
    return this.totalBytes + this.#owedBytes;
  }

  /** Some stream could send now if the output took more. */
  get sendable(): boolean {
    return this.#ready.length > this.#readyHead && this.window > 0 && !this.blocked;
  }

  /** The owner has taken the output. */
  taken(): void {
    this.#dirty = false;
    this.#controlFrames = 0;
  }

  #touch(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    this.#listener.wantFlush();
  }

  /** Writes a frame header; the caller reserved room. */
  #frame(length: number, type: number, flags: number, id: number): void {
    const slab = this.output.slab;
    const at = this.output.end;
    slab[at] = length >>> 16;
    slab[at + 1] = length >>> 8;
    slab[at + 2] = length;
    slab[at + 3] = type;
    slab[at + 4] = flags;
    slab[at + 5] = id >>> 24;
    slab[at + 6] = id >>> 16;
    slab[at + 7] = id >>> 8;
    slab[at + 8] = id;
    this.output.end = at + FRAME_HEADER_BYTES;
  }

  /** True when a DATA frame of this size may leave at once, ahead of nothing. */
  #mayWrite(stream: Http2Stream, bytes: number): boolean {
    return (
      bytes <= stream.sendWindow &&
      bytes <= this.window &&
      bytes <= MAX_FRAME_BYTES &&
      !stream.hasQueue &&
      !this.blocked &&
      this.output.bytes < OUTPUT_HIGH_WATER_BYTES
    );
  }

  // Streams.

  /** Sends or queues a header section. */
  headers(stream: Http2Stream, headers: HeaderTemplate | OutgoingFields, endStream: boolean): void {
    if (stream.gone || stream.endQueued) return;
    stream.endQueued = endStream;
    if (stream.hasQueue) {
      this.#enqueue(stream, { bytes: EMPTY, at: 0, headers, endStream });
      return;
    }
    this.#writeHeaders(stream, headers, endStream);
  }

  #writeHeaders(
    stream: Http2Stream,
    headers: HeaderTemplate | OutgoingFields,
    endStream: boolean,
  ): void {
    const block =
      headers instanceof HeaderTemplate
        ? this.encoder.encodeTemplate(headers)
        : this.encoder.encode(headers);
    this.#headerBlock(stream.id, block, endStream);
    if (endStream) this.#ended(stream);
  }

  /** The head of a new stream: a template and a field of its own. */
  requestHead(stream: Http2Stream, template: HeaderTemplate, extra: OutgoingField): void {
    this.#headerBlock(stream.id, this.encoder.encodeTemplateAnd(template, extra), false);
  }

  #headerBlock(id: number, block: Uint8Array, endStream: boolean): void {
    const endFlag = endStream ? FLAG_END_STREAM : 0;
    let type = FRAME_HEADERS;
    let at = 0;
    do {
      const length = Math.min(block.length - at, MAX_FRAME_BYTES);
      const last = at + length === block.length;
      const flags = (last ? FLAG_END_HEADERS : 0) | (type === FRAME_HEADERS ? endFlag : 0);
      this.output.reserve(FRAME_HEADER_BYTES + length);
      this.#frame(length, type, flags, id);
      this.#copy(block, at, at + length);
      at += length;
      type = FRAME_CONTINUATION;
    } while (at < block.length);
    this.sentSinceCheck = true;
    this.#touch();
  }

  /** Copies into the open slab; the caller reserved room. */
  #copy(bytes: Uint8Array, start: number, end: number): void {
    const { output } = this;
    const length = end - start;
    if (length <= 24) {
      const slab = output.slab;
      let to = output.end;
      for (let i = start; i < end; i++) slab[to++] = bytes[i] as number;
    } else {
      output.slab.set(length === bytes.length ? bytes : bytes.subarray(start, end), output.end);
    }
    output.end += length;
  }

  /** Sends or queues body bytes. Takes ownership. */
  data(stream: Http2Stream, bytes: Uint8Array, endStream: boolean): void {
    if (stream.gone || stream.endQueued) return;
    stream.endQueued = endStream;
    if (this.#mayWrite(stream, bytes.length)) {
      this.output.reserve(FRAME_HEADER_BYTES);
      this.#frame(bytes.length, FRAME_DATA, endStream ? FLAG_END_STREAM : 0, stream.id);
      this.output.append(bytes);
      this.#spend(stream, bytes.length);
      if (endStream) this.#ended(stream);
      this.#touch();
      return;
    }
    this.#enqueue(stream, { bytes, at: 0, headers: undefined, endStream });
  }

  /** Sends or queues one length-prefixed gRPC message made of `parts`. Takes ownership. */
  message(stream: Http2Stream, parts: readonly Uint8Array[], endStream: boolean): void {
    if (stream.gone || stream.endQueued) return;
    stream.endQueued = endStream;
    let length = 0;
    for (let i = 0; i < parts.length; i++) length += (parts[i] as Uint8Array).length;
    if (this.#mayWrite(stream, length + GRPC_PREFIX_BYTES)) {
      this.#messageHead(stream, length, endStream);
      for (let i = 0; i < parts.length; i++) this.output.append(parts[i] as Uint8Array);
      if (endStream) this.#ended(stream);
      this.#touch();
      return;
    }
    const prefix = Buffer.allocUnsafe(GRPC_PREFIX_BYTES);
    prefix[0] = 0;
    prefix.writeUInt32BE(length, 1);
    const last = parts.length - 1;
    this.#enqueue(stream, {
      bytes: prefix,
      at: 0,
      headers: undefined,
      endStream: endStream && last < 0,
    });
    for (let i = 0; i <= last; i++) {
      const bytes = parts[i] as Uint8Array;
      this.#enqueue(stream, {
        bytes,
        at: 0,
        headers: undefined,
        endStream: endStream && i === last,
      });
    }
  }

  #messageHead(stream: Http2Stream, length: number, endStream: boolean): void {
    const total = length + GRPC_PREFIX_BYTES;
    const { output } = this;
    output.reserve(FRAME_HEADER_BYTES + GRPC_PREFIX_BYTES);
    this.#frame(total, FRAME_DATA, endStream ? FLAG_END_STREAM : 0, stream.id);
    const slab = output.slab;
    const at = output.end;
    slab[at] = 0;
    slab[at + 1] = length >>> 24;
    slab[at + 2] = length >>> 16;
    slab[at + 3] = length >>> 8;
    slab[at + 4] = length;
    output.end = at + GRPC_PREFIX_BYTES;
    this.#spend(stream, total);
  }

  /** The whole answer of a unary call: head, one message, trailers. Takes ownership of `body`. */
  unaryReply(
    stream: Http2Stream,
    head: HeaderTemplate,
    body: Uint8Array,
    trailers: HeaderTemplate,
  ): void {
    if (stream.gone || stream.endQueued) return;
    if (!this.#mayWrite(stream, body.length + GRPC_PREFIX_BYTES)) {
      this.headers(stream, head, false);
      this.message(stream, [body], false);
      this.headers(stream, trailers, true);
      return;
    }
    stream.endQueued = true;
    this.#headerBlock(stream.id, this.encoder.encodeTemplate(head), false);
    this.#messageHead(stream, body.length, false);
    this.output.append(body);
    this.#headerBlock(stream.id, this.encoder.encodeTemplate(trailers), true);
    this.#ended(stream);
  }

  #spend(stream: Http2Stream, bytes: number): void {
    stream.bodySent = true;
    this.dataFrames += 1;
    stream.sendWindow -= bytes;
    this.window -= bytes;
    this.sentSinceCheck = true;
    this.progressed = true;
  }

  #ended(stream: Http2Stream): void {
    stream.localClosed = true;
    this.#listener.localEnded(stream);
  }

  // Queues.

  #enqueue(stream: Http2Stream, item: OutgoingItem): void {
    if (stream.queue === NO_ITEMS) stream.queue = [];
    stream.queue.push(item);
    stream.queuedBytes += item.bytes.length;
    if (this.queuedBytes === 0) this.progressed = true;
    this.queuedBytes += item.bytes.length;
    this.#budget.queuedBytes += item.bytes.length;
    if (stream.queuedBytes >= STREAM_LOW_WATER_BYTES) stream.aboveLowWater = true;
    this.#schedule(stream);
  }

  #schedule(stream: Http2Stream): void {
    if (stream.scheduled || !this.#sendable(stream)) return;
    stream.scheduled = true;
    this.#ready.push(stream);
    if (!this.blocked && this.window > 0) this.#touch();
  }

  /** Has something that the stream's own window lets go. */
  #sendable(stream: Http2Stream): boolean {
    const item = stream.queue[stream.queueHead];
    if (item === undefined || stream.gone) return false;
    return stream.sendWindow > 0 || item.bytes.length === item.at;
  }

  /** Moves queued data into the output as far as windows and the high-water mark allow. */
  pump(): void {
    let stuck = 0;
    while (
      this.#readyHead + stuck < this.#ready.length &&
      !this.blocked &&
      this.output.bytes < OUTPUT_HIGH_WATER_BYTES
    ) {
      const stream = this.#ready[this.#readyHead] as Http2Stream;
      this.#readyHead += 1;
      if (!this.#sendable(stream)) {
        stream.scheduled = false;
      } else if (this.#sendOne(stream)) {
        if (this.#sendable(stream)) this.#ready.push(stream);
        else stream.scheduled = false;
        stuck = 0;
      } else {
        // The connection's window is closed for this one; others may only have headers to send.
        this.#ready.push(stream);
        stuck += 1;
      }
      if (this.#readyHead > 1024 && this.#readyHead * 2 > this.#ready.length) this.#compactReady();
    }
    if (this.#readyHead === this.#ready.length) this.#compactReady();
  }

  #compactReady(): void {
    this.#ready = this.#ready.slice(this.#readyHead);
    this.#readyHead = 0;
  }

  /** Sends one frame of a stream's queue; false when the connection's window does not allow it. */
  #sendOne(stream: Http2Stream): boolean {
    const first = stream.queue[stream.queueHead] as OutgoingItem;
    if (first.headers !== undefined) {
      this.#shift(stream);
      this.#writeHeaders(stream, first.headers, first.endStream);
      return true;
    }
    const allowed = Math.min(MAX_FRAME_BYTES, stream.sendWindow, this.window);
    if (allowed <= 0 && first.bytes.length > first.at) return false;
    let length = 0;
    let ends = false;
    for (let i = stream.queueHead; i < stream.queue.length && !ends; i++) {
      const item = stream.queue[i] as OutgoingItem;
      const left = item.bytes.length - item.at;
      if (item.headers !== undefined || (length >= allowed && left > 0)) break;
      length += left;
      ends = item.endStream && length <= Math.max(allowed, 0);
    }
    length = Math.max(0, Math.min(length, allowed));
    this.output.reserve(FRAME_HEADER_BYTES);
    this.#frame(length, FRAME_DATA, ends ? FLAG_END_STREAM : 0, stream.id);
    this.#moveBytes(stream, length);
    this.#spend(stream, length);
    this.#touch();
    if (ends) {
      stream.queue = NO_ITEMS;
      stream.queueHead = 0;
      this.#ended(stream);
    }
    return true;
  }

  #moveBytes(stream: Http2Stream, length: number): void {
    stream.queuedBytes -= length;
    this.queuedBytes -= length;
    this.#budget.queuedBytes -= length;
    let left = length;
    for (;;) {
      const item = stream.queue[stream.queueHead];
      if (item === undefined || item.headers !== undefined) break;
      const take = Math.min(left, item.bytes.length - item.at);
      if (take > 0) this.output.append(item.bytes.subarray(item.at, item.at + take));
      item.at += take;
      left -= take;
      if (item.at < item.bytes.length) break;
      this.#shift(stream);
    }
    if (stream.aboveLowWater && stream.queuedBytes < STREAM_LOW_WATER_BYTES) {
      stream.aboveLowWater = false;
      stream.handler.onWritable();
    }
  }

  #shift(stream: Http2Stream): void {
    stream.queueHead += 1;
    if (stream.queueHead === stream.queue.length) {
      stream.queue = NO_ITEMS;
      stream.queueHead = 0;
    } else if (stream.queueHead > 64 && stream.queueHead * 2 > stream.queue.length) {
      stream.queue = stream.queue.slice(stream.queueHead);
      stream.queueHead = 0;
    }
  }

  /** Forgets what a stream that has gone still wanted to send. */
  discard(stream: Http2Stream): void {
    this.queuedBytes -= stream.queuedBytes;
    this.#budget.queuedBytes -= stream.queuedBytes;
    stream.queuedBytes = 0;
    stream.queue = NO_ITEMS;
    stream.queueHead = 0;
  }

  // Windows.

  /** Adds to the connection's window; false on overflow (RFC 9113 6.9.1). */
  enlargeWindow(bytes: number): boolean {
    this.window += bytes;
    if (this.window > MAX_WINDOW_BYTES) return false;
    if (this.#ready.length > this.#readyHead) this.#touch();
    return true;
  }

  /** Adds to (or, by a setting, takes from) a stream's window; false on overflow. */
  changeStreamWindow(stream: Http2Stream, bytes: number): boolean {
    stream.sendWindow += bytes;
    if (stream.sendWindow > MAX_WINDOW_BYTES) return false;
    if (stream.hasQueue) this.#schedule(stream);
    return true;
  }

  // Control frames.

  #control(length: number, type: number, flags: number, id: number): Buffer | undefined {
    this.#controlFrames += 1;
    if (this.#controlFrames > MAX_QUEUED_CONTROL_FRAMES) {
      this.#listener.outputOverflow("too many control frames to answer");
      return undefined;
    }
    this.output.reserve(FRAME_HEADER_BYTES + length);
    this.#frame(length, type, flags, id);
    this.output.end += length;
    this.#touch();
    return this.output.slab;
  }

  #controlNumber(type: number, id: number, value: number): void {
    const slab = this.#control(4, type, 0, id);
    slab?.writeUInt32BE(value >>> 0, this.output.end - 4);
  }

  resetStream(id: number, code: number): void {
    this.#controlNumber(FRAME_RST_STREAM, id, code);
  }

  windowUpdate(id: number, bytes: number): void {
    this.#controlNumber(FRAME_WINDOW_UPDATE, id, bytes);
  }

  /** `payload` is the 8 opaque bytes; copied. */
  ping(payload: Uint8Array, flags: number): void {
    const slab = this.#control(8, FRAME_PING, flags, 0);
    slab?.set(payload, this.output.end - 8);
  }

  goaway(lastStreamId: number, code: number, debug: string): void {
    const length = Math.min(debug.length, 1024);
    const slab = this.#control(8 + length, FRAME_GOAWAY, 0, 0);
    if (slab === undefined) return;
    const at = this.output.end - 8 - length;
    slab.writeUInt32BE(lastStreamId, at);
    slab.writeUInt32BE(code, at + 4);
    slab.latin1Write(debug, at + 8, length);
  }

  /** Any other control frame. */
  raw(type: number, flags: number, payload: Uint8Array): void {
    const slab = this.#control(payload.length, type, flags, 0);
    slab?.set(payload, this.output.end - payload.length);
  }

  /** Bytes before any frame: the client's preface. */
  preface(bytes: Uint8Array): void {
    this.output.append(bytes);
    this.#touch();
  }
}

const EMPTY: Uint8Array = new Uint8Array(0);
