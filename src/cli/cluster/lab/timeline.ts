/**
 * What happens in a cluster, as one story: what its members tell of raft, and what is done to them,
 * on the clock that all processes of the machine share. Bounded: the oldest gives way.
 */
import type { LabTime, RaftEvent } from "../../../lab/lab-protocol.ts";

/** Some minutes of a busy cluster. */
const MAX_TIMELINE_EVENTS = 20_000;

export type TimelineEvent = {
  /** Counts up, so that who has seen some can ask for the rest. */
  readonly number: number;
  /** Name of the process; "" when it concerns all. */
  readonly process: string;
} & (
  | RaftEvent
  /** Done by a person. */
  | { readonly kind: "note"; readonly atMs: LabTime; readonly text: string }
);

export class Timeline {
  readonly #limit: number;
  #events: TimelineEvent[] = [];
  #number = 0;

  constructor(limit: number = MAX_TIMELINE_EVENTS) {
    this.#limit = limit;
  }

  add(process: string, events: readonly RaftEvent[]): void {
    for (const event of events) this.#push({ number: ++this.#number, process, ...event });
  }

  note(process: string, text: string, atMs: LabTime): void {
    this.#push({ number: ++this.#number, process, kind: "note", atMs, text });
  }

  /** Number of the newest event; 0 before there is one. */
  get last(): number {
    return this.#number;
  }

  /** At most `limit` events behind that number, oldest first. */
  after(number: number, limit: number): readonly TimelineEvent[] {
    const oldest = this.#events[0]?.number ?? 0;
    const from = Math.max(0, number - oldest + 1);
    return this.#events.slice(from, from + limit);
  }

  /** The newest `limit` events that are wanted, in the order of time. */
  newest(limit: number, isWanted: (event: TimelineEvent) => boolean): readonly TimelineEvent[] {
    return this.#events
      .filter(isWanted)
      .sort((a, b) => a.atMs - b.atMs)
      .slice(-limit);
  }

  #push(event: TimelineEvent): void {
    // By a quarter, so that most additions move nothing.
    if (this.#events.length === this.#limit) {
      this.#events = this.#events.slice(Math.ceil(this.#limit / 4));
    }
    this.#events.push(event);
  }
}
