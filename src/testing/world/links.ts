/**
 * The wires between members: each direction of each pair has its own state. What is sent over a
 * blocked direction is lost.
 */
import type { SeededRandom } from "../../env/testing/index.ts";

export interface NetworkTraits {
  readonly latencyMs: number;
  /** Shares of messages, 0 to 1. */
  readonly loss: number;
  readonly duplication: number;
  /** Messages that are held up, and come behind later ones. */
  readonly reordering: number;
}

export const CALM: Omit<NetworkTraits, "latencyMs"> = { loss: 0, duplication: 0, reordering: 0 };

const HELD_UP_MS = { min: 5, max: 800 };
/** Between two messages on one direction that keep their order. */
const SPACING_MS = 0.001;

export class Links {
  traits: NetworkTraits;
  readonly #random: SeededRandom;
  readonly #blocked = new Set<string>();
  /** When a direction was last opened, in the world's time. */
  readonly #openedMs = new Map<string, number>();
  /** When the last message that keeps its order arrives. */
  readonly #lastMs = new Map<string, number>();

  constructor(traits: NetworkTraits, random: SeededRandom) {
    this.traits = traits;
    this.#random = random;
  }

  block(from: string, to: string): void {
    this.#blocked.add(`${from}>${to}`);
  }

  open(from: string, to: string, nowMs: number): void {
    if (this.#blocked.delete(`${from}>${to}`)) this.#openedMs.set(`${from}>${to}`, nowMs);
  }

  openAll(nowMs: number): void {
    for (const link of this.#blocked) this.#openedMs.set(link, nowMs);
    this.#blocked.clear();
  }

  isOpen(from: string, to: string): boolean {
    return !this.#blocked.has(`${from}>${to}`);
  }

  /** Both directions are open since then; undefined if one is not. */
  openSinceMs(a: string, b: string): number | undefined {
    if (!this.isOpen(a, b) || !this.isOpen(b, a)) return undefined;
    return Math.max(this.#openedMs.get(`${a}>${b}`) ?? 0, this.#openedMs.get(`${b}>${a}`) ?? 0);
  }

  latencyMs(): number {
    return (this.traits.latencyMs * this.#random.between(50, 250)) / 100;
  }

  /** What becomes of a message that is sent now. */
  delivery(from: string, to: string, nowMs: number): readonly number[] {
    const { loss, duplication, reordering } = this.traits;
    const random = this.#random;
    if (!this.isOpen(from, to) || (loss > 0 && random.chance(loss))) return [];
    if (reordering > 0 && random.chance(reordering)) {
      return [random.between(HELD_UP_MS.min, HELD_UP_MS.max)];
    }
    const link = `${from}>${to}`;
    const arrivalMs = Math.max(
      nowMs + this.latencyMs(),
      (this.#lastMs.get(link) ?? 0) + SPACING_MS,
    );
    this.#lastMs.set(link, arrivalMs);
    const delays = [arrivalMs - nowMs];
    if (duplication > 0 && random.chance(duplication)) {
      delays.push(arrivalMs - nowMs + random.between(0, HELD_UP_MS.max));
    }
    return delays;
  }
}
