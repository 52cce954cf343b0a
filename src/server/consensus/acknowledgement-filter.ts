/**
 * Leaves out acknowledgements that say again what was just said. A leader tells its followers the
 * new commit index in an append without entries; the answer to it repeats the answer to the entries
 * before. It costs both sides a message for every write of a client that waits.
 *
 * An answer may have been lost on its way, so that it is only left out for a while that is shorter
 * than the leader's heartbeats: whatever the leader waits for it asks again with the next one.
 */
import { type Message, MessageType } from "../../api/gen/raft.ts";
import type { Index, MemberID, Term } from "../../base/ids.ts";

export class AcknowledgementFilter {
  readonly #nowMs: () => number;
  readonly #silenceMs: number;
  #to: MemberID = 0n;
  #term: Term = 0;
  #index: Index = 0;
  #sentMs = Number.NEGATIVE_INFINITY;

  /** `silenceMs`: well below the interval of heartbeats. */
  constructor(nowMs: () => number, silenceMs: number) {
    this.#nowMs = nowMs;
    this.#silenceMs = silenceMs;
  }

  /** False for a message that need not be sent. */
  passes(message: Message): boolean {
    if (message.type !== MessageType.MsgAppResp) return true;
    if (message.reject) {
      this.#sentMs = Number.NEGATIVE_INFINITY;
      return true;
    }
    const nowMs = this.#nowMs();
    const repeats =
      message.index === this.#index && message.term === this.#term && message.to === this.#to;
    if (repeats && nowMs - this.#sentMs < this.#silenceMs) return false;
    this.#to = message.to;
    this.#term = message.term;
    this.#index = message.index;
    this.#sentMs = nowMs;
    return true;
  }
}
