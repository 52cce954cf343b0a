/**
 * The sending side of a connection: what may leave at once does, in send windows and ahead of
 * nothing; what may not waits in its stream's queue for window, for the socket, or for its turn.
 */
import type { MessageSeries } from "../../env/rpc.ts";
import { DEFAULT_WINDOW_BYTES, DIRECT_BODY_BYTES, MAX_FRAME_BYTES } from "../limits.ts";
import { MAX_WINDOW_BYTES, OUTPUT_HIGH_WATER_BYTES } from "../limits.ts";
import { FRAME_HEADER_BYTES } from "./constants.ts";
import { type BodyWriter, type FrameWriter, GRPC_PREFIX_BYTES } from "./frame-writer.ts";
import type { HeaderTemplate, OutgoingField, OutgoingFields } from "./hpack-encoder.ts";
import { OutputBacklog } from "./output-backlog.ts";
import type { OutputBudget } from "./output-budget.ts";
import type { SendQueue } from "./send-queue.ts";
import { SendTurns, type TurnTaker } from "./send-turns.ts";
import type { Http2Stream } from "./stream.ts";

/** A frame with several messages lies in one slab, its head included. */
const MAX_SHARED_FRAME_BYTES = MAX_FRAME_BYTES - FRAME_HEADER_BYTES;
/** Messages that are larger have frames of their own, and what is large in them is not copied. */
const MAX_SHARED_BYTES = 4_096;

export interface SendListener {
  /** END_STREAM of this stream was written. */
  localEnded(stream: Http2Stream): void;
  /** There is much output, and more is to come in this turn. */
  flushNow(): void;
}

/** With less window a body waits rather than being cut into frames so small. */
const SMALL_FRAME_BYTES = 1_024;

export class Sender implements TurnTaker {
  readonly backlog: OutputBacklog;
  readonly #listener: SendListener;
  readonly #frames: FrameWriter;
  readonly #turns = new SendTurns();
  /** Connection window. */
  #window = DEFAULT_WINDOW_BYTES;
  #initialStreamWindow = DEFAULT_WINDOW_BYTES;
  #blocked = false;
  #progressed = false;

  constructor(listener: SendListener, frames: FrameWriter, budget: OutputBudget) {
    this.#listener = listener;
    this.#frames = frames;
    this.backlog = new OutputBacklog(frames.output, budget);
  }

  /** The socket asked to wait. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /** What the socket holds that the kernel has not taken, and whether it asks to wait. */
  socketHolds(bytes: number, blocked: boolean): void {
    this.backlog.inSocket(bytes);
    this.#blocked = blocked;
  }

  /** Some stream could send now if the output took more. */
  get sendable(): boolean {
    return this.#turns.waiting && this.#window > 0 && !this.#blocked;
  }

  /** DATA moved since this was last asked. */
  takeProgress(): boolean {
    const progressed = this.#progressed;
    this.#progressed = false;
    return progressed;
  }

