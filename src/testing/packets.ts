/**
 * One direction of a connection: what is sent at one moment arrives together, as in one packet, and
 * so costs one event.
 */
import type { Actor, Scheduler } from "./world/scheduler.ts";

export interface PacketsOptions {
  readonly scheduler: Scheduler;
  readonly latencyMs: number;
  /** Whose packets these are; they keep their order. */
  readonly source: string;
  /** Who receives them. */
  readonly actor: Actor | undefined;
}

export class Packets {
  readonly #options: PacketsOptions;
  /** Of the packet that was begun last, until it arrives. */
  #arrivals: (() => void)[] | undefined;
  #sentMs = 0;

  constructor(options: PacketsOptions) {
    this.#options = options;
  }

  send(arrive: () => void): void {
    const { scheduler, latencyMs, source, actor } = this.#options;
    if (this.#arrivals !== undefined && this.#sentMs === scheduler.nowMs) {
      this.#arrivals.push(arrive);
      return;
    }
    const arrivals = [arrive];
    this.#arrivals = arrivals;
    this.#sentMs = scheduler.nowMs;
    scheduler.at(latencyMs, source, actor, () => {
      if (this.#arrivals === arrivals) this.#arrivals = undefined;
      for (const each of arrivals) each();
    });
  }
}
