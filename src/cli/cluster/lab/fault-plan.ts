/**
 * Which members of a cluster are cut off from each other and which are slow: one partition at a
 * time, with some members on one side and all others on the other. Plain state, which becomes what
 * each member is told.
 */
import type { Faults } from "../../../lab/lab-protocol.ts";

/** Longer delays are elections without end; bounds how long a message waits in a member. */
const MAX_DELAY_MS = 10_000;

/** A process that takes part: its name and where others meet it. */
export interface Place {
  readonly name: string;
  readonly peerURL: string;
}

export class FaultPlan {
  readonly #places: readonly Place[];
  #side: ReadonlySet<string> = new Set();
  readonly #delays = new Map<string, number>();

  constructor(places: readonly Place[]) {
    this.#places = places;
  }

  /** These on one side, the others on the other, instead of what was before. */
  partition(names: readonly string[]): void {
    const side = new Set(names);
    const isWhole = side.size === 0 || side.size === this.#places.length;
    if (isWhole) {
      throw new Error(
        "partition needs members on both sides: name those that shall be apart from the others",
      );
    }
    this.#side = side;
  }

  /** Everything reaches everybody again, at once. */
  heal(): void {
    this.#side = new Set();
    this.#delays.clear();
  }

  /** 0 is none. */
  slow(name: string, delayMs: number): void {
    if (delayMs > MAX_DELAY_MS) {
      throw new Error(`slow takes up to ${MAX_DELAY_MS} milliseconds, not ${delayMs}`);
    }
    if (delayMs === 0) this.#delays.delete(name);
    else this.#delays.set(name, delayMs);
  }

  delayOf(name: string): number {
    return this.#delays.get(name) ?? 0;
  }

  /** Names of those that `name` does not reach. */
  cutOffFrom(name: string): readonly string[] {
    return this.#beyond(name).map((place) => place.name);
  }

  faultsOf(name: string): Faults {
    const cutOff = this.#beyond(name).map(({ peerURL }) => peerURL);
    return { cutOff, delayMs: this.delayOf(name) };
  }

  #beyond(name: string): readonly Place[] {
    const isInside = this.#side.has(name);
    if (this.#side.size === 0) return [];
    return this.#places.filter((place) => this.#side.has(place.name) !== isInside);
  }
}
