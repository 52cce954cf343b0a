/** The world's time as those see it that are no member: clients, and the tests themselves. */
import type { Clock, Timer } from "../../env/index.ts";
import { WALL_START_MS } from "./member-clock.ts";
import type { Scheduler } from "./scheduler.ts";

export class OutsideClock implements Clock {
  readonly #scheduler: Scheduler;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  nowMs(): number {
    return this.#scheduler.nowMs;
  }

  wallMs(): number {
    return Math.floor(WALL_START_MS + this.#scheduler.nowMs);
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    return this.#scheduler.at(delayMs, "timer", undefined, fire);
  }
}
