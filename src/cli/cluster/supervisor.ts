/**
 * All processes of a launcher. Commands name processes; without names they mean all.
 *
 * `finished` settles once: when `shutDown` was asked for and everything has ended, or when nothing
 * runs any more and the last process ended by itself.
 */
import type { Clock } from "../../env/clock.ts";
import type { MemberView } from "../../lab/lab-protocol.ts";
import type { ClusterLab } from "./lab/cluster-lab.ts";
import { LoadControl } from "./lab/load-control.ts";
import { leads } from "./leads.ts";
import { ManagedProcess, type ProcessState, type ProcessWorld } from "./managed-process.ts";
import type { ProcessPlan } from "./plan.ts";
import type { RecentLine } from "./recent-lines.ts";

export interface ProcessReport {
  readonly name: string;
  readonly state: ProcessState;
  readonly endpoint: string | undefined;
  /** Where the member stands, by its own word; undefined for other programs. */
  readonly view?: MemberView | undefined;
  /** Processes that it is cut off from. */
  readonly cutOff: readonly string[];
  readonly delayMs: number;
}

/** "asked": by a person; "alone": every process ended by itself. */
export type Finish = "asked" | "alone";

export class Supervisor {
  readonly lab: ClusterLab;
  readonly load: LoadControl;
  readonly #processes: readonly ManagedProcess[];
  readonly #clock: Clock;
  readonly finished: Promise<Finish>;
  #finish: (why: Finish) => void = () => {};
  #isShuttingDown = false;

  constructor(plans: readonly ProcessPlan[], world: ProcessWorld, lab: ClusterLab) {
    this.lab = lab;
    this.#clock = world.clock;
    this.load = new LoadControl(plans, { clock: world.clock, monotonicMs: lab.monotonicMs });
    this.#processes = plans.map(
      (plan) =>
        new ManagedProcess(plan, world, {
          ended: () => this.#afterUnexpectedEnd(),
          changed: (what) => this.#changed(plan.name, what),
          said: (message) => lab.heard(plan.name, message),
          environment: () => lab.environment(plan.name),
        }),
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
      view: this.lab.viewOf(plan.name),
      cutOff: this.lab.faults.cutOffFrom(plan.name),
      delayMs: this.lab.faults.delayOf(plan.name),
    }));
  }

  /** The last lines of a process, oldest first. */
  recent(name: string): readonly RecentLine[] {
    return this.#chosen([name]).flatMap(({ recent }) => recent.all);
  }

  /** @throws Error for a process that does not run. */
  pause(names: readonly string[]): void {
    for (const each of this.#running(names)) each.pause();
  }

  /** @throws Error for a process that does not run. */
  resume(names: readonly string[]): void {
    for (const each of this.#running(names)) each.resume();
  }

  /** Ends processes as a power failure would. @throws Error for one that does not run. */
  async kill(names: readonly string[]): Promise<void> {
    await Promise.all(this.#running(names).map((each) => each.killAsked()));
  }

  /** These members on one side, the others on the other. @throws Error with what to do instead. */
  partition(names: readonly string[]): void {
    this.#touchNetwork();
    this.lab.faults.partition(names);
    this.lab.note("", `the network falls apart: ${names.join(", ")} on one side`);
    this.#tellFaults();
  }

  /** @throws Error with what to do instead. */
  heal(): void {
    this.lab.faults.heal();
    this.lab.note("", "the network is whole again");
    this.#tellFaults();
  }

  /** Every message of a peer waits so long, both ways; 0 ends it. @throws Error as `partition`. */
  slow(name: string, delayMs: number): void {
    this.#touchNetwork();
    this.lab.faults.slow(name, delayMs);
    this.lab.note(name, delayMs === 0 ? "is no longer slow" : `is slow: ${delayMs} ms each way`);
    this.#tellFaults();
  }

  #touchNetwork(): void {
    const running = this.#processes.filter(({ state }) => state.kind === "running");
    const problem = this.lab.networkProblem(running.map(({ plan }) => plan.name));
    if (problem !== undefined) throw new Error(problem);
  }

  #tellFaults(): void {
    for (const each of this.#processes) each.tell(this.lab.order(each.plan.name));
  }

  #running(names: readonly string[]): ManagedProcess[] {
    const chosen = this.#chosen(names);
    const idle = chosen.find(({ isAlive }) => !isAlive)?.plan.name;
    if (idle === undefined) return chosen;
    throw new Error(`${idle} does not run; \`etcd-cluster run start ${idle}\` starts it`);
  }

  #changed(name: string, what: string): void {
    this.lab.note(name, what);
    if (this.#chosen([name]).some(({ isAlive }) => !isAlive)) this.lab.forget(name);
  }

  start(names: readonly string[] = []): void {
    if (this.#isShuttingDown) return;
    const chosen = this.#chosen(names);
    const paused = chosen.find(({ state }) => state.kind === "paused")?.plan.name;
    if (paused !== undefined) {
      throw new Error(`${paused} is paused; \`etcd-cluster run resume ${paused}\` lets it go on`);
    }
    for (const each of chosen) each.start();
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
    await this.load.stop();
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
