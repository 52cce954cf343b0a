/**
 * Moves bytes between a socket (TCP, TLS, unix: any Duplex) and an HTTP/2 connection. Output of
 * one turn leaves in one write; a peer that does not read is not read from either.
 */
import type { Duplex } from "node:stream";
import type { Clock } from "../env/clock.ts";
import type { Http2Connection } from "./http2/connection.ts";
import type { FlushQueue } from "./flush-queue.ts";
import { IDLE_WRITE_TIMEOUT_MS, READ_PAUSE_BYTES } from "./limits.ts";

/** How long a closed connection may take to deliver its last bytes. */
const CLOSE_GRACE_MS = 1_000;

export class SocketDriver {
  readonly socket: Duplex;
  readonly #connection: Http2Connection;
  readonly #clock: Clock;
  readonly #queue: FlushQueue;
  /** The kernel copies synchronously what it takes, so that slabs can be used again. */
  readonly #copies: boolean;
  readonly #onClosed: () => void;
  /** Two reasons not to read: the peer does not, or others have not had their turn. */
  #readPaused = false;
  #resting = false;
  #endedMs = -1;
  #closed = false;

  /** `copies`: the socket is plain TCP or unix, not TLS and not an in-memory stream. */
  constructor(
    socket: Duplex,
    connection: Http2Connection,
    clock: Clock,
    queue: FlushQueue,
    copies: boolean,
    onClosed: () => void,
  ) {
    this.socket = socket;
    this.#connection = connection;
    this.#clock = clock;
    this.#queue = queue;
    this.#copies = copies;
    this.#onClosed = onClosed;
  }

  /** Starts both directions; `first` is what a sniffer has already read. */
  start(first: Buffer | undefined): void {
    const { socket } = this;
    socket.on("data", (chunk: Buffer) => this.#received(chunk));
    socket.on("drain", () => this.#drained());
    socket.on("error", () => this.#close());
    socket.on("end", () => this.#close());
    socket.on("close", () => this.#close());
    this.#connection.start();
    if (first !== undefined && first.length > 0) this.#received(first);
    socket.resume();
  }

  wantFlush(): void {
    this.#queue.mark(this);
  }

  #received(chunk: Buffer): void {
    const connection = this.#connection;
    connection.setNow(this.#clock.nowMs());
    connection.receive(chunk);
    if (connection.send.blocked && connection.send.backlog.totalBytes > READ_PAUSE_BYTES) {
      this.#readPaused = true;
      this.socket.pause();
    }
    if (connection.resting) this.#rest();
  }

  #rest(): void {
    if (this.#resting) return;
    this.#resting = true;
    this.socket.pause();
    this.#queue.rest(this);
  }

  /** Others have had theirs. */
  nextTurn(): void {
    this.#resting = false;
    const connection = this.#connection;
    connection.setNow(this.#clock.nowMs());
    connection.nextTurn();
    if (connection.resting) this.#rest();
    else this.#resume();
  }

  #resume(): void {
    if (!this.#readPaused && !this.#resting && !this.#closed) this.socket.resume();
  }

  #drained(): void {
    const { send } = this.#connection;
    send.socketHolds(0, false);
    this.#connection.setNow(this.#clock.nowMs());
    this.#connection.writeProgress();
    this.flush();
    if (this.#readPaused && !send.blocked) {
      this.#readPaused = false;
      this.#resume();
    }
  }

  /** Writes what may leave now. Called by the queue, once per turn. */
  flush(): void {
    const { socket } = this;
    const connection = this.#connection;
    const { send } = connection;
    const pieces = connection.takeOutput();
    if (this.#closed || socket.destroyed) {
      connection.recycle(false);
      return;
    }
    if (pieces.length === 1) {
      socket.write(pieces[0] as Uint8Array);
    } else if (pieces.length > 1) {
      socket.cork();
      for (const piece of pieces) socket.write(piece);
      socket.uncork();
    }
    const left = socket.writableLength;
    connection.recycle(this.#copies && left === 0);
    send.socketHolds(left, left > 0 && socket.writableNeedDrain);
    if (connection.finished) this.#end();
    else if (send.sendable) this.#queue.markLater(this);
  }

  #end(): void {
    if (this.#endedMs >= 0) return;
    this.#endedMs = this.#clock.nowMs();
    this.socket.end();
  }

  /** To be called every half second or so. */
  tick(nowMs: number): void {
    this.#connection.tick(nowMs);
    if (this.#endedMs < 0) return;
    // A connection that ended in peace may still owe its peer the end of a large answer.
    const owes = this.#connection.endedWell && this.socket.writableLength > 0;
    const graceMs = owes ? IDLE_WRITE_TIMEOUT_MS : CLOSE_GRACE_MS;
    if (nowMs - this.#endedMs >= graceMs) this.destroy();
  }

  destroy(): void {
    this.socket.destroy();
    this.#close();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.socketClosed();
    if (!this.socket.destroyed) this.socket.destroy();
    this.#onClosed();
  }
}
