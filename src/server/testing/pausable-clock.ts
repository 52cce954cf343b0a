/**
 * One member's view of the clock that all share: while the process is paused time goes on, but its
 * timers fire only when it is resumed, as after SIGSTOP and SIGCONT.
 */
import { VirtualClock } from "../../env/testing/index.ts";
import type { Timer } from "../../env/index.ts";

export class PausableClock extends VirtualClock {
  readonly #shared: VirtualClock;
  #late: (() => void)[] | undefined;

  constructor(shared: VirtualClock) {
    super();
    this.#shared = shared;
  }

  override nowMs(): number {
    return this.#shared.nowMs();
  }

  override wallMs(): number {
    return this.#shared.wallMs();
  }

  override advance(ms: number): void {
    this.#shared.advance(ms);
  }

  override setTimer(delayMs: number, fire: () => void): Timer {
    let isCancelled = false;
    const run = (): void => {
      if (isCancelled) return;
      if (this.#late === undefined) fire();
      else this.#late.push(run);
    };
    const timer = this.#shared.setTimer(delayMs, run);
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  }

  pause(): void {
    this.#late ??= [];
  }

  /** Fires what fell due meanwhile. */
  resume(): void {
    const late = this.#late ?? [];
    this.#late = undefined;
    for (const run of late) run();
  }
}
