/**
 * The simulator for programs of others: what they do to etcd runs against a cluster in which things
 * go wrong, as a seed says. A seed is one run exactly, provided that the program takes its time and
 * its chance from the world.
 */
import { errorMessage } from "../base/error-message.ts";
import { optionNames } from "../base/known-options.ts";
import type { EtcdClient } from "../client/index.ts";
import { SeededRandom } from "../env/testing/index.ts";
import { type Duration, durationMs } from "./duration.ts";
import {
  checkOptions,
  CLUSTER_OPTION_NAMES,
  type ClusterOptions,
  clusterOptions,
  type Etcd,
  etcdOf,
  isWhole,
  type LocalClientOptions,
} from "./etcd.ts";
import type { FaultKind } from "./faults/kinds.ts";
import { Nemesis } from "./faults/nemesis.ts";
import { TestClock } from "./test-clock.ts";
import { Universe } from "./universe.ts";
import { OutsideClock } from "./world/outside-clock.ts";
import { Actor } from "./world/scheduler.ts";

/** What may go wrong. "standstill" stops a process of the program for a while, as a long pause does. */
export type SimulatedFault =
  | "standstill"
  | Extract<
      FaultKind,
      | "kill"
      | "power"
      | "restart"
      | "pause"
      | "partition"
      | "isolate"
      | "oneWay"
      | "badNetwork"
      | "slowDisk"
      | "clockJump"
    >;

const FAULTS: readonly SimulatedFault[] = [
  "standstill",
  "kill",
  "power",
  "restart",
  "pause",
  "partition",
  "isolate",
  "oneWay",
  "badNetwork",
  "slowDisk",
  "clockJump",
];

export interface SimulateOptions extends Omit<ClusterOptions, "seed" | "listen"> {
  /** Members. Default 3. */
  readonly size?: number | undefined;
  /** Default: all kinds; a seed takes a few of them. */
  readonly faults?: readonly SimulatedFault[] | undefined;
  /** Of the world's time that one seed may take. Default "10m". */
  readonly limit?: Duration | undefined;
}

const { seed: _seed, listen: _listen, ...OPTION_NAMES } = CLUSTER_OPTION_NAMES;
const SIMULATE_OPTIONS = optionNames<SimulateOptions>({
  ...OPTION_NAMES,
  size: true,
  faults: true,
  limit: true,
});

/** A seed for which the scenario failed. `cause` is what it threw. */
export class SimulationError extends Error {
  readonly seed: number;
  /** The faults of the run, each with its time. */
  readonly faults: readonly string[];

  constructor(seed: number, faults: readonly string[], cause: unknown) {
    const story = faults.length === 0 ? "nothing went wrong around it" : faults.join(", ");
    super(
      `seed ${seed}: ${errorMessage(cause)}\nrepeat it with simulate([${seed}], …)\nfaults: ${story}`,
      { cause },
    );
    this.name = "SimulationError";
    this.seed = seed;
    this.faults = faults;
  }
}

/** Pauses between two faults, and lengths of a standstill: below and above usual leases. */
const CALM_MS = { min: 500, max: 5000 };
const STANDSTILL_MS = { min: 100, max: 20_000 };
/** Kinds of faults in one seed: a few at a time find more than all at once. */
const KINDS_PER_SEED = 3;
const DEFAULT_SIZE = 3;

/** A process of the program. It may stand still while the others go on, and does not notice. */
export class SimulatedProcess {
  readonly name: string;
  /** Its time: timers wait while it stands still. */
  readonly clock: TestClock;
  readonly #universe: Universe;
  readonly #actor: Actor;
  readonly #random: () => number;

  /** Made by `SimulatedWorld.process`. */
  constructor(name: string, universe: Universe, actor: Actor) {
    this.name = name;
    this.#universe = universe;
    this.#actor = actor;
    this.#random = universe.numbers();
    const clock = new OutsideClock(universe.world.scheduler, actor);
    this.clock = new TestClock(clock, universe.flow);
  }

  /** A client of this process. It is closed at the end of the seed. */
  client(options: LocalClientOptions = {}): EtcdClient {
    return this.#universe.client(options, this.#actor);
  }

  /** In [0, 1), from the seed. */
  random(): number {
    return this.#random();
  }
}

/** The world of one seed. */
export class SimulatedWorld {
  readonly seed: number;
  /** The cluster, to look into and to do more harm to. */
  readonly etcd: Etcd;
  readonly #universe: Universe;
  readonly #random: () => number;
  readonly #processes: Actor[];
  readonly #onFailure: (error: unknown) => void;

  /** Made by `simulate`. */
  constructor(
    universe: Universe,
    etcd: Etcd,
    processes: Actor[],
    onFailure: (error: unknown) => void,
  ) {
    this.seed = universe.options.seed;
    this.etcd = etcd;
    this.#universe = universe;
    this.#random = universe.numbers();
    this.#processes = processes;
    this.#onFailure = onFailure;
  }

  get clock(): TestClock {
    return this.etcd.clock;
  }

  /** In [0, 1), from the seed. */
  random(): number {
    return this.#random();
  }

