/** Times of spans: what the monotonic clock says, as nanoseconds since the Unix epoch. */
import type { Clock } from "../env/clock.ts";

/** The wall clock counts whole milliseconds, so that it is late by half of one on the average. */
const WALL_LATENESS_MS = 0.5;
/** The wall clock was set when it is farther from where it was than its own grain explains. */
const STEP_MS = 1.5;
const NANOS_PER_MS = 1e6;

export class UnixTime {
  readonly #clock: Clock;
  /** What to add to `Clock.nowMs`. */
  #originMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#originMs = this.#measured();
  }

  /** Follows a wall clock that was set. To be called at times; spans do not look at it. */
  adjust(): void {
    const measured = this.#measured();
    if (Math.abs(measured - this.#originMs) > STEP_MS) this.#originMs = measured;
  }

  /** `nowMs`: on the scale of `Clock.nowMs`. */
  nanos(nowMs: number): bigint {
    const ms = this.#originMs + nowMs;
    const whole = Math.floor(ms);
    return BigInt(whole) * BigInt(NANOS_PER_MS) + BigInt(Math.round((ms - whole) * NANOS_PER_MS));
  }

  #measured(): number {
    return this.#clock.wallMs() + WALL_LATENESS_MS - this.#clock.nowMs();
  }
}
