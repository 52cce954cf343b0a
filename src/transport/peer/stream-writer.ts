/**
 * The writing end of one stream of a peer: the answer to a request that the peer made. Messages
 * queue until the end of the current stretch of code and leave in one buffer; a peer that reads too
 * slowly makes them wait, within bounds, and one that takes nothing for the timeout loses the
 * stream. Without a stream nothing queues.
 */
import type { Message } from "../../api/gen/raft.ts";
import type { HttpResponse } from "../../env/http.ts";
import type { Flushable, FlushQueue } from "../flush-queue.ts";
import type { StreamEncoder } from "./frame.ts";
import {
  MAX_QUEUED_PEER_BYTES,
  MAX_QUEUED_PEER_MESSAGES,
  PEER_BATCH_BYTES,
  PEER_TICKS_PER_HEARTBEAT,
  PEER_WRITE_BYTES,
} from "./limits.ts";
import type { PeerContext } from "./peer-context.ts";
import { messageWeight } from "./message-weight.ts";
import { newEncoder, STREAM_NAMES, type StreamKind } from "./stream-kind.ts";

interface Stream {
  readonly response: HttpResponse;
  readonly encoder: StreamEncoder;
  /** Encoded, and given to the response up to `written`. */
  output: Uint8Array;
  written: number;
  /** The response takes no more until it says so; for so many ticks. */
  blocked: boolean;
  blockedTicks: number;
}

const NOTHING = new Uint8Array(0);

export class StreamWriter implements Flushable {
  readonly #context: PeerContext;
  readonly #kind: StreamKind;
  readonly #flushQueue: FlushQueue;
  #stream: Stream | undefined;
  #queue: Message[] = [];
  #queuedBytes = 0;
  #marked = false;
  #ticks = 0;

  constructor(context: PeerContext, kind: StreamKind, flushQueue: FlushQueue) {
    this.#context = context;
    this.#kind = kind;
    this.#flushQueue = flushQueue;
  }

  /** Whether there is a stream to write on. */
  get working(): boolean {
    return this.#stream !== undefined;
  }

  /** Only while `working`. False when the queue is full; the message is dropped then. */
  send(message: Message): boolean {
    const weight = messageWeight(message);
    const queued = this.#queue.length;
    if (queued >= MAX_QUEUED_PEER_MESSAGES) return false;
    if (queued > 0 && this.#queuedBytes + weight > MAX_QUEUED_PEER_BYTES) return false;
    this.#queue.push(message);
    this.#queuedBytes += weight;
    if (!this.#marked && this.#stream?.blocked === false) {
      this.#marked = true;
      this.#flushQueue.mark(this);
    }
    return true;
  }

  /** Takes the answer over, in place of an earlier one. Its head has been given. */
  attach(response: HttpResponse): void {
    const { logger, idText, localText, status } = this.#context;
    const replaced = this.#detach();
    const stream: Stream = {
      response,
      encoder: newEncoder(this.#kind),
      output: NOTHING,
      written: 0,
      blocked: false,
      blockedTicks: 0,
    };
    this.#stream = stream;
    response.onDrain = () => {
      stream.blocked = false;
      stream.blockedTicks = 0;
      this.flush();
    };
    response.onClose = () => this.#lose("connection closed by the peer");
    const name = STREAM_NAMES[this.#kind];
    logger.info("set message encoder", { from: localText, to: idText, "stream-type": name });
    status.activate();
    if (replaced) {
      logger.warn("closed TCP streaming connection with remote peer", this.#fields());
    }
    logger.info("established TCP streaming connection with remote peer", this.#fields());
    this.#write(stream, stream.encoder.heartbeat);
  }

  /** Called at the end of a stretch of code in which messages were sent. */
  flush(): void {
    this.#marked = false;
    const stream = this.#stream;
    while (stream !== undefined && stream === this.#stream && !stream.blocked) {
      if (stream.written === stream.output.length && !this.#encode(stream)) return;
      const end = Math.min(stream.written + PEER_WRITE_BYTES, stream.output.length);
      const slice = stream.output.subarray(stream.written, end);
      stream.written = end;
      if (end === stream.output.length) {
        stream.output = NOTHING;
        stream.written = 0;
      }
      this.#write(stream, slice);
    }
  }

  tick(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    if (stream.blocked && ++stream.blockedTicks >= this.#context.writeTimeoutTicks) {
      this.#lose("write: i/o timeout");
      return;
    }
    this.#ticks++;
    const idle = !stream.blocked && stream.output.length === 0;
    if (this.#ticks % PEER_TICKS_PER_HEARTBEAT === 0 && idle) {
      this.#write(stream, stream.encoder.heartbeat);
    }
  }

  stop(): void {
    const { logger } = this.#context;
    if (this.#detach()) {
      logger.warn("closed TCP streaming connection with remote peer", this.#fields());
    }
    logger.info("stopped TCP streaming connection with remote peer", this.#fields());
  }

  #write(stream: Stream, bytes: Uint8Array): void {
    if (stream.response.closed) {
      this.#lose("connection closed by the peer");
      return;
    }
    this.#context.sentBytes.add(bytes.length);
    if (!stream.response.write(bytes)) stream.blocked = true;
  }

  /** Encodes the next batch; false when nothing waits. */
  #encode(stream: Stream): boolean {
    const queue = this.#queue;
    if (queue.length === 0) return false;
    let batch = queue;
    if (this.#queuedBytes <= PEER_BATCH_BYTES) {
      this.#queue = [];
      this.#queuedBytes = 0;
    } else {
      let weight = 0;
      let count = 0;
      while (count < queue.length && weight < PEER_BATCH_BYTES) {
        weight += messageWeight(queue[count++] as Message);
      }
      batch = queue.splice(0, count);
      this.#queuedBytes -= weight;
    }
    stream.output = stream.encoder.encode(batch);
    return true;
  }

  #lose(reason: string): void {
    const { logger, status, sentFailures } = this.#context;
    status.deactivate(STREAM_NAMES[this.#kind], "write", reason);
    sentFailures.add();
    this.#detach();
    // What was written last may never have been read.
    this.#context.reportUnreachable();
    logger.warn("lost TCP streaming connection with remote peer", this.#fields());
  }

  /** Ends the stream; what waited is gone, and the node is told. */
  #detach(): boolean {
    const stream = this.#stream;
    if (stream === undefined) return false;
    this.#stream = undefined;
    stream.response.onDrain = undefined;
    stream.response.onClose = undefined;
    if (stream.blocked) stream.response.abort();
    else stream.response.end();
    if (this.#queue.length > 0 || stream.output.length > 0) this.#context.reportUnreachable();
    this.#queue = [];
    this.#queuedBytes = 0;
    return true;
  }

  #fields() {
    const { localText, idText } = this.#context;
    return {
      "stream-writer-type": STREAM_NAMES[this.#kind],
      "local-member-id": localText,
      "remote-peer-id": idText,
    };
  }
}
