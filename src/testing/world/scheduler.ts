/**
 * The one queue of everything that happens in a simulated world, on virtual time. An event belongs
 * to an actor (one life of one member) or to nobody (clients, faults). After each event all promises
 * that it settled run to their end before the next event begins, so that the order of everything
 * follows from the order of events alone.
 *
 * - Events of equal time run in the order in which they were made.
 * - Events of a paused actor wait; at its resumption they come at once, those of one source in their
 *   order, sources in any order.
 * - Events of a dead actor never run.
 *
 * An event is a wait, there because time passes (a timer, a retry), or work that is under way (a
 * message, an access of a disk). Whoever lets the world come to rest runs it while there is work.
 *
 * `setImmediate` serves only to let promises run out: nothing else in the world may use the real
 * loop.
 */
import type { SeededRandom } from "../../env/testing/index.ts";
import type { Trace } from "./trace.ts";

/** Sources of events that are no work. */
const WAITS: ReadonlySet<string> = new Set([
  "timer",
  "sleep",
  "dial",
  "restart",
  "repeat",
  "stall",
  "fault",
]);

export class Actor {
  readonly name: string;
  /** A life of a member; others are processes of programs. */
  readonly isMember: boolean;
  isAlive = true;
  isPaused = false;
  /** It will be paused just before the next event that comes from one of these. */
  pausesBefore: ReadonlySet<string> | undefined;
  readonly held: Event[] = [];

  constructor(name: string, isMember = true) {
    this.name = name;
    this.isMember = isMember;
  }
}

export interface Handle {
  cancel(): void;
}

/** What is known of an event. */
export interface EventFacts {
  readonly source: string;
  readonly actor: Actor | undefined;
}

class Event implements Handle, EventFacts {
  readonly dueMs: number;
  readonly order: number;
  /** What kind of thing happens, and where it comes from. */
  readonly source: string;
  readonly actor: Actor | undefined;
  run: (() => void) | undefined;

  constructor(
    dueMs: number,
    order: number,
    source: string,
    actor: Actor | undefined,
    run: () => void,
  ) {
    this.dueMs = dueMs;
    this.order = order;
    this.source = source;
    this.actor = actor;
    this.run = run;
  }

  get isWork(): boolean {
    return !WAITS.has(this.source);
  }

  cancel(): void {
    this.run = undefined;
  }
}

/** Between two events that had been held back. */
const RESUME_SPACING_MS = 0.002;

export class Scheduler {
  nowMs = 0;
  /** Events run so far. */
  count = 0;
  /** Events that were work, so far. */
  workCount = 0;
  /** Events that are work and have not run yet. */
  pendingWork = 0;
  /** Work has come. */
  onWork: () => void = () => {};
  /** Whose event is running. */
  current: Actor | undefined;
  /** After each event, when its promises have run out. */
  afterEvent: (actor: Actor | undefined) => void = () => {};
  /** Something was thrown, or rejected without anybody listening. */
  onError: (error: unknown, actor: Actor | undefined) => void = () => {};
  readonly #trace: Trace;
  readonly #random: SeededRandom;
  #order = 0;
  /** A binary heap by (dueMs, order). */
  readonly #heap: Event[] = [];

  constructor(trace: Trace, random: SeededRandom) {
    this.#trace = trace;
    this.#random = random;
  }

  at(delayMs: number, source: string, actor: Actor | undefined, run: () => void): Handle {
    // An event at no time would be the next for ever, and end time for all.
    if (Number.isNaN(delayMs)) throw new TypeError(`${source}: NaN is no duration`);
    const event = new Event(this.nowMs + Math.max(0, delayMs), this.#order++, source, actor, run);
    this.#push(event);
    return event;
  }

  /** Settles after so much virtual time, for clients. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.at(delayMs, "sleep", undefined, resolve));
  }

  pause(actor: Actor): void {
    actor.isPaused = true;
  }

  resume(actor: Actor): void {
    actor.isPaused = false;
    const bySource = new Map<string, Event[]>();
    for (const event of actor.held.splice(0)) {
      const queue = bySource.get(event.source);
      if (queue === undefined) bySource.set(event.source, [event]);
      else queue.push(event);
    }
    const queues = [...bySource.values()];
    for (let i = 0; queues.length > 0; i++) {
      const at = this.#random.below(queues.length);
      const event = queues[at]?.shift();
      if (queues[at]?.length === 0) queues.splice(at, 1);
      if (event?.run === undefined) continue;
      const dueMs = this.nowMs + i * RESUME_SPACING_MS;
      const again = new Event(dueMs, this.#order++, event.source, actor, event.run);
      // Whoever holds the old handle must still be able to cancel it.
      event.cancel = () => again.cancel();
      this.#push(again);
    }
  }

  /** Runs events until the condition holds (true) or the time has come or nothing is left (false). */
  async runUntil(endMs: number, condition?: () => boolean): Promise<boolean> {
    await drained();
    for (;;) {
      if (condition?.() === true) return true;
      if (!(await this.runNext(endMs))) {
        this.nowMs = Math.max(this.nowMs, endMs);
        return false;
      }
    }
  }

  /** Runs the next event that is due by then; false if there is none. Time stands where it was. */
  async runNext(endMs: number): Promise<boolean> {
    if (this.begin(endMs) === undefined) return false;
    await drained();
    this.end();
    return true;
  }

  /**
   * The synchronous half of `runNext`: what was run. Before anything else happens promises must run
   * out, and `end` be called.
   */
  begin(endMs: number): EventFacts | undefined {
    for (;;) {
      const event = this.#heap[0];
      if (event === undefined || event.dueMs > endMs) return undefined;
      this.#pop();
      if (event.run === undefined || this.#isHeldBack(event)) continue;
      this.nowMs = Math.max(this.nowMs, event.dueMs);
      this.#run(event);
      return event;
    }
  }

  end(): void {
    const actor = this.current;
    this.current = undefined;
    this.afterEvent(actor);
  }

  #isHeldBack(event: Event): boolean {
    const { actor } = event;
    if (actor === undefined) return false;
    if (!actor.isAlive) return true;
    if (actor.pausesBefore?.has(event.source) === true) {
      actor.pausesBefore = undefined;
      actor.isPaused = true;
    }
    if (actor.isPaused) actor.held.push(event);
    return actor.isPaused;
  }

  #run(event: Event): void {
    const { actor, run } = event;
    this.count++;
    this.#trace.number(event.dueMs);
    this.#trace.word(event.source);
    if (actor !== undefined) this.#trace.word(actor.name);
    this.#trace.line(() => `${event.dueMs.toFixed(4)} ${actor?.name ?? "-"} ${event.source}`);
    this.current = actor;
    try {
      event.run = undefined;
      run?.();
    } catch (error) {
      this.onError(error, actor);
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      if (parent === undefined || !isBefore(event, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = event;
    if (!event.isWork) return;
    this.pendingWork++;
    this.workCount++;
    this.onWork();
  }

  #pop(): void {
    const heap = this.#heap;
    if (heap[0]?.isWork === true) this.pendingWork--;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      let child = heap[down];
      if (child === undefined) break;
      const right = heap[down + 1];
      if (right !== undefined && isBefore(right, child)) {
        child = right;
        down++;
      }
      if (!isBefore(child, last)) break;
      heap[at] = child;
      at = down;
    }
    heap[at] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}

/** All promises that can settle have settled. */
export function drained(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
