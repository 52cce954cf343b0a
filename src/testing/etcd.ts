/**
 * etcd inside a test: real members, the same code that `etcd` runs, on disks in memory, without a
 * port, a file or a process, and on a clock that the test moves.
 */
import { CompactionRequest, LeaseRevokeRequest } from "../api/gen/rpc.ts";
import { METHOD } from "../api/rpc-table.ts";
import type { LeaseID, Revision } from "../base/ids.ts";
import { optionNames, unknownOption } from "../base/known-options.ts";
import type { EtcdClient, EtcdClientOptions, KeyValue } from "../client/index.ts";
import { RaftField } from "../server/index.ts";
import { type Duration, durationMs } from "./duration.ts";
import type { Failure, RecordedRequest } from "./ledger.ts";
import { type Change, changesOf, keyAt, keysWith } from "./looks.ts";
import { EtcdMember } from "./etcd-member.ts";
import type { MemberSettings } from "./member-options.ts";
import type { Sockets } from "./sockets.ts";
import { TestClock } from "./test-clock.ts";
import { Universe, type UniverseOptions, type UniverseState } from "./universe.ts";
import type { Member } from "./world/member.ts";

export interface MemoryOptions extends MemberSettings {
  /** Chance as an argument: what is random follows from it. Default 1. */
  readonly seed?: number | undefined;
  /**
   * Ports on 127.0.0.1, for clients of any kind; `urls` has them. Their deadlines and keep-alives
   * are in real time, leases and all else of the members on the clock. Default: none.
   */
  readonly listen?: boolean | undefined;
}

export interface ClusterOptions extends MemoryOptions {
  /** Of a message between two members, or a client and a member. Default "1ms". */
  readonly latency?: Duration | undefined;
  /** Of making a write durable on a member's disk. Default "1ms". */
  readonly sync?: Duration | undefined;
}

/** As of `etcd-ts/client`, but for what follows from the clock and the seed. */
export type LocalClientOptions = Omit<EtcdClientOptions, "clock" | "random" | "tls">;

interface WaitOptions {
  readonly within?: Duration | undefined;
}
const WAIT_OPTIONS = optionNames<WaitOptions>({ within: true });

const MEMORY_OPTION_NAMES = {
  seed: true,
  listen: true,
  autoCompaction: true,
  quotaBytes: true,
  maxTxnOps: true,
  maxRequestBytes: true,
} as const;
const MEMORY_OPTIONS = optionNames<MemoryOptions>(MEMORY_OPTION_NAMES);
export const CLUSTER_OPTION_NAMES = {
  ...MEMORY_OPTION_NAMES,
  latency: true,
  sync: true,
} as const;
const CLUSTER_OPTIONS = optionNames<ClusterOptions>(CLUSTER_OPTION_NAMES);

/** More would make the messages of a cluster, not a test, what the time goes into. */
const MAX_TEST_MEMBERS = 9;

/** Everything that etcd held at one moment. Any number of `restore` and `fork` may begin there. */
export class EtcdSnapshot {
  /** Members that it is of. */
  readonly size: number;
  readonly #state: UniverseState;

  /** Made by `Etcd.snapshot`. */
  constructor(state: UniverseState) {
    this.size = state.machines.length;
    this.#state = state;
  }

  /** @throws TypeError for what is no snapshot. */
  static stateOf(method: string, snapshot: EtcdSnapshot): UniverseState {
    if (snapshot instanceof EtcdSnapshot) return snapshot.#state;
    throw new TypeError(`${method}: takes what \`snapshot()\` gave`);
  }
}

/** For those who made the members themselves. */
export let etcdOf: (universe: Universe) => Etcd;

export class Etcd implements AsyncDisposable {
  /** Time in your hands. */
  readonly clock: TestClock;
  readonly #universe: Universe;
  readonly #sockets: Sockets | undefined;
  readonly #clients = new Set<EtcdClient>();
  #isClosed = false;

  /** One member. Settles when it serves. @throws TypeError for options that do not exist. */
  static async memory(options: MemoryOptions = {}): Promise<Etcd> {
    checkOptions("Etcd.memory", options, MEMORY_OPTIONS);
    return Etcd.#start({ ...defaults(options), size: 1, latencyMs: 0, syncMs: 0 });
  }

  /**
   * Members "m1", "m2" … that form a cluster. Settles when all serve. The same seed gives the same
   * leader, the same elections, the same order of everything.
   */
  static async cluster(size: number = 3, options: ClusterOptions = {}): Promise<Etcd> {
    checkOptions("Etcd.cluster", options, CLUSTER_OPTIONS);
    return Etcd.#start(clusterOptions("Etcd.cluster", size, options));
  }

