/**
 * What happens in a cluster, as one story: what its members tell of raft, and what is done to them,
 * on the clock that all processes of the machine share. Bounded: the oldest gives way.
 */
import type { LabTime, RaftEvent } from "../../../lab/lab-protocol.ts";
import { isTold } from "./timeline-text.ts";

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
    const from = this.#events.findLastIndex((event) => event.number <= number) + 1;
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
    this.#events.push(event);
    this.#events = thinned(this.#events, this.#limit);
  }
}

/**
 * The same events while they are at most `limit`; else the newest half, and of the others those that
 * tell the story (heartbeats alone would push it out within minutes) and what each process was last.
 */
export function thinned(events: TimelineEvent[], limit: number): TimelineEvent[] {
  if (events.length <= limit) return events;
  const older = events.slice(0, -Math.ceil(limit / 2));
  const last = new Map<string, TimelineEvent>();
  for (const event of older) {
    if (event.kind === "state" || event.kind === "note") {
      last.set(`${event.kind} ${event.process}`, event);
    }
  }
  const kept = new Set(last.values());
  for (const event of older.filter(isTold).slice(-Math.floor(limit / 4))) kept.add(event);
  return [...older.filter((event) => kept.has(event)), ...events.slice(older.length)];
}
