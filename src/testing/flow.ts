/**
 * When time passes in a world whose clock is in a test's hands.
 *
 * - What is under way (messages, disks) goes on by itself until the world is at rest. Time moves by
 *   what that takes: a few milliseconds between members, none at all in a member alone.
 * - While somebody waits for an answer time passes as fast as the machine allows, so that a cluster
 *   can elect, repeat and time out. After a minute of it the world gives up and stands still.
 * - Otherwise time stands still until `advance`.
 */
import { drained, type EventFacts, type Scheduler } from "./world/scheduler.ts";

/** Longer than any timeout of a member or a client; who waits so long waits for the test. */
const MAX_WAIT_MS = 60_000;

/** Longer than any start, election or compaction of a healthy cluster. */
const MAX_HOPE_MS = 120_000;

/** Promises that a tick goes through before it has an effect, at the most. */
const STEPS_OF_A_TICK = 4;
/** The rest of the process, such as a runner's time limit, has its turns during long ones. */
const TICKS_PER_TURN = 100;

interface Condition {
  readonly holds: () => boolean;
  /** Time passes for it until then; undefined: it waits for what others do. */
  readonly untilMs: number | undefined;
  readonly settle: (holds: boolean) => void;
  readonly fail: (error: unknown) => void;
}

interface Target {
  readonly dueMs: number;
  readonly reached: () => void;
}

export class Flow {
  readonly #scheduler: Scheduler;
  /** In order. */
  readonly #targets: Target[] = [];
  readonly #resting: (() => void)[] = [];
  readonly #conditions = new Set<Condition>();
  /** Who waits for an answer, and how many. */
  #waiting = 0;
  #lastWaitMs = 0;
  readonly #effects: () => number;
  #ticks = 0;
  #isRunning = false;
  #isStopped = false;

  /** `effects` changes whenever a member does something that others could notice. */
  constructor(scheduler: Scheduler, effects: () => number) {
    this.#effects = effects;
    this.#scheduler = scheduler;
    scheduler.onWork = () => this.#wake();
  }

  /** Somebody waits for an answer until the returned function is called. */
  begun(): () => void {
    this.#waiting++;
    this.#lastWaitMs = this.#scheduler.nowMs;
    this.#wake();
    let isOver = false;
    return () => {
      if (!isOver) this.#waiting--;
      isOver = true;
    };
  }

  /** Settles when so much time has passed, and what it set going has come to rest. */
  advance(ms: number): Promise<void> {
    const fromMs = this.#targets.at(-1)?.dueMs ?? this.#scheduler.nowMs;
    return new Promise((resolve) => {
      this.#targets.push({ dueMs: fromMs + ms, reached: resolve });
      this.#wake();
    });
  }

  /**
   * Settles with true when the condition holds, and with false when it does not within this time;
   * rejects when it throws. Time passes for it.
   */
  until(holds: () => boolean, withinMs: number = MAX_HOPE_MS): Promise<boolean> {
    const untilMs = this.#scheduler.nowMs + withinMs;
    return this.#settled({ holds, untilMs });
  }

  /** Settles when the condition holds, by what others do; with false if the world ends before. */
  whenever(holds: () => boolean): Promise<boolean> {
    return this.#settled({ holds, untilMs: undefined });
  }

  #settled(condition: Omit<Condition, "settle" | "fail">): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const ended =
        <T>(tell: (value: T) => void) =>
        (value: T): void => {
          this.#conditions.delete(entry);
          tell(value);
        };
      const entry = { ...condition, settle: ended<boolean>(resolve), fail: ended<unknown>(reject) };
      this.#conditions.add(entry);
      this.#wake();
    });
  }

  /** Settles when nothing is under way. */
  rest(): Promise<void> {
    return new Promise((resolve) => {
      this.#resting.push(resolve);
      this.#wake();
    });
  }

  /** Nothing happens any more; who waits is let go. */
  stop(): void {
    this.#isStopped = true;
    this.#wake();
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  get #needsTime(): boolean {
    if (this.#waiting > 0 && this.#scheduler.nowMs - this.#lastWaitMs < MAX_WAIT_MS) return true;
    for (const { untilMs } of this.#conditions) if (untilMs !== undefined) return true;
    return false;
  }

  #wake(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run();
  }

  /** Rejects never: the scheduler keeps what is thrown in events. */
  async #run(): Promise<void> {
    const scheduler = this.#scheduler;
    await drained();
    while (!this.#isStopped) {
      if (this.#judgeConditions()) {
        // Who has waited may wait for the next thing already.
        await drained();
        continue;
      }
      const before = this.#effects();
      const event = scheduler.begin(this.#limitMs);
      if (event === undefined) {
        if (!this.#arrive()) break;
        await drained();
        continue;
      }
      // Hours of a test are mostly ticks that find nothing to do. One that has touched no disk and
      // no wire after a few steps of its promises needs no turn of the loop of its own. In line: a
      // test runner makes promises dear.
      const isTick = this.#isTick(event);
      if (isTick) for (let step = 0; step < STEPS_OF_A_TICK; step++) await undefined;
      if (!isTick || this.#effects() !== before) await drained();
      scheduler.end();
    }
    this.#isRunning = false;
    if (this.#isStopped) this.#letGo();
  }

  /** Until when events may run. */
  get #limitMs(): number {
    if (this.#scheduler.pendingWork > 0 || this.#needsTime) return Number.POSITIVE_INFINITY;
    return this.#targets[0]?.dueMs ?? Number.NEGATIVE_INFINITY;
  }

  #isTick({ source, actor }: EventFacts): boolean {
    return source === "timer" && actor?.isMember === true && ++this.#ticks % TICKS_PER_TURN !== 0;
  }

  /** Nothing is left to do until then. False if nobody waits for that. */
  #arrive(): boolean {
    const target = this.#targets.shift();
    if (target !== undefined) {
      this.#scheduler.nowMs = Math.max(this.#scheduler.nowMs, target.dueMs);
      target.reached();
      return true;
    }
    const rested = this.#resting.splice(0);
    for (const tell of rested) tell();
    return rested.length > 0;
  }

  #letGo(): void {
    for (const { reached } of this.#targets.splice(0)) reached();
    for (const tell of this.#resting.splice(0)) tell();
    for (const { settle } of this.#conditions) settle(false);
  }

  /** True if one was settled. */
  #judgeConditions(): boolean {
    const before = this.#conditions.size;
    if (before === 0) return false;
    for (const { holds, untilMs, settle, fail } of this.#conditions) {
      try {
        if (holds()) settle(true);
        else if (untilMs !== undefined && this.#scheduler.nowMs >= untilMs) settle(false);
      } catch (error) {
        fail(error);
      }
    }
    return this.#conditions.size < before;
  }
}
