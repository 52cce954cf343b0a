/**
 * Injects one fault at a time, holds it, heals it, and measures how long the cluster then takes to
 * serve everybody again. While a leader is cut off it is asked for what it must not give.
 */
import type { Random } from "../src/env/random.ts";
import { type Cluster, pause } from "./cluster.ts";
import type { FullDisk } from "./full-disk.ts";
import { CLIENTS } from "./links.ts";
import type { Member } from "./member.ts";
import { probeMinority } from "./minority.ts";
import type { FaultKind, PlannedFault } from "./plan.ts";
import type { Recorder } from "./recorder.ts";

const DELAY_MS = 150;
/** Less than the workload needs. */
const THROTTLED_BYTES_PER_SECOND = 20_000;
const STORM_PAUSE_MS = 250;
const DROP_PAUSE_MS = 120;

export interface InjectedFault {
  readonly kind: FaultKind;
  readonly member: string;
  /** From the end of the fault until every member answers a write and a linearizable read. */
  healMs: number;
}

export class Nemesis {
  readonly injected: InjectedFault[] = [];
  /** What a minority served though it was cut off. */
  readonly minorityServed: string[] = [];
  minorityProbes = 0;
  readonly #cluster: Cluster;
  readonly #random: Random;
  readonly #recorder: Recorder;
  readonly #disk: FullDisk | undefined;
  readonly #healTimeoutMs: number;

  constructor(
    cluster: Cluster,
    random: Random,
    recorder: Recorder,
    disk: FullDisk | undefined,
    healTimeoutMs: number,
  ) {
    this.#cluster = cluster;
    this.#random = random;
    this.#recorder = recorder;
    this.#disk = disk;
    this.#healTimeoutMs = healTimeoutMs;
  }

  /** One fault from its beginning to the end of the calm after it. */
  async inject({ kind, holdMs, calmMs }: PlannedFault): Promise<void> {
    const leader = (await this.#cluster.leader()) ?? this.#anyOf(this.#cluster.members);
    const target = this.#targetOf(kind, leader);
    const fault: InjectedFault = { kind, member: target.name, healMs: 0 };
    this.injected.push(fault);
    await this.#hold(kind, target, leader, holdMs);
    fault.healMs = await this.heal();
    await pause(calmMs);
  }

  #targetOf(kind: FaultKind, leader: Member): Member {
    const [first] = this.#cluster.members;
    // Only the first has a disk that can be filled.
    if (kind === "disk-full" && first !== undefined) return first;
    return kind.includes("leader") ? leader : this.#anyOf(this.#cluster.others(leader));
  }

  /** Ends all faults; the time until every member serves. */
  async heal(): Promise<number> {
    const startMs = performance.now();
    this.#disk?.free();
    this.#cluster.links.heal();
    for (const member of this.#cluster.members) {
      if (member.isPaused) member.resume();
      member.start();
    }
    const waiting = new Set(this.#cluster.members);
    await this.#cluster.until("every member serves again", this.#healTimeoutMs, async () => {
      await Promise.all(
        [...waiting].map(async (member) => {
          // A member that gave up on its full disk is started again.
          member.start();
          if (await this.#serves(member)) waiting.delete(member);
        }),
      );
      return waiting.size === 0;
    });
    return performance.now() - startMs;
  }

  async #serves(member: Member): Promise<boolean> {
    const client = this.#cluster.admin(member);
    const options = { timeoutMs: 500 };
    const put = { kind: "put", key: `h${member.name}`, value: String(performance.now()) } as const;
    const written = await this.#recorder.run(client, -2, member.name, put, options);
    if (written.outcome.kind === "ok") {
      const get = { kind: "get", key: put.key } as const;
      const read = await this.#recorder.run(client, -2, member.name, get, options);
      return read.outcome.kind === "ok";
    }
    // A full disk leaves an alarm behind, which an operator takes away.
    if (written.outcome.error.includes("space exceeded")) {
      await client.maintenance.alarmDisarm(0n, "none", { timeoutMs: 500 }).catch(() => undefined);
    }
    return false;
  }

  async #hold(kind: FaultKind, target: Member, leader: Member, holdMs: number): Promise<void> {
    const { links } = this.#cluster;
    const others = this.#cluster.others(target);
    const names = others.map(({ name }) => name);
    switch (kind) {
      case "isolate-leader":
      case "isolate-follower": {
        // Its clients stay with it.
        links.setBetween([target.name], names, { isCut: true });
        const { probes, served } = await probeMinority(this.#cluster, target, this.#recorder);
        this.minorityProbes += probes;
        this.minorityServed.push(...served);
        await pause(holdMs);
        break;
      }
      case "one-way-from-leader":
        for (const name of names) links.set(target.name, name, { isCut: true });
        await pause(holdMs);
        break;
      case "one-way-to-leader":
        for (const name of names) links.set(name, target.name, { isCut: true });
        await pause(holdMs);
        break;
      case "cut-one-pair":
        links.setBetween([target.name], [this.#anyOf(others).name], { isCut: true });
        await pause(holdMs);
        break;
      case "cut-clients":
        links.setBetween([CLIENTS], [target.name], { isCut: true });
        await pause(holdMs);
        break;
      case "delay":
        links.setBetween([target.name], names, { delayMs: 1 + this.#random.below(DELAY_MS) });
        await pause(holdMs);
        break;
      case "throttle":
        links.setBetween([target.name], names, { bytesPerSecond: THROTTLED_BYTES_PER_SECOND });
        await pause(holdMs);
        break;
      case "drop-connections":
        await this.#repeat(holdMs, DROP_PAUSE_MS, async () => {
          links.dropConnections(() => this.#random.below(3) === 0);
        });
        break;
      case "kill-leader":
      case "kill-follower":
        await target.kill();
        await pause(holdMs);
        break;
      case "kill-all":
        await Promise.all(this.#cluster.members.map((member) => member.kill()));
        break;
      case "pause-leader":
      case "pause-follower":
        target.pause();
        await pause(holdMs);
        break;
      case "restart-storm":
        await this.#repeat(holdMs, STORM_PAUSE_MS, async () => {
          const member = this.#anyOf(this.#cluster.members);
          await member.kill();
          member.start();
        });
        break;
      case "disk-full":
        this.#disk?.fill();
        await pause(holdMs);
        break;
      default:
        throw new Error(`no such fault: ${String(kind satisfies never)} (leader ${leader.name})`);
    }
  }

  async #repeat(holdMs: number, pauseMs: number, act: () => Promise<void>): Promise<void> {
    const endMs = performance.now() + holdMs;
    while (performance.now() < endMs) {
      await act();
      await pause(pauseMs);
    }
  }

  #anyOf(members: readonly Member[]): Member {
    const member = members[this.#random.below(Math.max(1, members.length))];
    if (member === undefined) throw new Error("a cluster needs two members at least");
    return member;
  }
}
