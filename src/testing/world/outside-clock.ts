/**
 * The world's time as those see it that are no member: the tests, their clients, and processes of
 * programs, whose timers wait while they stand still.
 */
import type { Clock, Timer } from "../../env/index.ts";
import { WALL_START_MS } from "./member-clock.ts";
import type { Actor, Scheduler } from "./scheduler.ts";

export class OutsideClock implements Clock {
  readonly #scheduler: Scheduler;
  readonly #actor: Actor | undefined;

  constructor(scheduler: Scheduler, actor?: Actor) {
    this.#actor = actor;
    this.#scheduler = scheduler;
  }

  nowMs(): number {
    return this.#scheduler.nowMs;
  }

  wallMs(): number {
    return Math.floor(WALL_START_MS + this.#scheduler.nowMs);
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    return this.#scheduler.at(delayMs, "timer", this.#actor, fire);
  }
}
