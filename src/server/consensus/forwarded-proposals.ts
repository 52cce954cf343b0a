/**
 * Proposals of other members that come while this one can neither take nor pass them on: it hands
 * leadership over, or knows of no leader. Raft drops them, and whoever sent them would wait for them
 * until its time is up. They wait here instead, as this member's own do, and go to raft again when
 * there is a leader. A proposal that was dropped is in no log, so that it cannot be made twice.
 */
import type { Message } from "../../api/gen/raft.ts";
import { NO_MEMBER, type RawNode } from "../../raft/index.ts";
import type { Clock } from "../../env/index.ts";

/** Beyond it they are dropped, as raft would; their senders hold as much for themselves. */
const MAX_WAITING_FORWARDED_BYTES = 64 * 1024 * 1024;

interface Waiting {
  readonly message: Message;
  /** `Clock.nowMs` until which its sender waits for it. */
  readonly untilMs: number;
}

export interface ForwardedProposalsOptions {
  readonly node: Pick<RawNode, "raft" | "step">;
  readonly clock: Clock;
  /** How long a member waits for a proposal of its own. */
  readonly timeoutMs: number;
}

export class ForwardedProposals {
  readonly #options: ForwardedProposalsOptions;
  #waiting: Waiting[] = [];
  #bytes = 0;

  constructor(options: ForwardedProposalsOptions) {
    this.#options = options;
  }

  /** Takes a proposal that raft has dropped. A leader that has no room for it has none later. */
  keep(message: Message): void {
    const { clock, timeoutMs } = this.#options;
    const bytes = bytesOf(message);
    if (!this.#mustWait() || this.#bytes + bytes > MAX_WAITING_FORWARDED_BYTES) return;
    this.#bytes += bytes;
    this.#waiting.push({ message, untilMs: clock.nowMs() + timeoutMs });
  }

  /** At every tick, and when a leader is known. Messages to be sent may come of it. */
  retry(): void {
    if (this.#waiting.length === 0) return;
    const { clock, node } = this.#options;
    const nowMs = clock.nowMs();
    const waiting = this.#waiting.filter(({ untilMs }) => nowMs < untilMs);
    if (this.#mustWait()) {
      this.#waiting = waiting;
      this.#bytes = waiting.reduce((sum, { message }) => sum + bytesOf(message), 0);
      return;
    }
    this.#waiting = [];
    this.#bytes = 0;
    for (const { message } of waiting) node.step(message);
  }

  #mustWait(): boolean {
    const { lead, leadTransferee } = this.#options.node.raft;
    return lead === NO_MEMBER || leadTransferee !== NO_MEMBER;
  }
}

function bytesOf({ entries }: Message): number {
  return entries.reduce((sum, { data }) => sum + data.length, 0);
}