  static async #start(options: UniverseOptions, state?: UniverseState): Promise<Etcd> {
    const universe = new Universe(options, state);
    const sockets = options.listen
      ? await import("./sockets.ts").then(({ Sockets }) => Sockets.open(universe))
      : undefined;
    try {
      await universe.start();
    } catch (error) {
      universe.stop();
      await sockets?.close();
      throw error;
    }
    return new Etcd(universe, sockets);
  }

  static {
    etcdOf = (universe) => new Etcd(universe, undefined);
  }

  private constructor(universe: Universe, sockets: Sockets | undefined) {
    this.#universe = universe;
    this.#sockets = sockets;
    this.clock = new TestClock(universe.clock, universe.flow);
  }

  get members(): readonly EtcdMember[] {
    return this.#universe.members.map((member) => new EtcdMember(member));
  }

  /** Who leads now, by the highest term; undefined while nobody does. */
  get leader(): EtcdMember | undefined {
    const { leader } = this.#universe.world;
    return leader === undefined ? undefined : new EtcdMember(leader);
  }

  /** Where the members listen, for clients of any kind. @throws Error without `{ listen: true }`. */
  get urls(): readonly string[] {
    if (this.#sockets === undefined) {
      throw new Error("urls: nobody listens; begin with { listen: true }");
    }
    return this.#universe.members.flatMap(({ options }) => options.clientURLs);
  }

  /**
   * A client of all members, as `etcd-ts/client` has it, without sockets and on this clock. It is
   * closed with the members.
   */
  client(options: LocalClientOptions = {}): EtcdClient {
    this.#mustBeOpen("client");
    const client = this.#universe.client(options);
    this.#clients.add(client);
    return client;
  }

  /**
   * Keys that begin with `prefix` and their values, as text, in byte order; but that objects have
   * names which are whole numbers before all others.
   */
  dump(prefix: string = ""): Record<string, string> {
    const { server } = this.#look("dump");
    return Object.fromEntries(
      keysWith(server, prefix).map(({ keyText, valueText }) => [keyText, valueText]),
    );
  }

  /** All changes of a key that compaction has left, the oldest first. */
  history(key: string): Change[] {
    return changesOf(this.#look("history").server, key);
  }

  /** What the members were asked, the oldest first: the last 10,000 requests. */
  requests(): readonly RecordedRequest[] {
    this.#mustBeOpen("requests");
    return [...this.#universe.ledger.requests];
  }

  /**
   * Settles with the key when `predicate` holds for it; it gets undefined while the key is not
   * there. Without `within` time stands still meanwhile; with it time passes, and the promise
   * rejects when so much has passed in vain.
   */
  async waitFor(
    key: string,
    predicate: (kv: KeyValue | undefined) => boolean = (kv) => kv !== undefined,
    options: WaitOptions = {},
  ): Promise<KeyValue | undefined> {
    this.#mustBeOpen("waitFor");
    if (typeof predicate !== "function")
      throw new TypeError("waitFor: the predicate is a function");
    checkNames("waitFor", options, WAIT_OPTIONS);
    const { flow } = this.#universe;
    let found: KeyValue | undefined;
    const holds = (): boolean => {
      const server = this.#universe.freshest;
      found = server === undefined ? undefined : keyAt(server, key);
      return server !== undefined && predicate(found);
    };
    const { within } = options;
    const isTrue = await (within === undefined
      ? flow.whenever(holds)
      : flow.until(holds, durationMs("waitFor", within)));
    if (isTrue) return found;
    const now = found === undefined ? "there is no such key" : `it is ${found.toString()}`;
    const when = within === undefined ? "before the end" : `within ${within}`;
    throw new Error(`waitFor("${key}"): not true ${when}; ${now}`);
  }

  /**
   * The next calls of this name fail: "put", "range", "txn", "leaseGrant", "watch" … `times`
   * counts how many, 1 unless given. @throws TypeError for the name of no call and of no error.
   */
  failNext(call: string, error: Failure, times: number = 1): void {
    this.#mustBeOpen("failNext");
    this.#universe.ledger.failNext(call, error, times);
  }

  /** Ends all watches, as a broken connection does: clients begin them again. Returns how many. */
  dropWatches(): number {
    this.#mustBeOpen("dropWatches");
    let dropped = 0;
    for (const member of this.#universe.members) {
      dropped += this.#universe.doorOf(member)?.cutStreams(METHOD.Watch) ?? 0;
    }
    return dropped;
  }

  /** Ends a lease as if its time had passed: its keys are gone. Rejects for one that is not there. */
  async expireLease(id: LeaseID): Promise<void> {
    this.#mustBeOpen("expireLease");
    if (typeof id !== "bigint")
      throw new TypeError(`expireLease: a lease's ID is a bigint, not ${id}`);
    const body = LeaseRevokeRequest.encode(LeaseRevokeRequest.create({ ID: id }));
    await this.#universe.inside(this.#running("expireLease"), (server) =>
      server.propose(RaftField.leaseRevoke, body),
    );
  }

  /** Compacts up to this revision, the present one by default, and settles when that is done. */
  async compactNow(revision?: Revision): Promise<void> {
    this.#mustBeOpen("compactNow");
    if (revision !== undefined && !isWhole(revision)) {
      throw new TypeError(`compactNow: a revision is a whole number, not ${revision}`);
    }
    const member = this.#running("compactNow");
    const upTo = revision ?? member.server?.store.currentRevision ?? 0;
    const body = CompactionRequest.encode(CompactionRequest.create({ revision: upTo }));
    await this.#universe.inside(member, async (server) => {
      await server.propose(RaftField.compaction, body);
      await server.compactionDone();
    });
  }

  /** The process dies; its disk stays as it is. */
  async kill(member: string | EtcdMember): Promise<void> {
    const victim = this.#named("kill", member);
    if (victim.life === undefined) throw new Error(`kill: ${victim.name} does not run`);
    victim.die();
    await this.#universe.flow.rest();
  }

  /**
   * Starts members on the disks that they have; one that runs is killed first. Settles when they
   * serve, for which a quorum must run. Without names: all that do not run.
   */
  async restart(...members: readonly (string | EtcdMember)[]): Promise<void> {
    const chosen = members.map((member) => this.#named("restart", member));
    this.#mustBeOpen("restart");
    for (const member of chosen) member.die();
    await this.#universe.start(chosen.length === 0 ? this.#universe.members : chosen);
    await this.#sockets?.bound();
  }

  /** The process stands still, until `resume`: what is sent to it waits, its timers too. */
  pause(member: string | EtcdMember): void {
    const { life, name } = this.#named("pause", member);
    if (life === undefined) throw new Error(`pause: ${name} does not run`);
    this.#universe.world.scheduler.pause(life.actor);
  }

  resume(member: string | EtcdMember): void {
    const { life, name } = this.#named("resume", member);
    if (life?.actor.isPaused !== true) throw new Error(`resume: ${name} is not paused`);
    this.#universe.world.scheduler.resume(life.actor);
  }

  /**
   * Members of different groups no longer hear each other; those that are not named form a group.
   * Clients reach all. Replaces an earlier partition.
   */
  partition(...groups: readonly (readonly (string | EtcdMember)[])[]): void {
    if (!groups.every(Array.isArray))
      throw new TypeError("partition: a group is a list of members");
    const named = groups.map((group) => group.map((each) => this.#named("partition", each)));
    const { members, world } = this.#universe;
    const groupOf = (member: Member): number => named.findIndex((group) => group.includes(member));
    world.links.openAll(world.scheduler.nowMs);
    for (const from of members) {
      for (const to of members) {
        if (groupOf(from) !== groupOf(to)) world.links.block(from.name, to.name);
      }
    }
  }

  /** Ends the partition. */
  heal(): void {
    this.#mustBeOpen("heal");
    const { world } = this.#universe;
    world.links.openAll(world.scheduler.nowMs);
  }

  /** From now on a sync of the member's disk takes about so long: half to twice; 0 is no time. */
  slowDisk(member: string | EtcdMember, sync: Duration): void {
    const syncMs = durationMs("slowDisk", sync);
    const { machine } = this.#named("slowDisk", member);
    machine.traits = { ...machine.traits, syncMs };
  }

  /**
   * Lets time pass until most members follow one that runs. Until then, writes may be lost on the
   * way to a leader that is gone, and time out. Rejects when nobody leads within 1m, or `within`.
   */
  async waitForLeader(options: WaitOptions = {}): Promise<EtcdMember> {
    this.#mustBeOpen("waitForLeader");
    checkNames("waitForLeader", options, WAIT_OPTIONS);
    const { within = "1m" } = options;
    const limitMs = durationMs("waitForLeader", within);
    const isTrue = await this.#universe.flow.until(() => this.#universe.hasLeader, limitMs);
    const { leader } = this;
    if (isTrue && leader !== undefined) return leader;
    throw new Error(`waitForLeader: nobody leads after ${within}`);
  }

  /** All that etcd holds at this moment. */
  async snapshot(): Promise<EtcdSnapshot> {
    this.#mustBeOpen("snapshot");
    return new EtcdSnapshot(await this.#universe.state());
  }

  /**
   * Goes back to what etcd held then; the clock goes on. Clients stay and connect again, their
   * watches end with an error, and leases have all of their time before them.
   */
  async restore(snapshot: EtcdSnapshot): Promise<void> {
    this.#mustBeOpen("restore");
    const { size } = this.#universe.options;
    const state = EtcdSnapshot.stateOf("restore", snapshot);
    if (snapshot.size !== size) {
      throw new TypeError(`restore: a snapshot of ${snapshot.size} members is none of ${size}`);
    }
    await this.#universe.become(state);
    await this.#sockets?.bound();
  }

  /** Another etcd that begins with what this one holds, or held when the snapshot was taken. */
  async fork(snapshot?: EtcdSnapshot): Promise<Etcd> {
    const from = snapshot ?? (await this.snapshot());
    const state = EtcdSnapshot.stateOf("fork", from);
    return Etcd.#start({ ...this.#universe.options, size: from.size }, state);
  }

  /** Empty as at the beginning, with nothing recorded and no failure waiting; the clock goes on. */
  async reset(): Promise<void> {
    this.#mustBeOpen("reset");
    await this.#universe.become(undefined);
    this.#universe.ledger.forget();
    await this.#sockets?.bound();
  }

  /** Ends clients and members. May be called repeatedly. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const client of this.#clients) client.close();
    await this.#universe.flow.rest();
    this.#universe.stop();
    await this.#sockets?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The leader, or whoever runs. */
  #running(method: string): Member {
    const { world, members } = this.#universe;
    const member = world.leader ?? members.find(({ server }) => server !== undefined);
    if (member === undefined) throw new Error(`${method}: no member runs`);
    return member;
  }

  #named(method: string, member: string | EtcdMember): Member {
    this.#mustBeOpen(method);
    const name = typeof member === "string" ? member : member?.name;
    const found = this.#universe.members.find((each) => each.name === name);
    if (found !== undefined) return found;
    const names = this.#universe.members.map((each) => each.name).join(", ");
    throw new TypeError(`${method}: no member is named "${name}"; there are ${names}`);
  }

  #look(method: string): { server: NonNullable<Universe["freshest"]> } {
    this.#mustBeOpen(method);
    const server = this.#universe.freshest;
    if (server === undefined) throw new Error(`${method}: no member runs`);
    return { server };
  }

  #mustBeOpen(method: string): void {
    if (this.#isClosed) throw new Error(`${method}: this etcd was closed`);
  }
}

