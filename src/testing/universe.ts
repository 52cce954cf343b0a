/**
 * The members of one test with everything around them: a world on virtual time, the flow of that
 * time, a door before each process.
 */
import { StatusCode } from "../api/errors.ts";
import { METHOD } from "../api/rpc-table.ts";
import { EtcdClient, type EtcdClientOptions } from "../client/index.ts";
import type { RpcService } from "../env/index.ts";
import { type FaultDisk, SeededRandom } from "../env/testing/index.ts";
import type { KeyHistory } from "../mvcc/index.ts";
import type { EtcdServer } from "../server/index.ts";
import { Door } from "./door.ts";
import { Flow } from "./flow.ts";
import { Ledger } from "./ledger.ts";
import { dialLocally } from "./local-dial.ts";
import { type MemberSettings, memberOptions } from "./member-options.ts";
import { retentionOf } from "./retention.ts";
import { CALM } from "./world/links.ts";
import type { Life, Member, MemberTraits } from "./world/member.ts";
import { clientURL, peerURL } from "./world/member-settings.ts";
import { OutsideClock } from "./world/outside-clock.ts";
import type { Actor } from "./world/scheduler.ts";
import { Trace } from "./world/trace.ts";
import { World } from "./world/world.ts";

/** What watchers are told whose events have not happened any more. */
const GONE_BACK = "etcd was set back to an earlier state; watches end there";

export interface UniverseOptions extends MemberSettings {
  readonly size: number;
  readonly seed: number;
  /** Ports for clients. */
  readonly listen: boolean;
  /** Of one way between two members, and between a client and a member. */
  readonly latencyMs: number;
  /** Of a sync of a member's disk; 0: disks take no time. */
  readonly syncMs: number;
}

/** Time that has passed, and what the members' machines hold. */
export interface UniverseState {
  readonly nowMs: number;
  readonly machines: readonly MachineState[];
}

interface MachineState {
  readonly disk: FaultDisk;
  /** What is known of the keys on the disk; undefined: they are read from there. */
  readonly keyHistory: KeyHistory | undefined;
}

export class Universe {
  readonly options: UniverseOptions;
  readonly world: World;
  readonly flow: Flow;
  readonly clock: OutsideClock;
  readonly ledger: Ledger;
  readonly #doors = new Map<Life, Door>();
  readonly #random: SeededRandom;
  /** Told when a process begins, with its services, and that its sockets should be there. */
  onStarted: (member: Member, life: Life, service: RpcService) => void = () => undefined;

  /** Starts nothing yet. */
  constructor(options: UniverseOptions, state?: UniverseState) {
    this.options = options;
    this.#random = new SeededRandom(options.seed);
    const network = { ...CALM, latencyMs: options.latencyMs };
    this.world = new World(new Trace(), this.#random.fork(), network);
    this.world.scheduler.nowMs = state?.nowMs ?? 0;
    this.world.restartsMembers = false;
    this.flow = new Flow(this.world.scheduler, () => this.#effects);
    this.clock = new OutsideClock(this.world.scheduler);
    this.ledger = new Ledger(() => this.clock.nowMs());
    this.world.observer = {
      started: (member, server) => this.#started(member, server),
      observe: () => undefined,
    };
    // What is thrown in an event is nobody's to catch.
    this.world.scheduler.onError = (error) => {
      queueMicrotask(() => {
        throw error;
      });
    };
    this.#addMembers(state);
  }

  /** Changes whenever a member does something that others could notice. */
  get #effects(): number {
    let effects = this.world.scheduler.workCount;
    for (const { machine } of this.members) effects += machine.disk.operations;
    return effects;
  }

  #addMembers(state: UniverseState | undefined): void {
    const { size, syncMs } = this.options;
    const names = Array.from({ length: size }, (_, i) => `m${i + 1}`);
    const cluster = new Map(names.map((name) => [name, peerURL(name)]));
    const traits: MemberTraits = {
      clock: { rate: 1, wallOffsetMs: 0, looksPerStep: 0 },
      disk: { syncMs, accessMs: 0, stallShare: 0 },
      trustsDisk: true,
    };
    const compaction = retentionOf(this.options.autoCompaction);
    for (const [i, name] of names.entries()) {
      const options = memberOptions(name, cluster, this.options, compaction);
      const member = this.world.add(options, traits);
      if (state !== undefined) this.#setUp(member, state.machines[i]);
    }
  }

