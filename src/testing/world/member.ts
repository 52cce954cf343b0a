/**
 * One member of the simulated cluster: its machine (disk, clock, wires) and the lives of the server
 * process on it. A life ends by a stop, a kill (the page cache survives), a loss of power (it does
 * not), or by the server itself.
 */
import type { KeyHistory } from "../../mvcc/index.ts";
import type { ServerOptions } from "../../server/index.ts";
import { EtcdServer } from "../../server/index.ts";
import {
  type CrashPolicy,
  FaultDisk,
  NullMetrics,
  PlainPasswords,
  SeededRandom,
} from "../../env/testing/index.ts";
import { type ClockTraits, MemberClock } from "./member-clock.ts";
import { type DiskTraits, MemberDisk } from "./member-disk.ts";
import { MemberNetwork } from "./member-network.ts";
import { Actor } from "./scheduler.ts";
import { SimLogger } from "./sim-logger.ts";
import type { World } from "./world.ts";

/** One run of the server process. */
export interface Life {
  readonly actor: Actor;
  readonly clock: MemberClock;
  readonly network: MemberNetwork;
  /** Undefined while it recovers its data. */
  server: EtcdServer | undefined;
  isReady: boolean;
  /** How clients learn that their connections are gone. */
  readonly onDeath: Set<() => void>;
}

export interface MemberTraits {
  readonly clock: ClockTraits;
  readonly disk: DiskTraits;
  /** Nobody damages its files: what a start does not need of the log is not read again. */
  readonly trustsDisk?: boolean;
}

export class Member {
  readonly name: string;
  readonly url: string;
  options: ServerOptions;
  machine: MemberDisk;
  life: Life | undefined;
  /** It was removed from the cluster and is not started again. */
  isRetired = false;
  /** It has been part of the cluster with the data that it has. */
  hasServed = false;
  /** Times that it was started. */
  lives = 0;
  readonly #world: World;
  readonly #traits: MemberTraits;
  readonly #random: SeededRandom;
  /** Of the disk as it is before the next start. */
  #keyHistory: KeyHistory | undefined;

  constructor(
    world: World,
    options: ServerOptions,
    disk: FaultDisk,
    traits: MemberTraits,
    random: SeededRandom,
  ) {
    this.name = options.name;
    this.url = options.peerURLs[0] ?? "";
    this.options = options;
    this.#world = world;
    this.#traits = traits;
    this.#random = random;
    this.machine = new MemberDisk(disk, traits.disk, random.fork());
  }

  get server(): EtcdServer | undefined {
    return this.life?.server;
  }

  get isServing(): boolean {
    return this.life?.isReady === true;
  }

  get isPaused(): boolean {
    return this.life?.actor.isPaused === true;
  }

  start(): void {
    const { scheduler, links, trace, directory } = this.#world;
    const actor = new Actor(`${this.name}.${++this.lives}`);
    const clock = new MemberClock(scheduler, actor, this.#traits.clock);
    const { machine } = this;
    const isDead = () => !actor.isAlive || machine.disk.crashed;
    const network = new MemberNetwork({
      name: this.name,
      url: this.url,
      actor,
      clock,
      scheduler,
      links,
      directory,
      trace,
      snapshotChunkBytes: 4096,
      isDead,
      onSnapshotSent: () => this.#world.count("snapshot sent"),
    });
    const life: Life = {
      actor,
      clock,
      network,
      server: undefined,
      isReady: false,
      onDeath: new Set(),
    };
    this.life = life;
    machine.attach(scheduler, actor, trace);
    scheduler.at(0, "start", actor, () => this.#boot(life));
  }

  #boot(life: Life): void {
    const { scheduler, trace } = this.#world;
    const { actor, clock, network } = life;
    const random = new SeededRandom(this.#random.next32());
    const deps = {
      disk: this.machine.disk,
      clock,
      random,
      logger: new SimLogger(this.name, scheduler, trace),
      metrics: new NullMetrics(),
      network,
      // Each name has an address of its own.
      hostNames: { lookup: async (host: string) => host },
      passwords: new PlainPasswords(),
      ...(this.#traits.trustsDisk === true && { verifyOlderSegments: async () => undefined }),
      defer: (fire: () => void) => void scheduler.at(0, "defer", actor, fire),
      keyHistory: this.#keyHistory,
    };
    this.#keyHistory = undefined;
    EtcdServer.start(this.options, deps).then(
      (server) => {
        if (!actor.isAlive) return;
        life.server = server;
        network.http = server.peerApi;
        this.#world.started(this, server);
        server.failed.then((error) => {
          if (actor.isAlive && !this.machine.disk.crashed) this.#world.memberFailed(this, error);
        });
        server.ready.then(
          () => {
            life.isReady = true;
            this.hasServed = true;
          },
          () => undefined,
        );
      },
      (error: unknown) => {
        if (actor.isAlive && !this.machine.disk.crashed) this.#world.startFailed(this, error);
      },
    );
  }

  /** The process is gone, and with a loss of power what `policy` takes from the disk. */
  die(policy: CrashPolicy | "kill" = "kill"): void {
    const { life, machine } = this;
    if (life === undefined) return;
    life.actor.isAlive = false;
    this.life = undefined;
    if (!machine.disk.crashed) machine.completeSome(policy !== "kill");
    const disk = policy === "kill" ? machine.disk.kill() : machine.disk.crash(this.#random, policy);
    this.machine = new MemberDisk(disk, this.#traits.disk, this.#random.fork());
    this.machine.slowness = machine.slowness;
    this.machine.traits = machine.traits;
    for (const tell of life.onDeath) tell();
  }

  /**
   * While no process runs: what it finds at its next start; a new disk unless one is given. With
   * what is known of the keys on it they need not be read.
   */
  changeDisk(disk: FaultDisk = new FaultDisk(), keyHistory?: KeyHistory): void {
    disk.makeDirectories("/", 0o700);
    this.machine = new MemberDisk(disk, this.#traits.disk, this.#random.fork());
    this.#keyHistory = keyHistory;
    this.hasServed = false;
  }

  /** A clean shutdown; the member is down when it settles, or has died meanwhile. */
  stop(): void {
    const { life } = this;
    if (life?.server === undefined) {
      this.die();
      return;
    }
    const { server, actor } = life;
    this.#world.scheduler.at(0, "stop", actor, () => {
      server.stop().then(
        () => {
          if (actor.isAlive) this.#stopped(life);
        },
        (error: unknown) => {
          if (!actor.isAlive || this.machine.disk.crashed) return;
          this.#world.memberFailed(this, error instanceof Error ? error : new Error(String(error)));
        },
      );
    });
  }

  #stopped(life: Life): void {
    life.actor.isAlive = false;
    if (this.life === life) this.life = undefined;
    for (const tell of life.onDeath) tell();
  }
}
