/**
 * Connections whose client has not said hello yet, in the order of arrival: bounded in number and
 * in time. One more than the limit ends the oldest.
 */
import type { Socket } from "node:net";
import type { Clock, Timer } from "../../env/clock.ts";

export interface SilentOptions {
  readonly clock: Clock;
  readonly limit: number;
  readonly timeoutMs: number;
  /** Is about to be closed, as it took too long. */
  readonly onTimeout: (socket: Socket) => void;
}

export class SilentConnections {
  readonly #options: SilentOptions;
  /** With the time of arrival, oldest first. */
  readonly #since = new Map<Socket, number>();
  #timer: Timer | undefined;

  constructor(options: SilentOptions) {
    this.#options = options;
  }

  add(socket: Socket): void {
    if (this.#since.size >= this.#options.limit) {
      const [oldest] = this.#since.keys();
      this.#end(oldest);
    }
    this.#since.set(socket, this.#options.clock.nowMs());
    this.#watch();
  }

  /** False when it was not there: it has spoken, or was ended. */
  delete(socket: Socket): boolean {
    return this.#since.delete(socket);
  }

  /** Ends all. */
  stop(): void {
    this.#timer?.cancel();
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
    const { clock, timeoutMs, onTimeout } = this.#options;
    this.#timer = clock.setTimer(oldest + timeoutMs - clock.nowMs(), () => {
      this.#timer = undefined;
      const nowMs = clock.nowMs();
      for (const [socket, sinceMs] of this.#since) {
        if (nowMs - sinceMs < timeoutMs) break;
        onTimeout(socket);
        this.#end(socket);
      }
      this.#watch();
    });
  }
}
