/** Pings a peer that has been silent for long, and finds out that it has gone. */

export interface KeepaliveOptions {
  /** Silence before a ping; Infinity for never. */
  readonly keepaliveIntervalMs: number;
  /** Silence after it. */
  readonly keepaliveTimeoutMs: number;
}

export class Keepalive {
  readonly #options: KeepaliveOptions;
  #lastReadMs: number;
  /** When the unanswered ping was sent. */
  #pingMs: number | undefined = undefined;

  constructor(options: KeepaliveOptions, nowMs: number) {
    this.#options = options;
    this.#lastReadMs = nowMs;
  }

  heard(nowMs: number): void {
    this.#lastReadMs = nowMs;
  }

  /** An acknowledgement arrived; false when no ping waits for one. */
  acknowledged(): boolean {
    if (this.#pingMs === undefined) return false;
    this.#pingMs = undefined;
    return true;
  }

  /** What is due. Without `mayPing` no ping is. */
  look(nowMs: number, mayPing: boolean): "nothing" | "ping" | "dead" {
    const { keepaliveIntervalMs, keepaliveTimeoutMs } = this.#options;
    if (nowMs - this.#lastReadMs < keepaliveIntervalMs) {
      this.#pingMs = undefined;
      return "nothing";
    }
    if (this.#pingMs !== undefined) {
      return nowMs - this.#pingMs >= keepaliveTimeoutMs ? "dead" : "nothing";
    }
    if (!mayPing) return "nothing";
    this.#pingMs = nowMs;
    return "ping";
  }
}
