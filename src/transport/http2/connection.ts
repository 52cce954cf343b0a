/**
 * The HTTP/2 connection state machine (RFC 9113) of both halves: `receive(chunk)` in, output bytes
 * and handler calls out. It knows no socket and no clock; its owner moves the bytes and says what
 * time it is, so that tests and simulations can drive it.
 *
 * Invariants: `receive` never throws, whatever the bytes. After `fail` nothing is parsed any more,
 * every stream's handler has had `onReset`, and the last output ends with GOAWAY.
 */
import {
  HEADER_TABLE_BYTES,
  MAX_HEADER_LIST_BYTES,
  RAPID_RESET_AGE_MS,
  REQUEST_COST,
  SMALL_DATA_BYTES,
  STREAM_WINDOW_BYTES,
} from "../limits.ts";
import type { ConnectionHost, ConnectionOptions } from "./connection-host.ts";
import {
  COMPRESSION_ERROR,
  ENHANCE_YOUR_CALM,
  FLAG_ACK,
  FLAG_END_STREAM,
  FLAG_PADDED,
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
import { type FrameListener, FrameWriter } from "./frame-writer.ts";
import { HeaderAssembly, type HeaderSink } from "./header-assembly.ts";
import type { HeaderBlock } from "./header-block.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import type { HeaderTemplate, OutgoingField } from "./hpack-encoder.ts";
import { InputTurn } from "./input-turn.ts";
import { Lifecycle } from "./lifecycle.ts";
import { Liveness } from "./liveness.ts";
import { OutputBudget } from "./output-budget.ts";
import { PeerBudgets, PingPolicy } from "./peer-budgets.ts";
import { ReceiveWindows } from "./receive-windows.ts";
import { Sender, type SendListener } from "./sender.ts";
import { encodeSettings, SETTING_BYTES, settingError } from "./settings.ts";
import { Http2Stream, IGNORE_STREAM, type StreamHandler } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";
import type { TokenBucket } from "./token-bucket.ts";

const KEEPALIVE_PING = Buffer.from("\x01alive\x02\x03", "latin1");

export class Http2Connection implements FrameListener, SendListener, FrameSink, HeaderSink {
  readonly isServer: boolean;
  readonly send: Sender;
  readonly streams: StreamTable;

  readonly #host: ConnectionHost;
  readonly #options: ConnectionOptions;
  readonly #reader: FrameReader;
  readonly #decoder = new HpackDecoder();
  readonly #headers = new HeaderAssembly(this);
  readonly #frames: FrameWriter = new FrameWriter(this);
  readonly #windows: ReceiveWindows;
  readonly #life: Lifecycle;
  readonly #liveness: Liveness;
  readonly #turn: InputTurn;
  readonly #budgets: PeerBudgets;
  readonly #pings: PingPolicy;
  #nowMs: number;
  /** The peer has sent its SETTINGS; nothing else may come before. */
  #settingsReceived = false;
  #settingsAcked = false;
  #peerMaxConcurrentStreams = Number.POSITIVE_INFINITY;

  constructor(host: ConnectionHost, options: ConnectionOptions) {
    this.#host = host;
    this.#options = options;
    this.isServer = options.isServer;
    this.#nowMs = options.nowMs;
    this.streams = new StreamTable(options.firstStreamId ?? 1);
    this.#windows = new ReceiveWindows(this.#frames);
    const dropStreams = (code: number): void => this.#dropStreams(code);
    this.#life = new Lifecycle(this.isServer, host, this.#frames, this.streams, dropStreams);
    this.#liveness = new Liveness(options, options.nowMs);
    this.#budgets = new PeerBudgets(options.nowMs);
    this.#pings = new PingPolicy(options.keepaliveMinTimeMs);
    this.#turn = new InputTurn(options.turnCost ?? Number.POSITIVE_INFINITY);
    this.#reader = new FrameReader(this, options.isServer);
    const budget = options.outputBudget ?? new OutputBudget(Number.POSITIVE_INFINITY);
    this.send = new Sender(this, this.#frames, budget);
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
      this.#frames.preface(PREFACE);
      settings.push([SETTINGS_ENABLE_PUSH, 0]);
    }
    this.#frames.control(FRAME_SETTINGS, 0, encodeSettings(settings));
    this.#windows.open();
  }

  /** Time of the current turn, as the owner last told. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** The owner says what time it is. */
  setNow(nowMs: number): void {
    this.#nowMs = nowMs;
  }

  /** Nothing is parsed or sent any more. */
  get finished(): boolean {
    return this.#life.finished;
  }

  /** Finished after all streams were, not by an error. */
  get endedWell(): boolean {
    return this.#life.endedWell;
  }

  /** No new streams: the peer said GOAWAY, or we did. */
  get closing(): boolean {
    return this.#life.closing;
  }

  /** The peer has spoken HTTP/2. */
  get settingsReceived(): boolean {
    return this.#settingsReceived;
  }

  /** The peer's SETTINGS_MAX_CONCURRENT_STREAMS, for the client half. */
  get peerMaxConcurrentStreams(): number {
    return this.#peerMaxConcurrentStreams;
  }

  // FrameListener, SendListener.

  wantFlush(): void {
    this.#host.wantFlush();
  }

  flushNow(): void {
    this.#host.flushNow();
  }

  outputOverflow(reason: string): void {
    this.fail(ENHANCE_YOUR_CALM, reason);
  }

  localEnded(stream: Http2Stream): void {
    if (stream.remoteClosed) {
      this.#remove(stream);
    } else if (this.isServer) {
      // RFC 9113 8.1: a complete answer before the end of the request; the rest is not needed.
      this.resetStream(stream, NO_ERROR);
    }
  }

  /** All output that may leave now. Follow with `recycle`. */
  takeOutput(): Uint8Array[] {
    this.send.pump();
    if (this.send.takeProgress()) this.#liveness.progressed(this.#nowMs);
    this.#frames.taken();
    return this.#frames.output.take();
  }

  /** After `takeOutput`: `written` says that the kernel has copied every piece. */
  recycle(written: boolean): void {
    this.#frames.output.recycle(written);
  }

  /** The socket took bytes that it had asked to wait for. */
  writeProgress(): void {
    this.#liveness.progressed(this.#nowMs);
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
    if (this.closing) return undefined;
    const id = this.streams.takeId();
    if (id === undefined) {
      // The connection is used up; another one goes on.
      this.drain();
      return undefined;
    }
    // The RST_STREAM by which a server may end an answered call is no burden.
    this.#budgets.ignoredFrames.give();
    const stream = new Http2Stream(id, this.send.initialStreamWindow, this.#nowMs);
    stream.handOver(handler);
    this.streams.add(stream);
    if (extra === undefined) this.send.headers(stream, head, false);
    else this.send.requestHead(stream, head, extra);
    return stream;
  }

  /** Ends a stream from our side; its handler is not told. Late frames of the peer are forgiven. */
  resetStream(stream: Http2Stream, code: number): void {
    if (stream.gone) return;
    this.streams.resetByUs(stream.id);
    this.#remove(stream);
    if (!this.finished) this.#frames.resetStream(stream.id, code);
  }

  /** A handler found out that it cannot go on; for programming errors. */
  internalError(stream: Http2Stream): void {
    this.resetStream(stream, INTERNAL_ERROR);
  }

  /** Goes on granting window to a stream that had paused. */
  resumeReceiving(stream: Http2Stream): void {
    this.#windows.resume(stream);
  }

  #remove(stream: Http2Stream): void {
    if (!this.streams.remove(stream)) return;
    if (stream.hasQueue) this.send.discard(stream);
    this.#host.onStreamGone();
    this.#life.finishIfDrained();
  }

  #dropStreams(code: number): void {
    for (const stream of this.streams.takeAll()) {
      stream.leave();
      this.send.discard(stream);
      stream.abandon(code);
    }
  }

  // Ends.

  /** A connection error: GOAWAY, then nothing more. */
  fail(code: number, reason: string): undefined {
    this.#life.fail(code, reason);
  }

  /** The socket has closed. */
  socketClosed(): void {
    this.#life.socketClosed();
  }

  /** Starts a graceful end: no new streams, finished once the open ones are. */
  drain(): void {
    this.#life.drain(this.#nowMs);
  }

  /** Looks at the timeouts. To be called every half second or so. */
  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    if (this.finished) return;
    const overdue = this.#liveness.overdue(nowMs, {
      settings: !this.#settingsReceived,
      headerBlockSinceMs: this.#headers.openSinceMs,
      unreadBytes: this.send.backlog.owedBytes,
    });
    if (overdue === undefined) this.#life.tick(nowMs);
    else this.fail(overdue.code, overdue.reason);
    if (!this.finished) this.#keepAlive(nowMs);
  }

  #keepAlive(nowMs: number): void {
    const mayPing =
      this.isServer || this.streams.size > 0 || this.#options.keepaliveWithoutStreams === true;
    const due = this.#liveness.keepalive(nowMs, mayPing);
    if (due === "ping") this.#frames.ping(KEEPALIVE_PING, 0);
    else if (due === "dead") this.fail(NO_ERROR, "keepalive ping not acked within timeout");
  }

  // Receiving.

  /** Takes in bytes of the peer. The chunk is borrowed until the current turn of the loop ends. */
  receive(chunk: Buffer): void {
    if (this.finished) return;
    this.#liveness.heard(this.#nowMs);
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
    if (!this.#headers.allows(type, id)) {
      this.fail(PROTOCOL_ERROR, "expected CONTINUATION");
      return;
    }
    if (!this.#settingsReceived && type !== FRAME_SETTINGS) {
      this.fail(PROTOCOL_ERROR, "expected SETTINGS");
      return;
    }
    switch (type) {
      case FRAME_DATA:
        return this.#onData(chunk, start, end, flags, id);
      case FRAME_HEADERS:
        return this.#onHeaders(chunk, start, end, flags, id);
      case FRAME_CONTINUATION:
        this.#headers.onContinuation(chunk, start, end, flags);
        return;
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
    if (!budget.take(this.#nowMs)) this.fail(ENHANCE_YOUR_CALM, reason);
  }

  #ignoreFrame(): undefined {
    return this.#take(this.#budgets.ignoredFrames, "too many ignored frames");
  }

  onEmptyFrame(): undefined {
    return this.#take(this.#budgets.emptyFrames, "too many empty frames");
  }

  /** The server answered a call without its service; the peer may cause many, but not for ever. */
  callRefused(): void {
    if (this.isServer) this.#take(this.#budgets.refusedCalls, "too many refused calls");
  }

  /** A stream error of the peer: RST_STREAM, counted (CVE-2025-8671). */
  #streamError(id: number, code: number, reason: string): undefined {
    if (this.isServer && !this.#budgets.resets.take(this.#nowMs)) {
      this.fail(ENHANCE_YOUR_CALM, `too many stream errors, last: ${reason}`);
      return;
    }
    const stream = this.streams.get(id);
    if (stream === undefined) {
      this.streams.resetByUs(id);
      this.#frames.resetStream(id, code);
      return;
    }
    this.resetStream(stream, code);
    stream.abandon(code);
  }

  #onData(chunk: Buffer, payload: number, frameEnd: number, flags: number, id: number): undefined {
    let start = payload;
    let end = frameEnd;
    const charged = end - start;
    if (!this.#windows.take(charged)) {
      return this.fail(FLOW_CONTROL_ERROR, "connection window exceeded");
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
    const stream = this.streams.get(id);
    if (stream === undefined) return this.#dataOnClosed(id, charged);
    if (stream.remoteClosed) {
      return this.#streamError(id, STREAM_CLOSED, "DATA after END_STREAM");
    }
    if (!stream.takeWindow(charged)) {
      return this.#streamError(id, FLOW_CONTROL_ERROR, "stream window exceeded");
    }
    const endStream = (flags & FLAG_END_STREAM) !== 0;
    stream.receiveBody(end - start);
    if (!this.isServer && !stream.headReceived) {
      return this.#streamError(id, PROTOCOL_ERROR, "DATA before the response head");
    }
    if (!stream.lengthFits(endStream)) {
      return this.#streamError(id, PROTOCOL_ERROR, "content-length mismatch");
    }
    if (endStream) {
      stream.closeRemote();
    } else {
      if (start === end) this.onEmptyFrame();
      this.#windows.consumed(stream, charged);
    }
    stream.handler.onData(chunk, start, end, endStream);
    if (endStream) this.#remoteEnded(stream);
  }

  #dataOnClosed(id: number, bytes: number): undefined {
    if (this.streams.isIdle(id)) return this.fail(PROTOCOL_ERROR, "DATA on an idle stream");
    if (!this.isServer || this.#life.ignores(id)) return;
    if (this.streams.forgives(id)) {
      if (bytes === 0) this.onEmptyFrame();
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

  #onHeaders(chunk: Buffer, start: number, end: number, flags: number, id: number): undefined {
    if ((id & 1) === 0) return this.fail(PROTOCOL_ERROR, "HEADERS on a stream that is not ours");
    this.#headers.onHeaders(chunk, start, end, flags, id, this.#nowMs);
  }

  onHeaderBlock(
    chunk: Buffer,
    start: number,
    end: number,
    id: number,
    endStream: boolean,
  ): undefined {
    const block = this.#decoder.decode(chunk, start, end);
    if (block === undefined) return this.fail(COMPRESSION_ERROR, "malformed header block");
    if (this.isServer && id > this.streams.lastId) return this.#onRequestHead(id, block, endStream);
    const stream = this.streams.get(id);
    if (stream === undefined) return this.#headersOnClosed(id);
    if (stream.remoteClosed) {
      return this.#streamError(id, STREAM_CLOSED, "HEADERS after END_STREAM");
    }
    if (block.tooLarge) return this.#streamError(id, ENHANCE_YOUR_CALM, "header list too large");
    if (this.isServer || stream.headReceived) {
      const problem = endStream ? block.trailerProblem() : "trailers without END_STREAM";
      if (problem !== "") return this.#streamError(id, PROTOCOL_ERROR, problem);
      if (!stream.lengthFits(true)) {
        return this.#streamError(id, PROTOCOL_ERROR, "content-length mismatch");
      }
    } else {
      const problem = block.responseProblem();
      if (problem !== "") return this.#streamError(id, PROTOCOL_ERROR, problem);
      if (block.status < 200) {
        if (endStream) this.#streamError(id, PROTOCOL_ERROR, "1xx with END_STREAM");
        return;
      }
      stream.receiveHead(endStream ? -1 : block.contentLength);
    }
    if (endStream) stream.closeRemote();
    stream.handler.onHeaders(block, endStream);
    if (endStream) this.#remoteEnded(stream);
  }

  #headersOnClosed(id: number): undefined {
    if (this.streams.isIdle(id)) return this.fail(PROTOCOL_ERROR, "HEADERS on an idle stream");
    if (!this.isServer || this.#life.ignores(id) || this.streams.forgives(id)) return;
    this.fail(STREAM_CLOSED, "HEADERS on a closed stream");
  }

  #onRequestHead(id: number, head: HeaderBlock, endStream: boolean): undefined {
    this.#turn.charge(REQUEST_COST);
    this.streams.used(id);
    if (this.#life.ignores(id)) return;
    if (head.tooLarge) return this.#streamError(id, ENHANCE_YOUR_CALM, "header list too large");
    const problem = head.requestProblem();
    if (problem !== "") return this.#streamError(id, PROTOCOL_ERROR, problem);
    if (endStream && head.contentLength > 0) {
      return this.#streamError(id, PROTOCOL_ERROR, "content-length mismatch");
    }
    if (this.streams.active >= this.#options.maxConcurrentStreams) {
      if (this.#settingsAcked) return this.#streamError(id, REFUSED_STREAM, "too many streams");
      this.streams.resetByUs(id);
      this.#frames.resetStream(id, REFUSED_STREAM);
      return;
    }
    const stream = new Http2Stream(id, this.send.initialStreamWindow, this.#nowMs);
    stream.receiveHead(head.contentLength);
    if (endStream) stream.closeRemote();
    this.streams.add(stream);
    const handler = this.#host.onRequest(stream, head, endStream);
    stream.handOver(stream.gone ? IGNORE_STREAM : handler);
  }

  #onRstStream(chunk: Buffer, start: number, end: number, id: number): undefined {
    if (end - start !== 4) return this.fail(FRAME_SIZE_ERROR, "RST_STREAM of wrong size");
    if (this.streams.isIdle(id)) return this.fail(PROTOCOL_ERROR, "RST_STREAM on an idle stream");
    const stream = this.streams.get(id);
    if (stream === undefined) {
      this.streams.resetByPeer(id);
      return this.#ignoreFrame();
    }
    // A client that has had an answer may leave: etcd's renews a lease by a stream for each renewal.
    const rapid = !stream.bodySent && this.#nowMs - stream.openedMs < RAPID_RESET_AGE_MS;
    this.#remove(stream);
    stream.abandon(chunk.readUInt32BE(start));
    if (this.isServer && rapid && !this.#budgets.resets.take(this.#nowMs)) {
      this.fail(ENHANCE_YOUR_CALM, "too many stream resets");
    }
  }

  #onWindowUpdate(chunk: Buffer, start: number, end: number, id: number): undefined {
    if (end - start !== 4) return this.fail(FRAME_SIZE_ERROR, "WINDOW_UPDATE of wrong size");
    const bytes = chunk.readUInt32BE(start) & 0x7fff_ffff;
    if (this.isServer && !this.#budgets.allowsWindow(bytes, this.#frames.dataFrames, this.#nowMs)) {
      return this.fail(ENHANCE_YOUR_CALM, "too many small WINDOW_UPDATEs");
    }
    if (id === 0) {
      if (bytes === 0) return this.fail(PROTOCOL_ERROR, "WINDOW_UPDATE of 0");
      if (!this.send.enlargeWindow(bytes)) this.fail(FLOW_CONTROL_ERROR, "window overflow");
      return;
    }
    const stream = this.streams.get(id);
    if (stream === undefined) {
      if (this.streams.isIdle(id)) this.fail(PROTOCOL_ERROR, "WINDOW_UPDATE on an idle stream");
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
      if (!this.#settingsReceived) return this.fail(PROTOCOL_ERROR, "expected SETTINGS");
      if (this.#settingsAcked) return this.#ignoreFrame();
      this.#settingsAcked = true;
      return;
    }
    if ((end - start) % SETTING_BYTES !== 0)
      return this.fail(FRAME_SIZE_ERROR, "SETTINGS of wrong size");
    if (!this.#budgets.settings.take(this.#nowMs)) {
      return this.fail(ENHANCE_YOUR_CALM, "too many SETTINGS");
    }
    this.#settingsReceived = true;
    for (let at = start; at < end && !this.finished; at += SETTING_BYTES) {
      this.#setting(chunk.readUInt16BE(at), chunk.readUInt32BE(at + 2));
    }
    if (this.finished) return;
    this.#frames.control(FRAME_SETTINGS, FLAG_ACK, NO_PAYLOAD);
    this.#host.onSettings();
  }

  #setting(id: number, value: number): undefined {
    const error = settingError(id, value, !this.isServer);
    if (error !== NO_ERROR) return this.fail(error, `bad value of setting ${id}`);
    if (id === SETTINGS_HEADER_TABLE_SIZE) {
      this.#frames.encoder.setMaxTableBytes(Math.min(value, HEADER_TABLE_BYTES));
    } else if (id === SETTINGS_MAX_CONCURRENT_STREAMS) {
      this.#peerMaxConcurrentStreams = value;
    } else if (id === SETTINGS_INITIAL_WINDOW_SIZE) {
      const change = this.send.setInitialStreamWindow(value);
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
      if (!this.#life.acknowledged(payload) && !this.#liveness.acknowledged()) this.#ignoreFrame();
      return;
    }
    this.#frames.ping(payload, FLAG_ACK);
    const answered = this.#frames.takeAnswered();
    // grpc-go's servers ping at DATA, to measure the round trip: as often as there are calls.
    if (!this.isServer) return answered ? undefined : this.#ignoreFrame();
    if (!this.#pings.allow(this.#nowMs, this.streams.size, answered)) {
      this.fail(ENHANCE_YOUR_CALM, "too_many_pings");
    }
  }

  #onGoaway(chunk: Buffer, start: number, end: number, id: number): undefined {
    if (id !== 0) return this.fail(PROTOCOL_ERROR, "GOAWAY on a stream");
    if (end - start < 8) return this.fail(FRAME_SIZE_ERROR, "GOAWAY of wrong size");
    const lastId = chunk.readUInt32BE(start) & 0x7fff_ffff;
    const code = chunk.readUInt32BE(start + 4);
    if (this.isServer) return this.#ignoreFrame();
    this.#life.goAway();
    this.#host.onGoaway(lastId, code, chunk.latin1Slice(start + 8, end));
    for (const stream of this.streams.values()) {
      if (stream.id <= lastId) continue;
      this.#remove(stream);
      stream.abandon(REFUSED_STREAM);
    }
    this.#life.finishIfDrained();
  }

  #onPriority(length: number, id: number): undefined {
    if (id === 0) return this.fail(PROTOCOL_ERROR, "PRIORITY on stream 0");
    if (length === 5) return this.#ignoreFrame();
    if (this.streams.isIdle(id)) return this.fail(FRAME_SIZE_ERROR, "PRIORITY of wrong size");
    this.#streamError(id, FRAME_SIZE_ERROR, "PRIORITY of wrong size");
  }
}

const NO_PAYLOAD = new Uint8Array(0);