  /** What its process finds at the next start; nothing without a state. */
  #setUp(member: Member, state: MachineState | undefined): void {
    member.changeDisk(state?.disk.copy(this.#random), state?.keyHistory);
  }

  get members(): readonly Member[] {
    return this.world.members;
  }

  get urls(): readonly string[] {
    return this.members.map(({ name }) => clientURL(name));
  }

  /** Numbers in [0, 1), for one client. */
  numbers(): () => number {
    const random = this.#random.fork();
    return () => random.next32() / 2 ** 32;
  }

  /** Most members follow one that runs, and hear it. */
  get hasLeader(): boolean {
    const { leader } = this.world;
    if (leader?.server === undefined || leader.isPaused) return false;
    const id = leader.server.memberID;
    const { links } = this.world;
    const followers = this.members.filter(
      ({ name, server }) => server?.leader === id && links.isOpen(leader.name, name),
    );
    return followers.length > this.members.length / 2;
  }

  /** The member that has applied most, of those that run. */
  get freshest(): EtcdServer | undefined {
    let found: EtcdServer | undefined;
    for (const { server } of this.members) {
      if (server !== undefined && server.appliedIndex > (found?.appliedIndex ?? -1)) found = server;
    }
    return found;
  }

  /** Starts those members that do not run, and settles when they serve. */
  async start(members: readonly Member[] = this.members): Promise<void> {
    const started = members.filter(({ life }) => life === undefined);
    for (const member of started) this.world.start(member);
    const isReady = ({ isServing, server }: Member) =>
      isServing && (this.members.length === 1 || server?.cluster.version !== undefined);
    const isHopeless = () => started.some(({ life }) => life === undefined);
    await this.flow.until(() => isHopeless() || started.every(isReady));
    const missing = started.filter((member) => !isReady(member)).map(({ name }) => name);
    if (missing.length === 0) return;
    const reasons = this.world.violations.join("; ");
    throw new Error(`${missing.join(", ")} did not come up${reasons === "" ? "" : `: ${reasons}`}`);
  }

  /** A client of all members, of a process when one is given. */
  client(options: EtcdClientOptions, owner?: Actor): EtcdClient {
    const { scheduler } = this.world;
    const { latencyMs } = this.options;
    const clock = owner === undefined ? this.clock : new OutsideClock(scheduler, owner);
    const find = (url: string) => this.#find(url);
    return new EtcdClient(
      { endpoints: this.urls, ...options, clock, random: this.numbers() },
      {
        dial: (target, dialOptions) =>
          dialLocally(target, dialOptions, { scheduler, clock, latencyMs, owner, find }),
        begun: () => this.flow.begun(),
      },
    );
  }

  /** The door of a running process. */
  doorOf(member: Member): Door | undefined {
    return member.life === undefined ? undefined : this.#doors.get(member.life);
  }

  /** Everything that is written, of members that run and of those that do not. */
  async state(): Promise<UniverseState> {
    await this.flow.rest();
    const running = this.members.filter(({ server }) => server !== undefined);
    await Promise.all(
      running.map((member) => this.inside(member, ({ backend }) => backend.commit())),
    );
    const machines = this.members.map(({ machine, server }) => ({
      disk: machine.disk.copy(this.#random),
      keyHistory: server?.store.history(server.lessor.attachments()),
    }));
    return { nowMs: this.clock.nowMs(), machines };
  }

  /** All processes die, and begin again on these disks; on new ones when there are none. */
  async become(state: UniverseState | undefined): Promise<void> {
    const { FAILED_PRECONDITION } = StatusCode;
    for (const door of this.#doors.values()) {
      door.cutStreams(METHOD.Watch, FAILED_PRECONDITION, GONE_BACK);
    }
    await this.flow.rest();
    for (const [i, member] of this.members.entries()) {
      member.die();
      this.#setUp(member, state?.machines[i]);
    }
    this.world.links.openAll(this.world.scheduler.nowMs);
    await this.start();
  }

  /** Does something in a member, as an event of its process; time passes until it is done. */
  inside<T>(member: Member, run: (server: EtcdServer) => Promise<T>): Promise<T> {
    const { server, life } = member;
    if (server === undefined || life === undefined) {
      return Promise.reject(new Error(`${member.name} does not run`));
    }
    const ended = this.flow.begun();
    const outcome = new Promise<T>((resolve, reject) => {
      const died = (): void => reject(new Error(`${member.name} died meanwhile`));
      life.onDeath.add(died);
      this.world.scheduler.at(0, "test", life.actor, () => {
        run(server).then(resolve, reject);
      });
    });
    outcome.then(ended, ended);
    return outcome;
  }

  /** Nothing happens any more. */
  stop(): void {
    for (const member of this.members) member.die();
    this.flow.stop();
  }

  #find(url: string): { life: Life; service: RpcService } | undefined {
    const member = this.members.find(
      ({ name, options }) => url === clientURL(name) || options.clientURLs.includes(url),
    );
    const { life } = member ?? {};
    const service = life?.isReady === true ? this.#doors.get(life) : undefined;
    return life === undefined || service === undefined ? undefined : { life, service };
  }

  #started(member: Member, server: EtcdServer): void {
    const { life } = member;
    if (life === undefined) return;
    const door = new Door(member.name, server.rpc, this.ledger);
    this.#doors.set(life, door);
    life.onDeath.add(() => this.#doors.delete(life));
    this.onStarted(member, life, door);
  }
}
