/** Says that messages of peers are refused: the first at once, the others now and then by number. */
import { type Message, MessageType } from "../../api/gen/raft.ts";
import { formatID } from "../../base/ids.ts";
import type { Clock, Logger } from "../../env/index.ts";

/** Lines about refused messages are at least this far apart; somebody may send thousands. */
const REFUSAL_REPORT_MS = 1_000;

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(MessageType).map(([name, value]) => [value, name]),
);

export class RefusalReport {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #localID: string;
  #lastMs = Number.NEGATIVE_INFINITY;
  #refused = 0;

  constructor(clock: Clock, logger: Logger, localID: string) {
    this.#clock = clock;
    this.#logger = logger;
    this.#localID = localID;
  }

  refused({ type, from }: Message, reason: string): void {
    this.#refused++;
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#lastMs < REFUSAL_REPORT_MS) return;
    this.#lastMs = nowMs;
    this.#logger.error("refused an invalid Raft message", {
      "local-member-id": this.#localID,
      from: formatID(from),
      "message-type": NAMES.get(type) ?? String(type),
      error: reason,
      "refused-messages": this.#refused,
    });
    this.#refused = 0;
  }
}
