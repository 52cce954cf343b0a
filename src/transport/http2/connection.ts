/**
 * The HTTP/2 connection state machine (RFC 9113) of both halves: `receive(chunk)` in, output bytes
 * and handler calls out. It knows no socket and no clock; its owner moves the bytes and says what
 * time it is, so that tests and simulations can drive it.
 *
 * Invariants: `receive` never throws, whatever the bytes. After `fail` nothing is parsed any more,
 * every stream's handler has had `onReset`, and the last output ends with GOAWAY.
 */
import {
  CONNECTION_WINDOW_BYTES,
  DEFAULT_WINDOW_BYTES,
  DRAIN_PING_TIMEOUT_MS,
  HEADER_BLOCK_TIMEOUT_MS,
  HEADER_TABLE_BYTES,
  IDLE_WRITE_TIMEOUT_MS,
  MAX_HEADER_LIST_BYTES,
  PREFACE_TIMEOUT_MS,
  RAPID_RESET_AGE_MS,
  REQUEST_COST,
  SMALL_DATA_BYTES,
  STALLED_OUTPUT_BYTES,
  STREAM_WINDOW_BYTES,
} from "../limits.ts";
import {
  CANCEL,
  COMPRESSION_ERROR,
  ENHANCE_YOUR_CALM,
  FLAG_ACK,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FLAG_PADDED,
  FLAG_PRIORITY,
  FLOW_CONTROL_ERROR,
  FRAME_CONTINUATION,
  FRAME_DATA,
  FRAME_GOAWAY,
  FRAME_HEADER_BYTES,
  FRAME_HEADERS,
  FRAME_PING,
  FRAME_PRIORITY,
  FRAME_PUSH_PROMISE,
  FRAME_RST_STREAM,
  FRAME_SETTINGS,
  FRAME_SIZE_ERROR,
  FRAME_WINDOW_UPDATE,
  INTERNAL_ERROR,
  NO_ERROR,
  PREFACE,
  PROTOCOL_ERROR,
  REFUSED_STREAM,
  SETTINGS_ENABLE_PUSH,
  SETTINGS_HEADER_TABLE_SIZE,
  SETTINGS_INITIAL_WINDOW_SIZE,
  SETTINGS_MAX_CONCURRENT_STREAMS,
  SETTINGS_MAX_HEADER_LIST_SIZE,
  STREAM_CLOSED,
} from "./constants.ts";
import { FrameReader, type FrameSink } from "./frame-reader.ts";
import type { ConnectionHost, ConnectionOptions } from "./connection-host.ts";
import { HeaderAssembly } from "./header-assembly.ts";
import type { HeaderBlock } from "./header-block.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import type { HeaderTemplate, OutgoingField } from "./hpack-encoder.ts";
import { InputTurn } from "./input-turn.ts";
import { Keepalive } from "./keepalive.ts";
import { OutputBudget } from "./output-budget.ts";
import { PeerBudgets, PingPolicy } from "./peer-budgets.ts";
import { ResetMemory } from "./reset-memory.ts";
import { type SendListener, SendScheduler } from "./send-scheduler.ts";
import { encodeSettings, SETTING_BYTES, settingError } from "./settings.ts";
import type { TokenBucket } from "./token-bucket.ts";
import { Http2Stream, IGNORE_STREAM, lengthFits, type StreamHandler } from "./stream.ts";

const DRAIN_PING = Buffer.from("\x01drain\x02\x03", "latin1");
const KEEPALIVE_PING = Buffer.from("\x01alive\x02\x03", "latin1");

export class Http2Connection implements SendListener, FrameSink {
  readonly isServer: boolean;
  readonly send: SendScheduler;
  readonly streams = new Map<number, Http2Stream>();
  /** Calls whose stream has gone while their handler still works; they count as streams. */
  lingering = 0;
  /** The peer's SETTINGS_MAX_CONCURRENT_STREAMS, for the client half. */
  peerMaxConcurrentStreams = Number.POSITIVE_INFINITY;
  /** Time of the current turn, as the owner last told. */
  nowMs: number;
  /** Nothing is parsed or sent any more. */
  finished = false;
  /** Finished after all streams were, not by an error. */
  endedWell = false;
  /** The peer said GOAWAY, or we did: no new streams. */
  goingAway = false;

