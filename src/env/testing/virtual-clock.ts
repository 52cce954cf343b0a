/**
 * A clock that moves only when told. Timers fire in the order of their due time, and in the order
 * of creation when due together; while one fires, `nowMs` is its due time.
 */
import { assert } from "../../base/assert.ts";
import type { Clock, Timer } from "../clock.ts";

/** 2026-01-01T00:00:00Z, so that log lines and ids of a test are the same in every run. */
const DEFAULT_WALL_START_MS = 1_767_225_600_000;

interface PendingTimer {
  readonly dueMs: number;
  readonly order: number;
  readonly fire: () => void;
}

export class VirtualClock implements Clock {
  #nowMs = 0;
  #wallOffsetMs: number;
  #order = 0;
  /** Sorted by (dueMs, order). */
  readonly #timers: PendingTimer[] = [];

  constructor(wallStartMs: number = DEFAULT_WALL_START_MS) {
    this.#wallOffsetMs = wallStartMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return Math.floor(this.#wallOffsetMs + this.#nowMs);
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const timer = { dueMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, fire };
    let at = this.#timers.length;
    while (at > 0 && (this.#timers[at - 1]?.dueMs ?? 0) > timer.dueMs) at--;
    this.#timers.splice(at, 0, timer);
    return {
      cancel: () => {
        const found = this.#timers.indexOf(timer);
        if (found >= 0) this.#timers.splice(found, 1);
      },
    };
  }

  /** Timers that have not fired yet. */
  get pendingTimers(): number {
    return this.#timers.length;
  }

  /** Milliseconds until the next timer; undefined without one. */
  get untilNextMs(): number | undefined {
    const next = this.#timers[0];
    return next === undefined ? undefined : next.dueMs - this.#nowMs;
  }

  /** Moves time forward and fires what falls due on the way, timers set by timers included. */
  advance(ms: number): void {
    assert(ms >= 0, "time does not go back");
    const endMs = this.#nowMs + ms;
    while (this.#fireNext(endMs));
    this.#nowMs = endMs;
  }

  /** As `advance`, letting promises and `setImmediate` work run after each timer. */
  async advanceAsync(ms: number): Promise<void> {
    assert(ms >= 0, "time does not go back");
    const endMs = this.#nowMs + ms;
    await turnOfTheLoop();
    while (this.#fireNext(endMs)) await turnOfTheLoop();
    this.#nowMs = endMs;
  }

  /** The wall clock alone jumps, as after a correction by NTP or an operator. */
  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  #fireNext(endMs: number): boolean {
    const next = this.#timers[0];
    if (next === undefined || next.dueMs > endMs) return false;
    this.#timers.shift();
    this.#nowMs = next.dueMs;
    next.fire();
    return true;
  }
}

function turnOfTheLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
