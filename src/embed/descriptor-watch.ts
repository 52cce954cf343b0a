/** Warns when the process comes near its limit of file descriptors, as etcd does. */
import type { Clock, Timer } from "../env/clock.ts";
import type { Logger } from "../env/logger.ts";

/** etcd's: reading the descriptors of a busy process takes its time. */
const INTERVAL_MS = 10 * 60 * 1000;
const SHARE = 0.8;

export interface DescriptorCounts {
  /** Undefined where the system does not tell. */
  readonly used: number | undefined;
  /** 0: unknown or none. */
  readonly limit: number;
}

export class DescriptorWatch {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #count: () => DescriptorCounts;
  #timer: Timer | undefined;

  constructor(deps: {
    readonly clock: Clock;
    readonly logger: Logger;
    readonly count: () => DescriptorCounts;
  }) {
    this.#clock = deps.clock;
    this.#logger = deps.logger;
    this.#count = deps.count;
  }

  /** Looks now, and then every ten minutes. */
  start(): void {
    const { used, limit } = this.#count();
    if (used === undefined || limit === 0) return;
    if (used >= limit * SHARE) {
      this.#logger.warn("80% of file descriptors are used", { used, limit });
    }
    this.#timer = this.#clock.setTimer(INTERVAL_MS, () => this.start());
  }

  stop(): void {
    this.#timer?.cancel();
  }
}
