/**
 * Does harm to a world, one fault after the other, some at the same time, and undoes all of it at
 * the end. What it does follows from its generator and the state of the world alone.
 */
import {
  CRASH_DROPS_ALL,
  CRASH_REORDERS,
  CRASH_TEARS_BYTES,
  CRASH_TEARS_SECTORS,
  type CrashPolicy,
  type SeededRandom,
} from "../../env/testing/index.ts";
import { CALM } from "../world/links.ts";
import type { Member } from "../world/member.ts";
import type { World } from "../world/world.ts";
import type { FaultKind } from "./kinds.ts";

export const POWER_POLICIES: readonly CrashPolicy[] = [
  CRASH_DROPS_ALL,
  CRASH_TEARS_SECTORS,
  CRASH_TEARS_BYTES,
  CRASH_REORDERS,
];
const DOWN_MS = { min: 20, max: 4000 };
const PAUSE_MS = { min: 50, max: 6000 };
const CUT_MS = { min: 100, max: 6000 };
const SLOW_FACTOR = { min: 5, max: 200 };
/** Write points until a crash: a few syncs, or a few hundred. */
const CRASH_POINTS = [5, 40, 300];
const WALL_JUMP_MS = 3_600_000;

export interface NemesisOptions {
  readonly world: World;
  readonly random: SeededRandom;
  readonly kinds: readonly FaultKind[];
  /** Of the network while nothing is wrong with it. */
  readonly latencyMs: number;
  readonly pauseMs: { readonly min: number; readonly max: number };
  readonly isOver: () => boolean;
  /** Told of each fault. */
  readonly onStrike?: (kind: FaultKind, member: Member) => void;
}

export class Nemesis {
  readonly #options: NemesisOptions;
  readonly #crashPolicies = new Map<Member, CrashPolicy | "kill">();
  /** Members whose disk was made to fail: they may give up. */
  readonly #excused = new Set<Member>();
  /** Undoes what goes on. */
  readonly #undo = new Set<() => void>();

  constructor(options: NemesisOptions) {
    this.#options = options;
    options.world.onCrashPoint = (member) => this.#crashed(member);
    // After a failed sync nobody knows what is on the platter: the machine is started anew, so that
    // what is read then is what is there.
    options.world.onFailure = (member) =>
      member.die(this.#excused.has(member) ? this.#options.random.pick(POWER_POLICIES) : "kill");
  }

  /** True if the member's disk was made to fail in its present or last life. */
  excuses(member: Member): boolean {
    return this.#excused.has(member);
  }

  async run(): Promise<void> {
    const { world, random, kinds, pauseMs, isOver } = this.#options;
    if (kinds.length === 0) return;
    while (!isOver()) {
      await world.scheduler.sleep(random.between(pauseMs.min, pauseMs.max));
      if (isOver()) return;
      this.#strike(random.pick(kinds));
    }
  }

  /** Everything works again, and everybody is started. */
  heal(): void {
    const { world } = this.#options;
    for (const undo of [...this.#undo]) undo();
    this.#undo.clear();
    world.links.openAll(world.scheduler.nowMs);
    world.links.traits = { ...CALM, latencyMs: this.#options.latencyMs };
    for (const member of world.active) {
      member.machine.slowness = 1;
      member.machine.disk.capacityBytes = Number.POSITIVE_INFINITY;
      member.machine.disk.crashAfter(Number.POSITIVE_INFINITY);
      if (member.life === undefined) world.start(member);
      else if (member.isPaused) world.scheduler.resume(member.life.actor);
    }
  }

  #strike(kind: FaultKind): void {
    const { world, random } = this.#options;
    const member = this.#victim();
    if (member === undefined) return;
    if (this.#do(kind, member)) {
      world.count(`fault ${kind}`);
      this.#options.onStrike?.(kind, member);
      world.trace.word(kind);
      world.trace.line(() => `${world.scheduler.nowMs.toFixed(4)} FAULT ${kind} ${member.name}`);
    }
    // Now and then the next one comes at once.
    if (random.chance(0.1)) this.#strike(random.pick(this.#options.kinds));
  }

  /** False if it cannot be done now. */
  #do(kind: FaultKind, member: Member): boolean {
    switch (kind) {
      case "kill":
        return this.#down(member, "kill");
      case "power":
        return this.#down(member, this.#options.random.pick(POWER_POLICIES));
      case "crashPoint":
        return this.#crashSoon(member);
      case "restart":
        return this.#restart(member);
      case "pause":
        return this.#pause(member);
      case "partition":
        return this.#partition();
      case "isolate":
        return this.#isolate(this.#options.world.leader ?? member);
      case "oneWay":
        return this.#oneWay(member);
      case "badNetwork":
        return this.#badNetwork();
      case "slowDisk":
        return this.#slowDisk(member);
      case "syncError":
        return this.#syncError(member);
      case "fullDisk":
        return this.#fullDisk(member);
      case "clockJump":
        return this.#clockJump(member);
      case "blackout":
        return this.#blackout();
      case "membership":
      case "auth":
      case "disaster":
        return false;
    }
  }

  /** Any member, the leader more often than others. */
  #victim(): Member | undefined {
    const { world, random } = this.#options;
    const { leader } = world;
    if (leader !== undefined && random.chance(0.4)) return leader;
    const alive = world.active;
    return alive.length === 0 ? undefined : random.pick(alive);
  }

  #down(member: Member, policy: CrashPolicy | "kill"): boolean {
    if (member.life === undefined) return false;
    member.die(policy);
    this.#startLater(member);
    return true;
  }

