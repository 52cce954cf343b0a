/**
 * All processes of a launcher. Commands name processes; without names they mean all.
 *
 * `finished` settles once: when `shutDown` was asked for and everything has ended, or when nothing
 * runs any more and the last process ended by itself.
 */
import type { Clock } from "../../env/clock.ts";
import { leads } from "./leads.ts";
import { ManagedProcess, type ProcessState, type ProcessWorld } from "./managed-process.ts";
import type { ProcessPlan } from "./plan.ts";

export interface ProcessReport {
  readonly name: string;
  readonly state: ProcessState;
  readonly endpoint: string | undefined;
}

/** "asked": by a person; "alone": every process ended by itself. */
export type Finish = "asked" | "alone";

export class Supervisor {
  readonly #processes: readonly ManagedProcess[];
  readonly #clock: Clock;
  readonly finished: Promise<Finish>;
  #finish: (why: Finish) => void = () => {};
  #isShuttingDown = false;

  constructor(plans: readonly ProcessPlan[], world: ProcessWorld) {
    this.#clock = world.clock;
    this.#processes = plans.map(
      (plan) => new ManagedProcess(plan, world, () => this.#afterUnexpectedEnd()),
    );
    this.finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  /** The first of the names that no process has. */
  unknownName(names: readonly string[]): string | undefined {
    return names.find((name) => !this.#processes.some(({ plan }) => plan.name === name));
  }

  reports(): ProcessReport[] {
    return this.#processes.map(({ plan, state }) => ({
      name: plan.name,
      state,
      endpoint: plan.endpoint,
    }));
  }

  start(names: readonly string[] = []): void {
    if (this.#isShuttingDown) return;
    for (const each of this.#chosen(names)) each.start();
  }

  /** The leader after the others, so that nobody hands leadership to a member that stops too. */
  async stop(names: readonly string[] = []): Promise<void> {
    const chosen = this.#chosen(names);
    const leaders = chosen.length > 1 ? await leadersOf(chosen, this.#clock) : [];
    const others = chosen.filter((each) => !leaders.includes(each));
    await Promise.all(others.map((each) => each.stop()));
    await Promise.all(leaders.map((each) => each.stop()));
  }

  async restart(names: readonly string[] = []): Promise<void> {
    await this.stop(names);
    this.start(names);
  }

  /** Stops everything and settles `finished`. Asked again, it only waits too. */
  async shutDown(): Promise<void> {
    this.#isShuttingDown = true;
    await this.stop();
    this.#finish("asked");
  }

  /** Ends all processes at once, for a second Ctrl-C and for a launcher that has to go. */
  killAll(): void {
    for (const each of this.#processes) each.kill();
  }

  #chosen(names: readonly string[]): ManagedProcess[] {
    if (names.length === 0) return [...this.#processes];
    return this.#processes.filter(({ plan }) => names.includes(plan.name));
  }

  #afterUnexpectedEnd(): void {
    if (this.#isShuttingDown || this.#processes.some(({ isAlive }) => isAlive)) return;
    this.#finish("alone");
  }
}

async function leadersOf(
  processes: readonly ManagedProcess[],
  clock: Clock,
): Promise<ManagedProcess[]> {
  const asked = await Promise.all(
    processes.map(async ({ plan, state }) => {
      const { endpoint } = plan;
      return state.kind === "running" && endpoint !== undefined && (await leads(endpoint, clock));
    }),
  );
  return processes.filter((_, i) => asked[i]);
}
