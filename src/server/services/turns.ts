/**
 * Shares the event loop among requests whose cost is not their size: ranges, transactions of
 * ranges, hashes, long lists. All that run at a time have one slice per turn together, so that many
 * of them hold nobody up longer than one does; whoever has not had enough waits for its next turn
 * behind the others.
 */
import { EtcdError } from "../../api/errors.ts";
import { Slice, type Steps } from "../../base/slice.ts";
import type { Defer } from "../options.ts";

export interface WorkHandlers<T> {
  done(result: T): void;
  /** Whatever the work has thrown, or `done`. */
  failed(error: unknown): void;
  /** True once nobody waits for the result: the work is given up, whether it has begun or not. */
  readonly isCancelled: () => boolean;
  readonly cancelled?: () => void;
}

interface Work {
  /** False when there is more to do. */
  step(): boolean;
}

export class Turns {
  readonly #defer: Defer;
  readonly #slice: Slice;
  /** In the order of their turns. */
  readonly #waiting = new Set<Work>();
  #isArmed = false;

  /** `unitsPerTurn`: records for all that run at a time, between two turns of the loop. */
  constructor(defer: Defer, unitsPerTurn: number) {
    this.#defer = defer;
    this.#slice = new Slice(unitsPerTurn);
  }

  /** Begins at once when this turn has something left. */
  run<T>(begin: (slice: Slice) => Steps<T>, handlers: WorkHandlers<T>): void {
    const work = workOf(begin(this.#slice), handlers);
    if (this.#waiting.size > 0 || this.#slice.isUsedUp || !work.step()) this.#waiting.add(work);
    this.#arm();
  }

  /** The same as a promise, which rejects with `stopped` when the work is given up. */
  result<T>(begin: (slice: Slice) => Steps<T>, isCancelled: () => boolean): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancelled = () => reject(new EtcdError("stopped"));
      this.run(begin, { done: resolve, failed: reject, isCancelled, cancelled });
    });
  }

  #arm(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    this.#defer(() => this.#turn());
  }

  #turn(): void {
    this.#isArmed = false;
    this.#slice.refill();
    for (const work of this.#waiting) {
      if (this.#slice.isUsedUp) break;
      this.#waiting.delete(work);
      if (!work.step()) this.#waiting.add(work);
    }
    if (this.#waiting.size > 0) this.#arm();
  }
}

function workOf<T>(steps: Steps<T>, handlers: WorkHandlers<T>): Work {
  return {
    step() {
      try {
        if (handlers.isCancelled()) {
          steps.return(undefined as T);
          handlers.cancelled?.();
          return true;
        }
        const step = steps.next();
        if (step.done !== true) return false;
        handlers.done(step.value);
      } catch (error) {
        handlers.failed(error);
      }
      return true;
    },
  };
}
