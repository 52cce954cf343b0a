/** The faults that a run can inject, and how a seed chooses among them. */
import type { Random } from "../src/env/random.ts";

export const FAULT_KINDS = [
  "isolate-leader",
  "isolate-follower",
  "one-way-from-leader",
  "one-way-to-leader",
  "cut-one-pair",
  "cut-clients",
  "delay",
  "drop-connections",
  "throttle",
  "kill-leader",
  "kill-follower",
  "kill-all",
  "pause-leader",
  "pause-follower",
  "restart-storm",
  "disk-full",
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

export interface PlannedFault {
  readonly kind: FaultKind;
  /** How long it stays. */
  readonly holdMs: number;
  /** Quiet time afterwards. */
  readonly calmMs: number;
}

/** Several elections (500 ms each, at most doubled). */
const MIN_HOLD_MS = 700;
export const MAX_HOLD_MS = 3500;
const MIN_CALM_MS = 300;
const MAX_CALM_MS = 1500;

/**
 * Every kind once in random order, then again in another. The same random numbers give the same
 * plan.
 */
export class FaultPlan {
  readonly #random: Random;
  readonly #kinds: readonly FaultKind[];
  readonly #maxHoldMs: number;
  #left: FaultKind[] = [];

  constructor(random: Random, kinds: readonly FaultKind[], maxHoldMs: number) {
    this.#random = random;
    this.#kinds = kinds;
    this.#maxHoldMs = maxHoldMs;
  }

  next(): PlannedFault {
    if (this.#left.length === 0) this.#left = [...this.#kinds];
    const [kind = "kill-leader"] = this.#left.splice(this.#random.below(this.#left.length), 1);
    const between = (low: number, high: number): number => low + this.#random.below(high - low);
    const holdMs = between(MIN_HOLD_MS, this.#maxHoldMs);
    return { kind, holdMs, calmMs: between(MIN_CALM_MS, MAX_CALM_MS) };
  }
}