  /**
   * Begins a process of the program; settles with what `main` settles with. When it throws, the
   * seed has failed.
   */
  process<T>(name: string, main: (process: SimulatedProcess) => Promise<T>): Promise<T> {
    const actor = new Actor(name, false);
    this.#processes.push(actor);
    const process = new SimulatedProcess(name, this.#universe, actor);
    const outcome = new Promise<T>((resolve, reject) => {
      this.#universe.world.scheduler.at(0, name, actor, () => {
        main(process).then(resolve, reject);
      });
    });
    outcome.catch(this.#onFailure);
    return outcome;
  }
}

/**
 * Runs `scenario` once for each seed: 1 to the number given, or those of the list. Rejects with
 * `SimulationError` at the first that fails; `simulate([seed], …)` repeats it.
 */
export async function simulate(
  seeds: number | readonly number[],
  scenario: (world: SimulatedWorld) => Promise<void>,
  options: SimulateOptions = {},
): Promise<void> {
  checkOptions("simulate", options, SIMULATE_OPTIONS);
  if (typeof scenario !== "function") throw new TypeError("simulate: the scenario is a function");
  const { faults = FAULTS } = options;
  if (!Array.isArray(faults)) throw new TypeError("simulate: faults are a list of their names");
  const unknown = faults.find((fault) => !FAULTS.includes(fault));
  if (unknown !== undefined) {
    throw new TypeError(`simulate: no fault is named "${unknown}"; there are ${FAULTS.join(", ")}`);
  }
  for (const seed of seedsOf(seeds)) await new Seed(seed, options).run(scenario);
}

/** @throws TypeError for what says no seed: a scenario that never ran would seem to have passed. */
function seedsOf(seeds: number | readonly number[]): readonly number[] {
  if (isWhole(seeds, 1)) return Array.from({ length: seeds as number }, (_, i) => i + 1);
  const isList = Array.isArray(seeds) && seeds.length > 0;
  if (isList && seeds.every((seed) => isWhole(seed))) return seeds;
  throw new TypeError(`simulate: seeds are their number or a list of whole numbers, not ${seeds}`);
}

class Seed {
  readonly #seed: number;
  readonly #options: SimulateOptions;
  readonly #universe: Universe;
  readonly #random: SeededRandom;
  readonly #processes: Actor[] = [];
  readonly #faults: string[] = [];
  #isOver = false;

  constructor(seed: number, { size = DEFAULT_SIZE, faults, limit, ...options }: SimulateOptions) {
    this.#seed = seed;
    this.#options = { faults, limit };
    const withSeed = { ...options, seed };
    this.#universe = new Universe(clusterOptions("simulate", size, withSeed));
    this.#random = new SeededRandom(seed).fork();
  }

  async run(scenario: (world: SimulatedWorld) => Promise<void>): Promise<void> {
    await this.#universe.start();
    this.#universe.world.restartsMembers = true;
    const etcd = etcdOf(this.#universe);
    let fail: (error: unknown) => void = () => undefined;
    const failed = new Promise<never>((_resolve, reject) => {
      fail = reject;
    });
    const world = new SimulatedWorld(this.#universe, etcd, this.#processes, fail);
    this.#startFaults();
    let outcome: { readonly error: unknown } | "passed" | undefined;
    Promise.race([scenario(world), failed]).then(
      () => {
        outcome = "passed";
      },
      (error: unknown) => {
        outcome = { error };
      },
    );
    const { limit = "10m" } = this.#options;
    const limitMs = durationMs("limit", limit);
    await this.#universe.flow.until(() => outcome !== undefined, limitMs);
    this.#isOver = true;
    this.#universe.stop();
    if (outcome === "passed") return;
    const late = new Error(`the scenario has not ended after ${limit} of its time`);
    throw new SimulationError(
      this.#seed,
      this.#faults,
      outcome === undefined ? late : outcome.error,
    );
  }

  #startFaults(): void {
    const { world, options } = this.#universe;
    const chosen = this.#choose([...(this.#options.faults ?? FAULTS)]);
    const isOver = () => this.#isOver;
    const kinds = chosen.filter((kind) => kind !== "standstill");
    const nemesis = new Nemesis({
      world,
      random: this.#random.fork(),
      kinds,
      latencyMs: options.latencyMs,
      pauseMs: CALM_MS,
      isOver,
      onStrike: (kind, { name }) => this.#note(`${kind} near ${name}`),
    });
    void nemesis.run();
    if (chosen.includes("standstill")) void this.#standstills();
  }

  #choose(kinds: SimulatedFault[]): SimulatedFault[] {
    const chosen: SimulatedFault[] = [];
    while (kinds.length > 0 && chosen.length < KINDS_PER_SEED) {
      chosen.push(...kinds.splice(this.#random.below(kinds.length), 1));
    }
    return chosen;
  }

  /** One process after the other stands still. */
  async #standstills(): Promise<void> {
    const { scheduler } = this.#universe.world;
    const random = this.#random.fork();
    for (;;) {
      await scheduler.sleep(random.between(CALM_MS.min, CALM_MS.max));
      if (this.#isOver) return;
      if (this.#processes.length === 0) continue;
      const actor = random.pick(this.#processes);
      const lengthMs = random.between(STANDSTILL_MS.min, STANDSTILL_MS.max);
      this.#note(`${actor.name} stands still for ${lengthMs} ms`);
      scheduler.pause(actor);
      await scheduler.sleep(lengthMs);
      scheduler.resume(actor);
    }
  }

  #note(what: string): void {
    this.#faults.push(`${Math.round(this.#universe.world.scheduler.nowMs)} ms ${what}`);
  }
}