  readonly #host: ConnectionHost;
  readonly #reader: FrameReader;
  readonly #options: ConnectionOptions;
  readonly #decoder = new HpackDecoder();
  readonly #budgets: PeerBudgets;
  readonly #pings: PingPolicy;
  readonly #resetByUs = new ResetMemory();
  #lastStream: Http2Stream | undefined;
  /** Highest stream id opened by the client, whichever side we are. */
  #lastStreamId = 0;
  /** After the final GOAWAY, requests above this id are ignored. */
  #acceptUpTo = Number.POSITIVE_INFINITY;

  /** The peer has sent its SETTINGS; nothing else may come before. */
  settingsReceived = false;
  #settingsAcked = false;
  readonly #openedMs: number;

  readonly #block = new HeaderAssembly();
  readonly #turn: InputTurn;

  #recvWindow = CONNECTION_WINDOW_BYTES;
  #recvUnacked = 0;

  readonly #keepalive: Keepalive;
  #lastProgressMs: number;
  /** When the ping of `drain` was sent, or -1. */
  #drainPingMs = -1;

  constructor(host: ConnectionHost, options: ConnectionOptions) {
    this.#host = host;
    this.#options = options;
    this.isServer = options.isServer;
    this.nowMs = options.nowMs;
    this.#openedMs = options.nowMs;
    if (!options.isServer) this.#lastStreamId = (options.firstStreamId ?? 1) - 2;
    this.#keepalive = new Keepalive(options, options.nowMs);
    this.#lastProgressMs = options.nowMs;
    this.#budgets = new PeerBudgets(options.nowMs);
    this.#pings = new PingPolicy(options.keepaliveMinTimeMs);
    this.#turn = new InputTurn(options.turnCost ?? Number.POSITIVE_INFINITY);
    this.#reader = new FrameReader(this, options.isServer);
    this.send = new SendScheduler(
      this,
      options.outputBudget ?? new OutputBudget(Number.POSITIVE_INFINITY),
    );
  }