  #startLater(member: Member): void {
    const { world, random } = this.#options;
    // Quick restarts and long absences are both of interest.
    const maxMs = random.chance(0.5) ? DOWN_MS.min * 10 : DOWN_MS.max;
    world.scheduler.at(random.between(DOWN_MS.min, maxMs), "fault", undefined, () => {
      if (member.life === undefined && !member.isRetired) world.start(member);
    });
  }

  #crashSoon(member: Member): boolean {
    if (member.life === undefined) return false;
    const { random } = this.#options;
    const policy = random.chance(0.3) ? "kill" : random.pick(POWER_POLICIES);
    this.#crashPolicies.set(member, policy);
    member.machine.disk.crashAfter(random.below(random.pick(CRASH_POINTS)));
    return true;
  }

  #crashed(member: Member): void {
    const { world } = this.#options;
    world.count("crash at a write point");
    member.die(this.#crashPolicies.get(member) ?? CRASH_DROPS_ALL);
    this.#startLater(member);
  }

  #restart(member: Member): boolean {
    if (!member.isServing || member.isPaused) return false;
    member.stop();
    const { world, random } = this.#options;
    const again = () => {
      if (member.isRetired) return;
      if (member.life === undefined) world.start(member);
      else world.scheduler.at(100, "fault", undefined, again);
    };
    world.scheduler.at(random.between(DOWN_MS.min, DOWN_MS.max), "fault", undefined, again);
    return true;
  }

  #pause(member: Member): boolean {
    const { life } = member;
    if (life === undefined || life.actor.isPaused) return false;
    const { world, random } = this.#options;
    // Often with an answer of another member on its way, which waits then.
    const others = world.active.filter((other) => other !== member).map(({ name }) => name);
    if (others.length > 0 && random.chance(0.5)) life.actor.pausesBefore = new Set(others);
    else world.scheduler.pause(life.actor);
    this.#during(random.between(PAUSE_MS.min, PAUSE_MS.max), () => {
      life.actor.pausesBefore = undefined;
      if (life.actor.isPaused) world.scheduler.resume(life.actor);
    });
    return true;
  }

  #partition(): boolean {
    const { world, random } = this.#options;
    const names = world.active.map(({ name }) => name);
    const left = names.filter(() => random.chance(0.5));
    const right = names.filter((name) => !left.includes(name));
    const pairs = left.flatMap((a) =>
      right.flatMap((b): [string, string][] => [
        [a, b],
        [b, a],
      ]),
    );
    return this.#cut(pairs);
  }

  #isolate(member: Member): boolean {
    const others = this.#options.world.active.filter((other) => other !== member);
    return this.#cut(
      others.flatMap(({ name }): [string, string][] => [
        [member.name, name],
        [name, member.name],
      ]),
    );
  }

  #oneWay(member: Member): boolean {
    const { world, random } = this.#options;
    const others = world.active.filter((other) => other !== member);
    const chosen = others.filter(() => random.chance(0.6));
    const outward = random.chance(0.5);
    return this.#cut(
      chosen.map(({ name }): [string, string] =>
        outward ? [member.name, name] : [name, member.name],
      ),
    );
  }

  #cut(pairs: readonly (readonly [string, string])[]): boolean {
    if (pairs.length === 0) return false;
    const { world, random } = this.#options;
    for (const [from, to] of pairs) world.links.block(from, to);
    this.#during(random.between(CUT_MS.min, CUT_MS.max), () => {
      for (const [from, to] of pairs) world.links.open(from, to, world.scheduler.nowMs);
    });
    return true;
  }

  #badNetwork(): boolean {
    const { world, random } = this.#options;
    const share = () => (random.chance(0.5) ? random.between(1, 30) / 100 : 0);
    const { latencyMs } = this.#options;
    world.links.traits = {
      latencyMs: latencyMs * random.pick([1, 1, 10]),
      loss: share(),
      duplication: share(),
      reordering: share(),
    };
    this.#during(random.between(CUT_MS.min, CUT_MS.max), () => {
      world.links.traits = { ...CALM, latencyMs };
    });
    return true;
  }

  #slowDisk(member: Member): boolean {
    const { random } = this.#options;
    member.machine.slowness = random.between(SLOW_FACTOR.min, SLOW_FACTOR.max);
    this.#during(random.between(CUT_MS.min, CUT_MS.max), () => {
      member.machine.slowness = 1;
    });
    return true;
  }

  #syncError(member: Member): boolean {
    if (member.life === undefined) return false;
    const { random } = this.#options;
    this.#excused.add(member);
    const end = member.machine.disk.failWhen({
      operation: "datasync",
      skip: random.below(20),
      code: "EIO",
    });
    this.#undo.add(end);
    return true;
  }

  #fullDisk(member: Member): boolean {
    const { world, random } = this.#options;
    const { disk } = member.machine;
    this.#excused.add(member);
    disk.capacityBytes = disk.usedBytes + random.pick([0, 2000, 30_000]);
    this.#during(random.between(CUT_MS.min, CUT_MS.max), () => {
      for (const { machine } of world.members) {
        machine.disk.capacityBytes = Number.POSITIVE_INFINITY;
      }
    });
    return true;
  }

  #clockJump(member: Member): boolean {
    const { random } = this.#options;
    member.life?.clock.jumpWall(random.between(-WALL_JUMP_MS, WALL_JUMP_MS));
    return member.life !== undefined;
  }

  #blackout(): boolean {
    const { world, random } = this.#options;
    const policy = random.chance(0.3) ? "kill" : random.pick(POWER_POLICIES);
    for (const member of world.active) this.#down(member, policy);
    return true;
  }

  #during(lengthMs: number, end: () => void): void {
    const undo = () => {
      if (this.#undo.delete(undo)) end();
    };
    this.#undo.add(undo);
    this.#options.world.scheduler.at(lengthMs, "fault", undefined, undo);
  }
}
