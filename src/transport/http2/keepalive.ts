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
  /** When the unanswered ping was sent, or -1. */
  #pingMs = -1;

  constructor(options: KeepaliveOptions, nowMs: number) {
    this.#options = options;
    this.#lastReadMs = nowMs;
  }

  heard(nowMs: number): void {
    this.#lastReadMs = nowMs;
  }

  /** An acknowledgement arrived; false when no ping waits for one. */
  acknowledged(): boolean {
    if (this.#pingMs < 0) return false;
    this.#pingMs = -1;
    return true;
  }

  /** What is due. Without `mayPing` no ping is. */
  look(nowMs: number, mayPing: boolean): "nothing" | "ping" | "dead" {
    const { keepaliveIntervalMs, keepaliveTimeoutMs } = this.#options;
    if (nowMs - this.#lastReadMs < keepaliveIntervalMs) {
      this.#pingMs = -1;
      return "nothing";
    }
    if (this.#pingMs >= 0) {
      return nowMs - this.#pingMs >= keepaliveTimeoutMs ? "dead" : "nothing";
    }
    if (!mayPing) return "nothing";
    this.#pingMs = nowMs;
    return "ping";
  }
}