  /** Sends our preface: SETTINGS and a larger connection window. */
  start(): void {
    const settings: [number, number][] = [
      [SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES],
      [SETTINGS_MAX_HEADER_LIST_SIZE, MAX_HEADER_LIST_BYTES],
    ];
    if (this.isServer) {
      settings.push([SETTINGS_MAX_CONCURRENT_STREAMS, this.#options.maxConcurrentStreams]);
    } else {
      this.send.preface(PREFACE);
      settings.push([SETTINGS_ENABLE_PUSH, 0]);
    }
    this.send.raw(FRAME_SETTINGS, 0, encodeSettings(settings));
    this.send.windowUpdate(0, CONNECTION_WINDOW_BYTES - DEFAULT_WINDOW_BYTES);
  }

  /** Streams that count against the limit of concurrent streams. */
  get activeStreams(): number {
    return this.streams.size + this.lingering;
  }

  // SendListener.

  wantFlush(): void {
    this.#host.wantFlush();
  }

  localEnded(stream: Http2Stream): void {
    if (stream.remoteClosed) {
      this.#remove(stream);
    } else if (this.isServer) {
      // RFC 9113 8.1: a complete answer before the end of the request; the rest is not needed.
      this.resetStream(stream, NO_ERROR);
    }
  }

  outputOverflow(reason: string): void {
    this.fail(ENHANCE_YOUR_CALM, reason);
  }

  /** All output that may leave now. Follow with `send.output.recycle`. */
  takeOutput(): Uint8Array[] {
    this.send.pump();
    if (this.send.progressed) {
      this.send.progressed = false;
      this.#lastProgressMs = this.nowMs;
    }
    this.send.taken();
    return this.send.output.take();
  }

  // Streams.

  /**
   * Client: opens a stream with its request head, `extra` being a field of this call alone.
   * Undefined when none may be opened now.
   */
  openStream(
    handler: StreamHandler,
    head: HeaderTemplate,
    extra: OutgoingField | undefined,
  ): Http2Stream | undefined {
    if (this.finished || this.goingAway) return undefined;
    const id = this.#lastStreamId + 2;
    if (id > 0x7fff_ffff) {
      // RFC 9113 5.1.1: ids are used once. The connection is used up; another one goes on.
      this.drain();
      return undefined;
    }
    this.#lastStreamId = id;
    // The RST_STREAM by which a server may end an answered call is no burden.
    this.#budgets.ignoredFrames.give();
    const { initialStreamWindow } = this.send;
    const stream = new Http2Stream(id, initialStreamWindow, STREAM_WINDOW_BYTES, this.nowMs);
    stream.handler = handler;
    this.streams.set(id, stream);
    if (extra === undefined) this.send.headers(stream, head, false);
    else this.send.requestHead(stream, head, extra);
    return stream;
  }

  /** Ends a stream from our side; its handler is not told. Late frames of the peer are forgiven. */
  resetStream(stream: Http2Stream, code: number): void {
    if (stream.gone) return;
    this.#resetByUs.add(stream.id);
    this.#remove(stream);
    if (!this.finished) this.send.resetStream(stream.id, code);
  }

  /** Resumes granting window to a stream whose `recvPaused` was true. */
  resumeReceiving(stream: Http2Stream): void {
    stream.recvPaused = false;
    if (!stream.gone && !stream.remoteClosed) this.#replenish(stream);
  }

  #remove(stream: Http2Stream): void {
    if (stream.gone) return;
    stream.gone = true;
    this.streams.delete(stream.id);
    if (this.#lastStream === stream) this.#lastStream = undefined;
    if (stream.hasQueue) this.send.discard(stream);
    this.#host.onStreamGone();
    if (this.goingAway) this.#finishIfDrained();
  }

  #abandon(stream: Http2Stream, code: number): void {
    const handler = stream.handler;
    stream.handler = IGNORE_STREAM;
    handler.onReset(code);
  }

  // Ends.

  /** A connection error: GOAWAY, then nothing more. */
  fail(code: number, reason: string): undefined {
    if (this.finished) return;
    this.finished = true;
    this.goingAway = true;
    const lastPeerId = this.isServer ? this.#lastStreamId : 0;
    this.send.goaway(Math.min(lastPeerId, this.#acceptUpTo), code, reason);
    this.#host.onFinished(code, reason);
    this.#dropStreams(code);
  }

  /** The socket has closed. */
  socketClosed(): void {
    if (this.finished) return;
    this.finished = true;
    this.goingAway = true;
    this.#host.onFinished(NO_ERROR, "connection closed");
    this.#dropStreams(CANCEL);
  }

  #dropStreams(code: number): void {
    const streams = [...this.streams.values()];
    this.streams.clear();
    this.#lastStream = undefined;
    for (const stream of streams) {
      stream.gone = true;
      this.send.discard(stream);
      this.#abandon(stream, code);
    }
  }

  /**
   * Starts a graceful end (RFC 9113 6.8): GOAWAY that names no stream, one round trip for requests
   * on their way, then the final GOAWAY; finished once the open streams are.
   */
  drain(): void {
    if (this.finished || this.#drainPingMs >= 0 || this.#acceptUpTo !== Number.POSITIVE_INFINITY) {
      return;
    }
    if (!this.isServer) {
      this.goingAway = true;
      this.#finishIfDrained();
      return;
    }
    this.send.goaway(0x7fff_ffff, NO_ERROR, "");
    this.send.ping(DRAIN_PING, 0);
    this.#drainPingMs = this.nowMs;
  }

  #finalGoaway(): void {
    this.#drainPingMs = -1;
    this.#acceptUpTo = this.#lastStreamId;
    this.goingAway = true;
    this.send.goaway(this.#lastStreamId, NO_ERROR, "");
    this.#host.onFinalGoaway();
    this.#finishIfDrained();
  }

  #finishIfDrained(): void {
    if (this.finished || this.streams.size > 0) return;
    if (this.isServer && this.#acceptUpTo === Number.POSITIVE_INFINITY) return;
    this.finished = true;
    this.endedWell = true;
    this.#host.onFinished(NO_ERROR, "drained");
  }

  /** Looks at the timeouts. To be called every half second or so. */
  tick(nowMs: number): void {
    this.nowMs = nowMs;
    if (this.finished) return;
    if (!this.settingsReceived && nowMs - this.#openedMs >= PREFACE_TIMEOUT_MS) {
      this.fail(PROTOCOL_ERROR, "preface timeout");
    } else if (
      this.#block.streamId !== 0 &&
      nowMs - this.#block.startedMs >= HEADER_BLOCK_TIMEOUT_MS
    ) {
      this.fail(ENHANCE_YOUR_CALM, "header block timeout");
    } else if (
      this.send.backlogBytes > STALLED_OUTPUT_BYTES &&
      nowMs - this.#lastProgressMs >= IDLE_WRITE_TIMEOUT_MS
    ) {
      this.fail(ENHANCE_YOUR_CALM, "peer does not read");
    } else {
      if (this.#drainPingMs >= 0 && nowMs - this.#drainPingMs >= DRAIN_PING_TIMEOUT_MS) {
        this.#finalGoaway();
      }
      this.#keepAlive(nowMs);
    }
  }

  #keepAlive(nowMs: number): void {
    const mayPing =
      this.isServer || this.streams.size > 0 || this.#options.keepaliveWithoutStreams === true;
    const due = this.#keepalive.look(nowMs, mayPing);
    if (due === "ping") this.send.ping(KEEPALIVE_PING, 0);
    else if (due === "dead") this.fail(NO_ERROR, "keepalive ping not acked within timeout");
  }

  /** The socket took bytes that it had asked to wait for. */
  writeProgress(): void {
    this.#lastProgressMs = this.nowMs;
  }

  // Receiving.

  /** Takes in bytes of the peer. The chunk is borrowed until the current turn of the loop ends. */
  receive(chunk: Buffer): void {
    if (this.finished) return;
    this.#keepalive.heard(this.nowMs);
    if (this.#turn.holds) {
      this.#turn.hold(chunk);
      return;
    }
    const at = this.#reader.push(chunk);
    if (at < chunk.length && !this.finished) this.#turn.hold(chunk.subarray(at));
  }

  /** This connection has had its turn: read no more of it, and call `nextTurn` when others had. */
  get resting(): boolean {
    return this.#turn.spent && !this.finished;
  }

  /** A handler found more work in a frame than the frame itself. */
  charge(cost: number): void {
    this.#turn.charge(cost);
  }

  nextTurn(): void {
    for (const chunk of this.#turn.next()) this.receive(chunk);
  }

  // FrameSink.

  onReadError(code: number, reason: string): void {
    this.fail(code, reason);
  }

  onFrame(chunk: Buffer, at: number, end: number): undefined {
    const type = chunk[at + 3] as number;
    const flags = chunk[at + 4] as number;
    const id =
      (((chunk[at + 5] as number) & 0x7f) << 24) |
      ((chunk[at + 6] as number) << 16) |
      ((chunk[at + 7] as number) << 8) |
      (chunk[at + 8] as number);
    const start = at + FRAME_HEADER_BYTES;
    this.#turn.charge(1);
    const { streamId } = this.#block;
    if (streamId !== 0 && (type !== FRAME_CONTINUATION || id !== streamId)) {
      this.fail(PROTOCOL_ERROR, "expected CONTINUATION");
      return;
    }
    if (!this.settingsReceived && type !== FRAME_SETTINGS) {
      this.fail(PROTOCOL_ERROR, "expected SETTINGS");
      return;
    }
    switch (type) {
      case FRAME_DATA:
        return this.#onData(chunk, start, end, flags, id);
      case FRAME_HEADERS:
        return this.#onHeaders(chunk, start, end, flags, id);
      case FRAME_CONTINUATION:
        return this.#onContinuation(chunk, start, end, flags, id);
      case FRAME_WINDOW_UPDATE:
        return this.#onWindowUpdate(chunk, start, end, id);
      case FRAME_SETTINGS:
        return this.#onSettings(chunk, start, end, flags, id);
      case FRAME_PING:
        return this.#onPing(chunk, start, end, flags, id);
      case FRAME_RST_STREAM:
        return this.#onRstStream(chunk, start, end, id);
      case FRAME_GOAWAY:
        return this.#onGoaway(chunk, start, end, id);
      case FRAME_PUSH_PROMISE:
        return this.fail(PROTOCOL_ERROR, "PUSH_PROMISE is not allowed");
      case FRAME_PRIORITY:
        return this.#onPriority(end - start, id);
      default:
        return this.#ignoreFrame();
    }
  }

  #take(budget: TokenBucket, reason: string): undefined {
    if (!budget.take(this.nowMs)) this.fail(ENHANCE_YOUR_CALM, reason);
  }

  #ignoreFrame(): undefined {
    return this.#take(this.#budgets.ignoredFrames, "too many ignored frames");
  }

