/** Time in a test's hands. */
import type { Timer } from "../env/index.ts";
import { type Duration, durationMs } from "./duration.ts";
import type { Flow } from "./flow.ts";
import type { OutsideClock } from "./world/outside-clock.ts";

/**
 * The clock of all members, of the clients that `client()` gives, and of whoever asks it. It stands
 * still but for `advance`, and for what calls to a cluster take.
 */
export class TestClock {
  readonly #clock: OutsideClock;
  readonly #flow: Flow;

  /** Made by `Etcd`. */
  constructor(clock: OutsideClock, flow: Flow) {
    this.#clock = clock;
    this.#flow = flow;
  }

  /** Milliseconds; the origin is the beginning of the world. */
  nowMs(): number {
    return this.#clock.nowMs();
  }

  /** The time of day that members see; a world begins at the beginning of 2026. */
  now(): Date {
    return new Date(this.#clock.wallMs());
  }

  /** As `nowMs`, of the time of day. */
  wallMs(): number {
    return this.#clock.wallMs();
  }

  /**
   * Moves time forward: "30s", "1h30m", or milliseconds. Leases expire, timeouts pass, compaction
   * runs, each at its time; when the promise settles all that has happened, and clients have what
   * was sent to them. @throws RangeError for a negative duration, TypeError for none.
   */
  async advance(by: Duration): Promise<void> {
    const ms = durationMs("clock.advance", by);
    if (this.#flow.isStopped) throw new Error("clock.advance: this etcd was closed");
    await this.#flow.advance(ms);
  }

  /** Calls `fire` once, when so many milliseconds of this clock have passed. */
  setTimer(delayMs: number, fire: () => void): Timer {
    if (typeof fire !== "function") throw new TypeError("clock.setTimer: fire is a function");
    if (Number.isNaN(delayMs)) throw new TypeError("clock.setTimer: NaN is no duration");
    return this.#clock.setTimer(delayMs, fire);
  }

  /** Settles when so much time of this clock has passed. Somebody else must advance it. */
  sleep(duration: Duration): Promise<void> {
    const ms = durationMs("clock.sleep", duration);
    return new Promise((resolve) => this.setTimer(ms, resolve));
  }
}
