/** Whether a peer answers. Anything that works makes it active, anything that fails does not. */
import type { Clock } from "../../env/clock.ts";
import type { Logger } from "../../env/logger.ts";
import type { Counter, Gauge } from "../../env/metrics.ts";

export interface PeerStatusDeps {
  readonly id: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** 1 while active. */
  readonly active: Gauge;
  readonly disconnected: Counter;
}

export class PeerStatus {
  readonly #deps: PeerStatusDeps;
  #activeSinceMs: number | undefined = undefined;

  constructor(deps: PeerStatusDeps) {
    this.#deps = deps;
  }

  /** `Clock.nowMs`; undefined while the peer does not answer. */
  get activeSinceMs(): number | undefined {
    return this.#activeSinceMs;
  }

  activate(): void {
    if (this.#activeSinceMs !== undefined) return;
    const { id, clock, logger, active } = this.#deps;
    logger.info("peer became active", { "peer-id": id });
    this.#activeSinceMs = clock.nowMs();
    active.set(1);
  }

  /** "failed to ACTION PEER on SOURCE (REASON)". */
  deactivate(source: string, action: string, reason: string): void {
    const { id, logger, active, disconnected } = this.#deps;
    const error = `failed to ${action} ${id} on ${source} (${reason})`;
    if (this.#activeSinceMs === undefined) {
      logger.debug("peer deactivated again", { "peer-id": id, error });
      return;
    }
    logger.warn("peer became inactive (message send to peer failed)", { "peer-id": id, error });
    this.#activeSinceMs = undefined;
    active.set(0);
    disconnected.add();
  }

  /** Nobody asks any more. */
  stop(): void {
    this.#activeSinceMs = undefined;
    this.#deps.active.set(0);
  }
}