  #emptyFrame(): undefined {
    return this.#take(this.#budgets.emptyFrames, "too many empty frames");
  }

  /** The server answered a call without its service; the peer may cause many, but not for ever. */
  callRefused(): void {
    if (this.isServer) this.#take(this.#budgets.refusedCalls, "too many refused calls");
  }

  /** A stream error of the peer: RST_STREAM, counted (CVE-2025-8671). */
  #streamError(id: number, code: number, reason: string): undefined {
    if (this.isServer && !this.#budgets.resets.take(this.nowMs)) {
      this.fail(ENHANCE_YOUR_CALM, `too many stream errors, last: ${reason}`);
      return;
    }
    const stream = this.streams.get(id);
    if (stream === undefined) {
      this.#resetByUs.add(id);
      this.send.resetStream(id, code);
      return;
    }
    this.resetStream(stream, code);
    this.#abandon(stream, code);
  }

  #stream(id: number): Http2Stream | undefined {
    const last = this.#lastStream;
    if (last !== undefined && last.id === id) return last;
    const stream = this.streams.get(id);
    if (stream !== undefined) this.#lastStream = stream;
    return stream;
  }

  /** Never opened: frames on it, other than a request head, are connection errors. */
  #isIdle(id: number): boolean {
    return id > this.#lastStreamId || (id & 1) === 0;
  }

  #onData(chunk: Buffer, payload: number, frameEnd: number, flags: number, id: number): undefined {
    let start = payload;
    let end = frameEnd;
    const charged = end - start;
    this.#recvWindow -= charged;
    if (this.#recvWindow < 0) return this.fail(FLOW_CONTROL_ERROR, "connection window exceeded");
    this.#recvUnacked += charged;
    if (this.#recvUnacked >= CONNECTION_WINDOW_BYTES / 2) {
      this.send.windowUpdate(0, this.#recvUnacked);
      this.#recvWindow += this.#recvUnacked;
      this.#recvUnacked = 0;
    }
    if (flags & FLAG_PADDED) {
      const padding = charged > 0 ? (chunk[start] as number) : 0;
      start += 1;
      if (padding >= charged) return this.fail(PROTOCOL_ERROR, "padding exceeds frame");
      end -= padding;
    }
    if (end - start < SMALL_DATA_BYTES && start < end && (flags & FLAG_END_STREAM) === 0) {
      this.#take(this.#budgets.smallFrames, "too many small DATA frames");
    }
    const stream = this.#stream(id);
    if (stream === undefined) return this.#dataOnClosed(id, charged);
    if (stream.remoteClosed) {
      return this.#streamError(id, STREAM_CLOSED, "DATA after END_STREAM");
    }
    stream.recvWindow -= charged;
    if (stream.recvWindow < 0) {
      return this.#streamError(id, FLOW_CONTROL_ERROR, "stream window exceeded");
    }
    const endStream = (flags & FLAG_END_STREAM) !== 0;
    stream.receivedBytes += end - start;
    if (!this.isServer && !stream.headReceived) {
      return this.#streamError(id, PROTOCOL_ERROR, "DATA before the response head");
    }
    if (stream.contentLength >= 0 && !lengthFits(stream, endStream)) {
      return this.#streamError(id, PROTOCOL_ERROR, "content-length mismatch");
    }
    if (endStream) {
      stream.remoteClosed = true;
    } else {
      if (start === end) this.#emptyFrame();
      stream.recvUnacked += charged;
      if (!stream.recvPaused && stream.recvUnacked >= STREAM_WINDOW_BYTES / 2)
        this.#replenish(stream);
    }
    stream.handler.onData(chunk, start, end, endStream);
    if (endStream) this.#remoteEnded(stream);
  }

  #replenish(stream: Http2Stream): void {
    if (stream.recvUnacked === 0) return;
    this.send.windowUpdate(stream.id, stream.recvUnacked);
    stream.recvWindow += stream.recvUnacked;
    stream.recvUnacked = 0;
  }

  #dataOnClosed(id: number, bytes: number): undefined {
    if (this.#isIdle(id)) return this.fail(PROTOCOL_ERROR, "DATA on an idle stream");
    if (!this.isServer || id > this.#acceptUpTo) return;
    if (this.#resetByUs.has(id)) {
      if (bytes === 0) this.#emptyFrame();
      return;
    }
    this.#streamError(id, STREAM_CLOSED, "DATA on a closed stream");
  }

  #remoteEnded(stream: Http2Stream): void {
    if (stream.gone) return;
    if (stream.localClosed) {
      this.#remove(stream);
    } else if (!this.isServer) {
      // The answer is complete; what we still wanted to send is not needed.
      this.resetStream(stream, NO_ERROR);
    }
  }

  #onHeaders(
    chunk: Buffer,
    payload: number,
    frameEnd: number,
    flags: number,
    id: number,
  ): undefined {
    let start = payload;
    let end = frameEnd;
    if ((id & 1) === 0) return this.fail(PROTOCOL_ERROR, "HEADERS on a stream that is not ours");
    if (flags & FLAG_PADDED) {
      const padding = start < end ? (chunk[start] as number) : 0;
      if (padding >= end - start) return this.fail(PROTOCOL_ERROR, "padding exceeds frame");
      start += 1;
      end -= padding;
    }
    if (flags & FLAG_PRIORITY) {
      start += 5;
      if (start > end) return this.fail(FRAME_SIZE_ERROR, "HEADERS too short for its priority");
    }
    const endStream = (flags & FLAG_END_STREAM) !== 0;
    if (flags & FLAG_END_HEADERS) return this.#onHeaderBlock(chunk, start, end, id, endStream);
    if (start === end) this.#emptyFrame();
    this.#block.begin(id, endStream, chunk.subarray(start, end), this.nowMs);
  }

  #onContinuation(chunk: Buffer, start: number, end: number, flags: number, id: number): undefined {
    const assembly = this.#block;
    if (assembly.streamId === 0) return this.fail(PROTOCOL_ERROR, "unexpected CONTINUATION");
    if (!assembly.add(chunk.subarray(start, end))) {
      return this.fail(ENHANCE_YOUR_CALM, "header block too large");
    }
    if ((flags & FLAG_END_HEADERS) === 0) {
      if (start === end) this.#emptyFrame();
      return;
    }
    const block = assembly.take();
    this.#onHeaderBlock(block, 0, block.length, id, assembly.endStream);
  }

  #onHeaderBlock(
    chunk: Buffer,
    start: number,
    end: number,
    id: number,
    endStream: boolean,
  ): undefined {
    const block = this.#decoder.decode(chunk, start, end);
    if (block === undefined) return this.fail(COMPRESSION_ERROR, "malformed header block");
    if (this.isServer && id > this.#lastStreamId) return this.#onRequestHead(id, block, endStream);
    const stream = this.#stream(id);
    if (stream === undefined) return this.#headersOnClosed(id);
    if (stream.remoteClosed) {
      return this.#streamError(id, STREAM_CLOSED, "HEADERS after END_STREAM");
    }
    if (block.tooLarge) return this.#streamError(id, ENHANCE_YOUR_CALM, "header list too large");
    if (this.isServer || stream.headReceived) {
      const problem = endStream ? block.trailerProblem() : "trailers without END_STREAM";
      if (problem !== "") return this.#streamError(id, PROTOCOL_ERROR, problem);
      if (stream.contentLength >= 0 && !lengthFits(stream, true)) {
        return this.#streamError(id, PROTOCOL_ERROR, "content-length mismatch");
      }
    } else {
      const problem = block.responseProblem();
      if (problem !== "") return this.#streamError(id, PROTOCOL_ERROR, problem);
      if (block.status < 200) {
        if (endStream) this.#streamError(id, PROTOCOL_ERROR, "1xx with END_STREAM");
        return;
      }
      stream.headReceived = true;
      if (!endStream) stream.contentLength = block.contentLength;
    }
    if (endStream) stream.remoteClosed = true;
    stream.handler.onHeaders(block, endStream);
    if (endStream) this.#remoteEnded(stream);
  }

  #headersOnClosed(id: number): undefined {
    if (this.#isIdle(id)) return this.fail(PROTOCOL_ERROR, "HEADERS on an idle stream");
    if (!this.isServer || id > this.#acceptUpTo || this.#resetByUs.has(id)) return;
    this.fail(STREAM_CLOSED, "HEADERS on a closed stream");
  }

  #onRequestHead(id: number, head: HeaderBlock, endStream: boolean): undefined {
    this.#turn.charge(REQUEST_COST);
    this.#lastStreamId = id;
    if (id > this.#acceptUpTo) return;
    if (head.tooLarge) return this.#streamError(id, ENHANCE_YOUR_CALM, "header list too large");
    const problem = head.requestProblem();
    if (problem !== "") return this.#streamError(id, PROTOCOL_ERROR, problem);
    if (endStream && head.contentLength > 0) {
      return this.#streamError(id, PROTOCOL_ERROR, "content-length mismatch");
    }
    if (this.activeStreams >= this.#options.maxConcurrentStreams) {
      if (this.#settingsAcked) return this.#streamError(id, REFUSED_STREAM, "too many streams");
      this.#resetByUs.add(id);
      this.send.resetStream(id, REFUSED_STREAM);
      return;
    }
    const { initialStreamWindow } = this.send;
    const stream = new Http2Stream(id, initialStreamWindow, STREAM_WINDOW_BYTES, this.nowMs);
    stream.contentLength = head.contentLength;
    stream.remoteClosed = endStream;
    this.streams.set(id, stream);
    this.#lastStream = stream;
    stream.handler = this.#host.onRequest(stream, head, endStream);
    if (stream.gone) stream.handler = IGNORE_STREAM;
  }

  #onRstStream(chunk: Buffer, start: number, end: number, id: number): undefined {
    if (end - start !== 4) return this.fail(FRAME_SIZE_ERROR, "RST_STREAM of wrong size");
    if (this.#isIdle(id)) return this.fail(PROTOCOL_ERROR, "RST_STREAM on an idle stream");
    const stream = this.streams.get(id);
    if (stream === undefined) {
      this.#resetByUs.forget(id);
      return this.#ignoreFrame();
    }
    // A client that has had an answer may leave: etcd's renews a lease by a stream for each renewal.
    const rapid = !stream.bodySent && this.nowMs - stream.openedMs < RAPID_RESET_AGE_MS;
    this.#remove(stream);
    this.#abandon(stream, chunk.readUInt32BE(start));
    if (this.isServer && rapid && !this.#budgets.resets.take(this.nowMs)) {
      this.fail(ENHANCE_YOUR_CALM, "too many stream resets");
    }
  }

  #onWindowUpdate(chunk: Buffer, start: number, end: number, id: number): undefined {
    if (end - start !== 4) return this.fail(FRAME_SIZE_ERROR, "WINDOW_UPDATE of wrong size");
    const bytes = chunk.readUInt32BE(start) & 0x7fff_ffff;
    if (this.isServer && !this.#budgets.allowsWindow(bytes, this.send.dataFrames, this.nowMs)) {
      return this.fail(ENHANCE_YOUR_CALM, "too many small WINDOW_UPDATEs");
    }
    if (id === 0) {
      if (bytes === 0) return this.fail(PROTOCOL_ERROR, "WINDOW_UPDATE of 0");
      if (!this.send.enlargeWindow(bytes)) this.fail(FLOW_CONTROL_ERROR, "window overflow");
      return;
    }
    const stream = this.#stream(id);
    if (stream === undefined) {
      if (this.#isIdle(id)) this.fail(PROTOCOL_ERROR, "WINDOW_UPDATE on an idle stream");
      return;
    }
    if (bytes === 0) return this.#streamError(id, PROTOCOL_ERROR, "WINDOW_UPDATE of 0");
    if (!this.send.changeStreamWindow(stream, bytes)) {
      this.#streamError(id, FLOW_CONTROL_ERROR, "window overflow");
    }
  }

  #onSettings(chunk: Buffer, start: number, end: number, flags: number, id: number): undefined {
    if (id !== 0) return this.fail(PROTOCOL_ERROR, "SETTINGS on a stream");
    if (flags & FLAG_ACK) {
      if (end !== start)
        return this.fail(FRAME_SIZE_ERROR, "SETTINGS acknowledgement with payload");
      if (!this.settingsReceived) return this.fail(PROTOCOL_ERROR, "expected SETTINGS");
      if (this.#settingsAcked) return this.#ignoreFrame();
      this.#settingsAcked = true;
      return;
    }
    if ((end - start) % SETTING_BYTES !== 0)
      return this.fail(FRAME_SIZE_ERROR, "SETTINGS of wrong size");
    if (!this.#budgets.settings.take(this.nowMs)) {
      return this.fail(ENHANCE_YOUR_CALM, "too many SETTINGS");
    }
    this.settingsReceived = true;
    for (let at = start; at < end && !this.finished; at += SETTING_BYTES) {
      this.#setting(chunk.readUInt16BE(at), chunk.readUInt32BE(at + 2));
    }
    if (this.finished) return;
    this.send.raw(FRAME_SETTINGS, FLAG_ACK, NO_PAYLOAD);
    this.#host.onSettings();
  }

  #setting(id: number, value: number): undefined {
    const error = settingError(id, value, !this.isServer);
    if (error !== NO_ERROR) return this.fail(error, `bad value of setting ${id}`);
    if (id === SETTINGS_HEADER_TABLE_SIZE) {
      this.send.encoder.setMaxTableBytes(Math.min(value, HEADER_TABLE_BYTES));
    } else if (id === SETTINGS_MAX_CONCURRENT_STREAMS) {
      this.peerMaxConcurrentStreams = value;
    } else if (id === SETTINGS_INITIAL_WINDOW_SIZE) {
      const change = value - this.send.initialStreamWindow;
      this.send.initialStreamWindow = value;
      if (change === 0) return;
      for (const stream of this.streams.values()) {
        if (!this.send.changeStreamWindow(stream, change)) {
          return this.fail(FLOW_CONTROL_ERROR, "window overflow by SETTINGS");
        }
      }
    }
  }

  #onPing(chunk: Buffer, start: number, end: number, flags: number, id: number): undefined {
    if (id !== 0) return this.fail(PROTOCOL_ERROR, "PING on a stream");
    if (end - start !== 8) return this.fail(FRAME_SIZE_ERROR, "PING of wrong size");
    const payload = chunk.subarray(start, end);
    if (flags & FLAG_ACK) {
      if (this.#drainPingMs >= 0 && DRAIN_PING.equals(payload)) this.#finalGoaway();
      else if (!this.#keepalive.acknowledged()) this.#ignoreFrame();
      return;
    }
    this.send.ping(payload, FLAG_ACK);
    const answered = this.send.sentSinceCheck;
    this.send.sentSinceCheck = false;
    // grpc-go's servers ping at DATA, to measure the round trip: as often as there are calls.
    if (!this.isServer) return answered ? undefined : this.#ignoreFrame();
    if (!this.#pings.allow(this.nowMs, this.streams.size, answered)) {
      this.fail(ENHANCE_YOUR_CALM, "too_many_pings");
    }
  }

  #onGoaway(chunk: Buffer, start: number, end: number, id: number): undefined {
    if (id !== 0) return this.fail(PROTOCOL_ERROR, "GOAWAY on a stream");
    if (end - start < 8) return this.fail(FRAME_SIZE_ERROR, "GOAWAY of wrong size");
    const lastId = chunk.readUInt32BE(start) & 0x7fff_ffff;
    const code = chunk.readUInt32BE(start + 4);
    if (this.isServer) return this.#ignoreFrame();
    this.goingAway = true;
    this.#host.onGoaway(lastId, code, chunk.latin1Slice(start + 8, end));
    for (const stream of [...this.streams.values()]) {
      if (stream.id <= lastId) continue;
      this.#remove(stream);
      this.#abandon(stream, REFUSED_STREAM);
    }
    this.#finishIfDrained();
  }

  #onPriority(length: number, id: number): undefined {
    if (id === 0) return this.fail(PROTOCOL_ERROR, "PRIORITY on stream 0");
    if (length === 5) return this.#ignoreFrame();
    if (this.#isIdle(id)) return this.fail(FRAME_SIZE_ERROR, "PRIORITY of wrong size");
    this.#streamError(id, FRAME_SIZE_ERROR, "PRIORITY of wrong size");
  }

  /** A handler found out that it cannot go on; for programming errors. */
  internalError(stream: Http2Stream): void {
    this.resetStream(stream, INTERNAL_ERROR);
  }
}

const NO_PAYLOAD = new Uint8Array(0);
