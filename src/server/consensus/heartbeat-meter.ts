/** Notices heartbeats that this member, as leader, sent too late: it is overloaded, or was paused. */
import { type Message, MessageType } from "../../api/gen/raft.ts";
import { formatID, type MemberID } from "../../base/ids.ts";
import type { Clock, Counter, Logger } from "../../env/index.ts";

export interface HeartbeatMeterOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly heartbeatIntervalMs: number;
  readonly late: Counter;
}

export class HeartbeatMeter {
  readonly #options: HeartbeatMeterOptions;
  /** `Clock.nowMs` of the last heartbeat to each member. */
  readonly #sentMs = new Map<MemberID, number>();

  constructor(options: HeartbeatMeterOptions) {
    this.#options = options;
  }

  /** Leadership has changed: what was sent before does not count. */
  reset(): void {
    this.#sentMs.clear();
  }

  /** These messages are about to be sent. */
  observe(messages: readonly Message[]): void {
    const { clock, logger, heartbeatIntervalMs, late } = this.#options;
    for (const { type, to } of messages) {
      if (type !== MessageType.MsgHeartbeat) continue;
      const nowMs = clock.nowMs();
      const exceededMs = nowMs - (this.#sentMs.get(to) ?? nowMs) - 2 * heartbeatIntervalMs;
      this.#sentMs.set(to, nowMs);
      if (exceededMs <= 0) continue;
      late.add();
      logger.warn(
        "leader failed to send out heartbeat on time; " +
          "took too long, leader is overloaded likely from slow disk",
        {
          to: formatID(to),
          "heartbeat-interval": `${heartbeatIntervalMs}ms`,
          "expected-duration": `${2 * heartbeatIntervalMs}ms`,
          "exceeded-duration": `${exceededMs.toFixed(0)}ms`,
        },
      );
    }
  }
}
