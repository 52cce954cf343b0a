/**
 * Sends a message that is made as the client takes it: what may leave at once is written straight
 * into the output, if the source can; then pieces are made, the next one when most of the last has
 * left. What the source needs meanwhile is charged to the budget of unread output.
 */
import type { ReplySource } from "../../env/rpc.ts";
import { INTERNAL_ERROR } from "../http2/constants.ts";
import type { Http2Stream, StreamHandler } from "../http2/stream.ts";
import { DIRECT_BODY_BYTES, MAX_REPLY_MS, STREAM_LOW_WATER_BYTES } from "../limits.ts";
import type { DeadlineBucket, DeadlineEntry } from "./deadlines.ts";
import { PREFIX_BYTES } from "./message-reader.ts";
import type { GrpcServerConnection } from "./server-connection.ts";

export class ReplyPump implements StreamHandler, DeadlineEntry {
  readonly deadlineMs: number;
  deadlineBucket: DeadlineBucket | undefined = undefined;
  deadlinePrevious: DeadlineEntry | undefined = undefined;
  deadlineNext: DeadlineEntry | undefined = undefined;
  readonly #connection: GrpcServerConnection;
  readonly #stream: Http2Stream;
  readonly #source: ReplySource;
  /** Bytes of the message that have not been made. */
  #owed: number;
  #closed = false;

  constructor(connection: GrpcServerConnection, stream: Http2Stream, source: ReplySource) {
    this.#connection = connection;
    this.#stream = stream;
    this.#source = source;
    this.#owed = source.bytes;
    this.deadlineMs = connection.http2.nowMs + MAX_REPLY_MS;
  }

  /** Begins the message; the stream's head has been sent. Takes over the stream. */
  start(): void {
    const { http2, server } = this.#connection;
    this.#stream.handOver(this);
    http2.send.backlog.hold(this.#source.heldBytes, this.#owed);
    server.deadlines.add(this);
    if (this.#source.isReady !== undefined) this.#source.onReady = () => this.#fill();
    this.#fill(() => {
      const { bytes } = this.#source;
      if (!this.#writeDirectly(bytes)) {
        const prefix = Buffer.alloc(PREFIX_BYTES);
        writePrefix(prefix, 0, bytes);
        http2.send.data(this.#stream, prefix, false);
      }
      // A source may keep more memory busy than it has bytes: what is little is made now.
      while (this.#isReady && this.#owed <= DIRECT_BODY_BYTES) this.#more();
    });
  }

  /** Begins the message of so many bytes in the output itself; false where that cannot be. */
  #writeDirectly(bytes: number): boolean {
    const source = this.#source;
    if (source.write === undefined) return false;
    const { send } = this.#connection.http2;
    let prefixBytes = PREFIX_BYTES;
    const sent = send.body(this.#stream, (target, start, end) => {
      const from = start + prefixBytes;
      const to = source.write?.(target, from, end) ?? from;
      if (to === from) return start;
      if (prefixBytes > 0) writePrefix(target, start, bytes);
      prefixBytes = 0;
      return to;
    });
    if (sent === 0) return false;
    this.#owed -= sent - PREFIX_BYTES;
    send.backlog.hold(0, PREFIX_BYTES - sent);
    return true;
  }

  #fill(first?: () => void): void {
    try {
      first?.();
      while (this.#isReady && this.#stream.queuedBytes < STREAM_LOW_WATER_BYTES) this.#more();
    } catch (error) {
      this.#connection.server.logger.warn("cannot complete a large answer", { error });
      this.#giveUp();
    }
  }

  get #isReady(): boolean {
    return !this.#closed && this.#source.isReady !== false;
  }

  #more(): void {
    const { send } = this.#connection.http2;
    const piece = this.#source.next();
    if (piece !== undefined) {
      this.#owed -= piece.length;
      send.backlog.hold(0, -piece.length);
      send.data(this.#stream, piece, false);
      return;
    }
    if (this.#owed !== 0) throw new Error(`a message lacks ${this.#owed} bytes`);
    this.#close();
    send.headers(this.#stream, this.#connection.okTrailers, true);
  }

  /** The client sees a broken stream: the message's length was promised. */
  #giveUp(): void {
    this.#close();
    this.#connection.http2.resetStream(this.#stream, INTERNAL_ERROR);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.server.deadlines.remove(this);
    this.#connection.http2.send.backlog.hold(-this.#source.heldBytes, -this.#owed);
    this.#source.close();
  }

  onWritable(): void {
    this.#fill();
  }

  onReset(_code: number): void {
    this.#close();
  }

  onDeadline(): void {
    this.#giveUp();
  }

  onData(): void {}

  onHeaders(): void {}
}

/** What stands before a message of so many bytes that is not compressed. */
function writePrefix(target: Buffer, at: number, bytes: number): void {
  target[at] = 0;
  target.writeUInt32BE(bytes, at + 1);
}