function defaults(options: MemoryOptions): Omit<UniverseOptions, "size" | "latencyMs" | "syncMs"> {
  return { ...options, seed: options.seed ?? 1, listen: options.listen ?? false };
}

/** @throws RangeError for a size that is none. */
export function clusterOptions(
  where: string,
  size: number,
  options: ClusterOptions,
): UniverseOptions {
  if (!Number.isInteger(size) || size < 1 || size > MAX_TEST_MEMBERS) {
    throw new RangeError(`${where}: a cluster has 1 to ${MAX_TEST_MEMBERS} members, not ${size}`);
  }
  const { latency = 1, sync = 1 } = options;
  const latencyMs = durationMs("latency", latency);
  return { ...defaults(options), size, latencyMs, syncMs: durationMs("sync", sync) };
}

/** @throws TypeError for names that are no options, and for numbers that are none. */
export function checkOptions(
  where: string,
  options: ClusterOptions,
  known: ReadonlySet<string>,
): void {
  checkNames(where, options, known);
  const { seed = 0, quotaBytes = 0, maxTxnOps = 0, maxRequestBytes = 0 } = options;
  for (const [name, value] of Object.entries({ seed, quotaBytes, maxTxnOps, maxRequestBytes })) {
    if (!isWhole(value, name === "seed" ? undefined : 0)) {
      throw new TypeError(`${where}: ${name} is a whole number, not ${value}`);
    }
  }
}

/** @throws TypeError for what is no object, and for names that are no options. */
function checkNames(where: string, options: object, known: ReadonlySet<string>): void {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`${where}: options are an object, not ${options}`);
  }
  const problem = unknownOption(where, options, known);
  if (problem !== undefined) throw new TypeError(problem);
}

/** At least as great as `least`, if that is given. */
export function isWhole(value: unknown, least = Number.NEGATIVE_INFINITY): boolean {
  return Number.isSafeInteger(value) && (value as number) >= least;
}
