/**
 * Gives a fault disk a speed: asynchronous calls take virtual time and complete as events of the
 * member. What is under way when the machine dies may have happened or not.
 */
import type { FaultDisk, SeededRandom } from "../../env/testing/index.ts";
import type { Actor, Scheduler } from "./scheduler.ts";
import type { Trace } from "./trace.ts";

/** With 0 a call takes no time, and completes within the event that made it. */
export interface DiskTraits {
  /** Milliseconds of an ordinary sync: half to twice as much. */
  readonly syncMs: number;
  /** Of a read or a write. */
  readonly accessMs: number;
  /** Share of syncs that take very long. */
  readonly stallShare: number;
}

const STALL_MS = { min: 50, max: 400 };

export class MemberDisk {
  readonly disk: FaultDisk;
  traits: DiskTraits;
  /** Multiplies all times; more than 1 while the disk is slow. */
  slowness = 1;
  readonly #pending = new Map<() => void, string>();
  readonly #random: SeededRandom;

  constructor(disk: FaultDisk, traits: DiskTraits, random: SeededRandom) {
    this.disk = disk;
    this.traits = traits;
    this.#random = random;
  }

  attach(scheduler: Scheduler, actor: Actor, trace: Trace): void {
    this.disk.delay = (operation, path, complete) => {
      trace.word(operation);
      trace.word(path);
      const delayMs = this.#delayMs(operation);
      if (delayMs === 0) {
        queueMicrotask(complete);
        return;
      }
      this.#pending.set(complete, operation);
      scheduler.at(delayMs, "disk", actor, () => {
        this.#pending.delete(complete);
        complete();
      });
    };
  }

  /**
   * The machine or the process dies: each call under way takes effect, or does not. What a sync does
   * without a loss of power nobody sees; left out, none can fail unheard.
   */
  completeSome(losesPower: boolean): void {
    for (const [complete, operation] of this.#pending) {
      if (!losesPower && operation === "datasync") continue;
      if (this.#random.chance(0.5)) complete();
    }
    this.#pending.clear();
  }

  #delayMs(operation: string): number {
    const { syncMs, accessMs, stallShare } = this.traits;
    const isSync = operation === "datasync" || operation === "syncDirectory";
    if (isSync && this.#random.chance(stallShare)) {
      return this.#random.between(STALL_MS.min, STALL_MS.max);
    }
    const usual = isSync ? syncMs : accessMs;
    return (usual * this.slowness * this.#random.between(50, 200)) / 100;
  }
}