  /** True when a DATA frame of this size may leave at once, ahead of nothing. */
  #mayWrite(stream: Http2Stream, bytes: number): boolean {
    return (
      bytes <= stream.sendWindow &&
      bytes <= this.#window &&
      bytes <= MAX_FRAME_BYTES &&
      !stream.hasQueue &&
      this.mayGo
    );
  }

  // Streams.

  /** Sends or queues a header section. */
  headers(stream: Http2Stream, headers: HeaderTemplate | OutgoingFields, endStream: boolean): void {
    if (!stream.begins(endStream)) return;
    if (stream.hasQueue) {
      this.#enqueue(stream, NO_BYTES, headers, endStream);
      return;
    }
    this.#frames.headers(stream.id, headers, endStream);
    if (endStream) this.#ended(stream);
  }

  /** The head of a new stream: a template and a field of its own. */
  requestHead(stream: Http2Stream, template: HeaderTemplate, extra: OutgoingField): void {
    this.#frames.requestHead(stream.id, template, extra);
  }

  /** Sends or queues body bytes. Takes ownership. */
  data(stream: Http2Stream, bytes: Uint8Array, endStream: boolean): void {
    if (!stream.begins(endStream)) return;
    if (!this.#mayWrite(stream, bytes.length)) {
      this.#enqueue(stream, bytes, undefined, endStream);
      return;
    }
    this.#frames.dataHead(stream.id, bytes.length, endStream);
    this.#frames.output.append(bytes);
    this.#spend(stream, bytes.length);
    if (endStream) this.#ended(stream);
  }

  /** Sends or queues one length-prefixed gRPC message made of `parts`. Takes ownership. */
  message(stream: Http2Stream, parts: readonly Uint8Array[], endStream: boolean): void {
    if (!stream.begins(endStream)) return;
    let length = 0;
    for (let i = 0; i < parts.length; i++) length += (parts[i] as Uint8Array).length;
    if (!this.#mayWrite(stream, length + GRPC_PREFIX_BYTES)) {
      this.#enqueueMessage(stream, parts, length, endStream);
      return;
    }
    const { output } = this.#frames;
    this.#frames.messageHead(stream.id, length, endStream);
    this.#spend(stream, length + GRPC_PREFIX_BYTES);
    for (let i = 0; i < parts.length; i++) output.append(parts[i] as Uint8Array);
    if (endStream) this.#ended(stream);
  }

  /** As `message` for each of a series. Those that may leave at once share frames. */
  messages(stream: Http2Stream, series: MessageSeries): void {
    const { before, between, after } = series;
    for (let at = 0; at < between.length; ) {
      const end = this.#endOfFrame(stream, series, at);
      if (end === at) {
        this.message(stream, [before, between[at++] as Uint8Array, after], false);
        continue;
      }
      if (!stream.begins(false)) return;
      this.#spend(stream, this.#frames.messages(stream.id, series, at, end));
      at = end;
    }
  }

  /** Where the messages of a series end that may leave at once in one frame. */
  #endOfFrame(stream: Http2Stream, { before, between, after }: MessageSeries, at: number): number {
    const fixed = GRPC_PREFIX_BYTES + before.length + after.length;
    if (fixed > MAX_SHARED_BYTES) return at;
    let end = at;
    for (let bytes = 0; end < between.length; end++) {
      bytes += fixed + (between[end] as Uint8Array).length;
      if (bytes > MAX_SHARED_FRAME_BYTES || !this.#mayWrite(stream, bytes)) break;
    }
    return end;
  }

  #enqueueMessage(
    stream: Http2Stream,
    parts: readonly Uint8Array[],
    length: number,
    endStream: boolean,
  ): void {
    const prefix = Buffer.allocUnsafe(GRPC_PREFIX_BYTES);
    prefix[0] = 0;
    prefix.writeUInt32BE(length, 1);
    const last = parts.length - 1;
    this.#enqueue(stream, prefix, undefined, endStream && last < 0);
    for (let i = 0; i <= last; i++) {
      this.#enqueue(stream, parts[i] as Uint8Array, undefined, endStream && i === last);
    }
  }

  /** The whole answer of a unary call: head, one message, trailers. Takes ownership of `body`. */
  unaryReply(
    stream: Http2Stream,
    head: HeaderTemplate,
    body: Uint8Array,
    trailers: HeaderTemplate,
  ): void {
    if (!this.#mayWrite(stream, body.length + GRPC_PREFIX_BYTES)) {
      this.headers(stream, head, false);
      this.message(stream, [body], false);
      this.headers(stream, trailers, true);
      return;
    }
    if (!stream.begins(true)) return;
    const frames = this.#frames;
    frames.template(stream.id, head, false);
    frames.messageHead(stream.id, body.length, false);
    this.#spend(stream, body.length + GRPC_PREFIX_BYTES);
    frames.output.append(body);
    frames.template(stream.id, trailers, true);
    this.#ended(stream);
  }

  /** What is sent next belongs to a body that is large: they leave from the same memory. */
  expectBody(): void {
    this.#frames.output.makeRoom(MAX_FRAME_BYTES);
  }

  /**
   * Writes what may leave at once of a body straight into the output, frame by frame, and the
   * output to the socket whenever it is worth a write, while it is in the processor's caches.
   * Returns how many bytes that were. What `write` throws is thrown, nothing of its frame is sent.
   */
  body(stream: Http2Stream, write: BodyWriter): number {
    const { output } = this.#frames;
    let bytes = 0;
    while (bytes < DIRECT_BODY_BYTES && !stream.gone && !stream.hasQueue && this.mayGo) {
      const room = Math.min(stream.sendWindow, this.#window, MAX_FRAME_BYTES);
      if (room < SMALL_FRAME_BYTES) break;
      const length = this.#frames.data(stream.id, room, write);
      if (length === 0) break;
      this.#spend(stream, length);
      bytes += length;
      if (output.room < FRAME_HEADER_BYTES + MAX_FRAME_BYTES) this.#listener.flushNow();
    }
    return bytes;
  }

  #spend(stream: Http2Stream, bytes: number): void {
    stream.spend(bytes);
    this.#window -= bytes;
    this.#progressed = true;
  }

  #ended(stream: Http2Stream): void {
    stream.closeLocal();
    this.#listener.localEnded(stream);
  }

  // Queues.

  #enqueue(
    stream: Http2Stream,
    bytes: Uint8Array,
    headers: HeaderTemplate | OutgoingFields | undefined,
    endStream: boolean,
  ): void {
    if (this.backlog.queuedBytes === 0) this.#progressed = true;
    stream.enqueue(bytes, headers, endStream);
    this.backlog.queue(bytes.length);
    this.#schedule(stream);
  }

  #schedule(stream: Http2Stream): void {
    if (!this.#turns.add(stream)) return;
    if (!this.#blocked && this.#window > 0) this.#frames.touch();
  }

  /** Moves queued data into the output as far as windows and the high-water mark allow. */
  pump(): void {
    this.#turns.run(this);
  }

  /** The output takes more. */
  get mayGo(): boolean {
    return !this.#blocked && this.#frames.output.bytes < OUTPUT_HIGH_WATER_BYTES;
  }

  sendOne(stream: Http2Stream): boolean {
    const queue = stream.queue as SendQueue;
    const section = queue.takeHeaders();
    if (section?.headers !== undefined) {
      this.#frames.headers(stream.id, section.headers, section.endStream);
      if (section.endStream) this.#ended(stream);
      return true;
    }
    const allowed = Math.min(MAX_FRAME_BYTES, stream.sendWindow, this.#window);
    if (allowed <= 0 && !queue.needsNoWindow) return false;
    const length = queue.nextFrame(allowed);
    const ends = queue.frameEnds;
    this.#frames.dataHead(stream.id, length, ends);
    queue.moveTo(this.#frames.output, length);
    this.backlog.queue(-length);
    if (queue.fellBelow()) stream.handler.onWritable();
    this.#spend(stream, length);
    if (ends) this.#ended(stream);
    return true;
  }

  /** Forgets what a stream that has gone still wanted to send. */
  discard(stream: Http2Stream): void {
    if (stream.queue !== undefined) this.backlog.queue(-stream.queue.clear());
  }

  // Windows.

  /** Send window of new streams: the peer's SETTINGS_INITIAL_WINDOW_SIZE. */
  get initialStreamWindow(): number {
    return this.#initialStreamWindow;
  }

  /** Sets it; returns the change, which open streams get too. */
  setInitialStreamWindow(bytes: number): number {
    const change = bytes - this.#initialStreamWindow;
    this.#initialStreamWindow = bytes;
    return change;
  }

  /** Adds to the connection's window; false on overflow (RFC 9113 6.9.1). */
  enlargeWindow(bytes: number): boolean {
    this.#window += bytes;
    if (this.#window > MAX_WINDOW_BYTES) return false;
    if (this.#turns.waiting) this.#frames.touch();
    return true;
  }

  /** Adds to (or, by a setting, takes from) a stream's window; false on overflow. */
  changeStreamWindow(stream: Http2Stream, bytes: number): boolean {
    if (!stream.changeSendWindow(bytes)) return false;
    if (stream.hasQueue) this.#schedule(stream);
    return true;
  }
}

const NO_BYTES: Uint8Array = new Uint8Array(0);
