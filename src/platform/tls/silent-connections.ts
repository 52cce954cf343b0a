/**
 * Connections whose client has not said hello yet, in the order of arrival: bounded in number and
 * in time. One more than the limit ends the oldest.
 */
import type { Socket } from "node:net";

export interface SilentOptions {
  readonly limit: number;
  readonly timeoutMs: number;
  /** Is about to be closed, as it took too long. */
  readonly onTimeout: (socket: Socket) => void;
}

export class SilentConnections {
  readonly #options: SilentOptions;
  /** With the time of arrival, oldest first. */
  readonly #since = new Map<Socket, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SilentOptions) {
    this.#options = options;
  }

  add(socket: Socket): void {
    if (this.#since.size >= this.#options.limit) {
      const [oldest] = this.#since.keys();
      this.#end(oldest);
    }
    this.#since.set(socket, performance.now());
    this.#watch();
  }

  /** False when it was not there: it has spoken, or was ended. */
  delete(socket: Socket): boolean {
    return this.#since.delete(socket);
  }

  /** Ends all. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const socket of this.#since.keys()) this.#end(socket);
  }

  #end(socket: Socket | undefined): void {
    if (socket === undefined) return;
    this.#since.delete(socket);
    socket.destroy();
  }

  /** One timer for all: the oldest is the first that is due. */
  #watch(): void {
    if (this.#timer !== undefined) return;
    const [oldest] = this.#since.values();
    if (oldest === undefined) return;
    const { timeoutMs, onTimeout } = this.#options;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        const nowMs = performance.now();
        for (const [socket, sinceMs] of this.#since) {
          if (nowMs - sinceMs < timeoutMs) break;
          onTimeout(socket);
          this.#end(socket);
        }
        this.#watch();
      },
      Math.max(1, oldest + timeoutMs - performance.now()),
    );
    this.#timer.unref();
  }
}
