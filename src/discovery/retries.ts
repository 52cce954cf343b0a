/** Pauses between attempts to reach a discovery service: 2, 4, 8 … seconds, as etcd's. */
import type { Clock } from "../env/clock.ts";
import { sleep } from "../env/sleep.ts";

/** As in etcd: the pause doubles so often, to 256 s, and stays. */
const MAX_DOUBLINGS = 8;

export class Retries {
  readonly #clock: Clock;
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `announce` is told of the pause before it begins. */
  async pause(announce: (backoffMs: number) => void): Promise<void> {
    this.#count++;
    const backoffMs = 1000 * 2 ** Math.min(this.#count, MAX_DOUBLINGS);
    announce(backoffMs);
    await sleep(this.#clock, backoffMs);
  }

  /** The service has answered. */
  reset(): void {
    this.#count = 0;
  }
}
