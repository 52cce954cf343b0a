/**
 * A member's own clock: it runs at its own rate, its wall clock is wrong and may jump, and long work
 * seems to take time on it. The last makes work that is cut into slices by time really yield: after
 * many looks at the clock within one event the clock moves on by a little, up to a share of the time
 * that has passed.
 */
import type { Clock, Timer } from "../../env/index.ts";
import type { Actor, Scheduler } from "./scheduler.ts";

/** 2026-01-01T00:00:00Z */
export const WALL_START_MS = 1_767_225_600_000;
/** More than a slice of the backend's long work. */
const WORK_STEP_MS = 5;
/** How much faster the clock may run because of work. */
export const MAX_WORK_SHARE = 0.01;
/** Keeps rounding from firing a timer a hair too early. */
const ROUNDING_MS = 1e-6;

export interface ClockTraits {
  /** Own milliseconds per millisecond of the world. */
  readonly rate: number;
  readonly wallOffsetMs: number;
  /** Looks at the clock within one event before time passes; 0: it never does. */
  readonly looksPerStep: number;
}

export class MemberClock implements Clock {
  readonly #scheduler: Scheduler;
  readonly #actor: Actor;
  readonly #traits: ClockTraits;
  readonly #startMs: number;
  #jumpMs = 0;
  #workMs = 0;
  #event = -1;
  #looks = 0;

  constructor(scheduler: Scheduler, actor: Actor, traits: ClockTraits) {
    this.#scheduler = scheduler;
    this.#actor = actor;
    this.#traits = traits;
    this.#startMs = scheduler.nowMs;
  }

  nowMs(): number {
    this.#work();
    return this.ownTime(this.#scheduler.nowMs) + this.#workMs;
  }

  /** What this clock shows, work aside, when the world's time is `worldMs`. */
  ownTime(worldMs: number): number {
    return 1000 + (worldMs - this.#startMs) * this.#traits.rate;
  }

  wallMs(): number {
    const { wallOffsetMs } = this.#traits;
    return Math.floor(WALL_START_MS + this.#scheduler.nowMs + wallOffsetMs + this.#jumpMs);
  }

  jumpWall(byMs: number): void {
    this.#jumpMs += byMs;
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const worldMs = Math.max(0, delayMs) / this.#traits.rate + ROUNDING_MS;
    return this.#scheduler.at(worldMs, "timer", this.#actor, fire);
  }

  #work(): void {
    const { looksPerStep } = this.#traits;
    if (looksPerStep === 0) return;
    if (this.#event !== this.#scheduler.count) {
      this.#event = this.#scheduler.count;
      this.#looks = 0;
    }
    if (++this.#looks < looksPerStep) return;
    this.#looks = 0;
    const budgetMs = (this.#scheduler.nowMs - this.#startMs) * MAX_WORK_SHARE;
    if (this.#workMs + WORK_STEP_MS <= budgetMs) this.#workMs += WORK_STEP_MS;
  }
}
