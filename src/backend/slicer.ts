/** Cuts long work into slices so that the event loop serves others in between. */

import type { Clock } from "../env/clock.ts";

/** Ends the current turn of the event loop and continues in a later one. */
export type YieldTurn = () => Promise<void>;

export const yieldToEventLoop: YieldTurn = () => new Promise((resolve) => setImmediate(resolve));

/** Work of sealing and hashing between two turns of the event loop. */
const SLICE_MS = 4;

export class Slicer {
  readonly #clock: Clock;
  readonly #yieldTurn: YieldTurn;
  readonly #sliceMs: number;
  #deadlineMs: number;

  constructor(clock: Clock, yieldTurn: YieldTurn, sliceMs: number) {
    this.#clock = clock;
    this.#yieldTurn = yieldTurn;
    this.#sliceMs = sliceMs;
    this.#deadlineMs = clock.nowMs() + sliceMs;
  }

  /** True when the slice has used its time: then `pause`. */
  readonly isOverdue = (): boolean => this.#clock.nowMs() >= this.#deadlineMs;

  async pause(): Promise<void> {
    await this.#yieldTurn();
    this.#deadlineMs = this.#clock.nowMs() + this.#sliceMs;
  }
}

/** For one piece of the backend's work. `yieldTurn` is by default a turn of Node's event loop. */
export function newSlicer(deps: { readonly clock: Clock; readonly yieldTurn?: YieldTurn }): Slicer {
  return new Slicer(deps.clock, deps.yieldTurn ?? yieldToEventLoop, SLICE_MS);
}
