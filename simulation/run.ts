/**
 * One seed from beginning to end: a cluster comes up, clients work while faults strike, everything
 * is healed, and what clients were told and members hold is judged.
 */
import { type KVClientOptions, runKVClient } from "./clients/kv-client.ts";
import { runLeaseClient } from "./clients/lease-client.ts";
import { AuthOperator, Users } from "./clients/auth-operator.ts";
import { unanswered } from "./clients/judged-calls.ts";
import type { Login } from "./clients/login.ts";
import { MembershipOperator } from "./clients/membership-operator.ts";
import { runOperator } from "./clients/operator.ts";
import { Port } from "./clients/port.ts";
import { Recorder } from "./clients/recorder.ts";
import { Requests } from "./clients/requests.ts";
import { WatchClient } from "./clients/watch-client.ts";
import { listenToAppliers } from "./checks/applied-outcomes.ts";
import { AuthLog } from "./checks/auth-log.ts";
import { judgeHistory } from "./checks/histories.ts";
import { checkMembersAgree } from "./checks/members-agree.ts";
import { RaftInvariants } from "./checks/raft-invariants.ts";
import { type DisasterOutcome, strikeDisaster } from "./disaster.ts";
import { FAULT_KINDS, type FaultKind } from "../src/testing/faults/kinds.ts";
import { Nemesis } from "../src/testing/faults/nemesis.ts";
import { makePlan, type Plan, rootRandom } from "./plan.ts";
import { PLANTED_BUGS } from "./planted/bugs.ts";
import { MAX_WORK_SHARE } from "../src/testing/world/member-clock.ts";
import { CALM } from "../src/testing/world/links.ts";
import { peerURL } from "../src/testing/world/member-settings.ts";
import { Trace } from "../src/testing/world/trace.ts";
import { World } from "../src/testing/world/world.ts";
import type { Member } from "../src/testing/world/member.ts";
import { memberOptions } from "./member-options.ts";
import { recover } from "./recover.ts";

export interface RunOptions {
  readonly faults?: readonly FaultKind[] | undefined;
  /** Name of a bug to run with. */
  readonly planted?: string | undefined;
  /** Receives a line for each event and log line. */
  readonly lines?: string[] | undefined;
}

export interface RunReport {
  readonly plan: Plan;
  readonly digest: string;
  readonly violations: readonly string[];
  /** What could not be decided within the limits. */
  readonly undecided: readonly string[];
  readonly counts: ReadonlyMap<string, number>;
  readonly simulatedMs: number;
  readonly events: number;
  readonly operations: number;
}

/** Until a cluster that just starts serves. */
const START_LIMIT_MS = 20_000;
/** Between the last fault and the loss of the quorum. */
const MAX_CALM_MS = 1500;
/** Until requests that are under way at the end have been answered or given up. */
const LAST_ANSWERS_MS = 12_000;

const LASTING = FAULT_KINDS.filter((kind) => kind !== "disaster" && kind !== "auth");

export async function runSeed(seed: number, options: RunOptions = {}): Promise<RunReport> {
  const random = rootRandom(seed);
  // A planted bug is looked for in the life of one cluster.
  const faults = options.planted === undefined ? options.faults : (options.faults ?? LASTING);
  const plan = makePlan(seed, random.fork(), faults);
  const trace = new Trace();
  trace.lines = options.lines;
  const world = new World(trace, random.fork(), { ...CALM, latencyMs: plan.latencyMs });
  const stopListening = listenForRejections(world);
  const undoBug = plantBug(options.planted, world);
  const run = new Run(plan, world, random);
  const stopHearing = run.hear();
  try {
    return await run.run();
  } finally {
    stopHearing();
    undoBug();
    stopListening();
  }
}

function plantBug(name: string | undefined, world: World): () => void {
  if (name === undefined) return () => undefined;
  const bug = PLANTED_BUGS[name];
  if (bug === undefined) throw new Error(`no planted bug ${name}`);
  return bug.plant({
    world,
    serverOf: (part) => world.members.find(({ server }) => server?.backend === part)?.server,
  });
}

/** Errors that nobody catches belong to the member whose event is running. */
function listenForRejections(world: World): () => void {
  const caught = (error: unknown) => world.caught(error, world.scheduler.current);
  process.on("unhandledRejection", caught);
  process.on("uncaughtException", caught);
  return () => {
    process.off("unhandledRejection", caught);
    process.off("uncaughtException", caught);
  };
}

class Run {
  readonly #plan: Plan;
  readonly #world: World;
  readonly #random: ReturnType<typeof rootRandom>;
  readonly #recorder: Recorder;
  readonly #invariants: RaftInvariants;
  readonly #nemesis: Nemesis;
  readonly #watchers: WatchClient[] = [];
  #membership: MembershipOperator | undefined;
  #isOver = false;
  #faultsAreOver = false;
  #watchersAreOver = false;
  /** The history ends with reads that show the last revision. */
  #cameToRest = false;
  /** Members that were told to begin a new cluster after they had been removed. */
  readonly #cannotBegin = new Set<Member>();
  #disaster: DisasterOutcome | undefined;
  /** With authentication: who there is, and what the log says of them. */
  readonly #users: Users | undefined;
  readonly #authLog: AuthLog | undefined;
  #authOperator: AuthOperator | undefined;
  /** Clients that are not root. */
  readonly #userOf = new Map<number, string>();
  #clientsRunning = 0;
  #ports = 0;

  constructor(plan: Plan, world: World, random: ReturnType<typeof rootRandom>) {
    this.#plan = plan;
    this.#world = world;
    this.#random = random;
    this.#recorder = new Recorder(() => world.scheduler.nowMs);
    this.#invariants = new RaftInvariants((message) => world.violated(message));
    world.observer = this.#invariants;
    this.#users = plan.withAuth ? new Users() : undefined;
    this.#authLog = plan.withAuth ? new AuthLog(() => this.#recorder.time()) : undefined;
    this.#nemesis = new Nemesis({
      world,
      random: random.fork(),
      kinds: plan.faults.filter((kind) => kind !== "membership"),
      latencyMs: plan.latencyMs,
      pauseMs: plan.faultPauseMs,
      isOver: () => this.#faultsAreOver,
    });
    world.mayFail = (member, error) => this.#mayFail(member, error);
  }

  /** Users are judged by what is committed and by what members make of it. */
  hear(): () => void {
    const log = this.#authLog;
    if (log === undefined) return () => undefined;
    return listenToAppliers(log, () => this.#world.scheduler.current?.name ?? "somebody");
  }

  async run(): Promise<RunReport> {
    const { scheduler } = this.#world;
    this.#startMembers();
    const isUp = await scheduler.runUntil(START_LIMIT_MS, () =>
      this.#world.members.every((member) => member.isServing),
    );
    if (!isUp) this.#world.violated(`the cluster did not come up within ${START_LIMIT_MS} ms`);
    else await this.#work();
    return this.#report();
  }

  #startMembers(): void {
    const names = Array.from({ length: this.#plan.members }, (_, i) => `m${i + 1}`);
    const cluster = new Map(names.map((name) => [name, peerURL(name)]));
    for (const name of names) this.#world.start(this.#newMember(name, cluster, "new"));
  }

  #newMember(
    name: string,
    cluster: ReadonlyMap<string, string>,
    state: "new" | "existing",
  ): Member {
    const { clockDrift, looksPerStep, syncMs, stallShare } = this.#plan;
    const drift = clockDrift * (this.#random.between(-1000, 1000) / 1000);
    const clock = {
      rate: 1 + drift,
      wallOffsetMs: this.#random.between(-5000, 5000),
      looksPerStep,
    };
    const disk = { syncMs, accessMs: syncMs / 20, stallShare };
    return this.#world.add(memberOptions(this.#plan, name, cluster, state), { clock, disk });
  }

  /** Whether a member that gave up, or did not start, had a reason. */
  #mayFail(member: Member, error: Error): boolean {
    const text = describe(error);
    if (member.options.forceNewCluster && /was removed from its cluster/.test(text)) {
      this.#cannotBegin.add(member);
      return true;
    }
    if (this.#nemesis.excuses(member) && /EIO|ENOSPC|no space|input\/output/.test(text))
      return true;
    if (/permanently removed/.test(text)) {
      return this.#membership?.removals.has(member.server?.memberID ?? 0n) === true;
    }
    // Whom a joining member asks may be gone or not know of it yet; it is given the newest list.
    if (member.options.initialClusterState !== "existing" || member.hasServed) return false;
    void this.#membership?.settings(member.url).then((cluster) => {
      if (cluster === undefined) return;
      member.options = memberOptions(this.#plan, member.name, cluster, "existing");
    });
    return error.name === "BootstrapError";
  }

  #startMembershipOperator(): void {
    if (!this.#plan.faults.includes("membership")) return;
    this.#membership = new MembershipOperator({
      port: this.#port(),
      random: this.#random.fork(),
      size: this.#plan.members,
      isOver: () => this.#isOver,
      newMember: (name, cluster) => this.#newMember(name, cluster, "existing"),
    });
    this.#client(this.#membership.run());
  }

  async #work(): Promise<void> {
    const { scheduler } = this.#world;
    if (!(await this.#startAuth())) return;
    this.#startClients();
    this.#startMembershipOperator();
    void this.#nemesis.run();
    await scheduler.runUntil(scheduler.nowMs + this.#plan.durationMs);
    this.#faultsAreOver = true;
    this.#nemesis.heal();
    if (this.#plan.endsInDisaster) await this.#loseQuorum();
    this.#isOver = true;
    if (this.#disaster === "none") return;
    for (const watcher of this.#watchers) watcher.settle();
    const recovered = await recover(this.#world, this.#plan, {
      port: this.#port(),
      recorder: this.#recorder,
    });
    await scheduler.runUntil(scheduler.nowMs + LAST_ANSWERS_MS, () => this.#clientsRunning === 0);
    if (!recovered) return;
    const agreed = await checkMembersAgree(this.#world, this.#plan, {
      port: this.#port(),
      recorder: this.#recorder,
    });
    this.#cameToRest = agreed !== undefined;
    await this.#checkAllAnswered();
    if (agreed !== undefined) this.#compareUsers();
    if (agreed !== undefined) for (const watcher of this.#watchers) watcher.completeTo(agreed);
    this.#watchersAreOver = true;
  }

  /** Who has gone is answered, too: until then the call counts as one of its connection's. */
  async #checkAllAnswered(): Promise<void> {
    const { scheduler, active } = this.#world;
    const lives = active.flatMap(({ life }) => (life === undefined ? [] : [life.actor]));
    const left = () => lives.flatMap((actor) => unanswered(actor));
    await scheduler.runUntil(scheduler.nowMs + LAST_ANSWERS_MS, () => left().length === 0);
    for (const { method, calledMs, cancelled } of left()) {
      const who = cancelled ? "who has gone" : "who waits";
      this.#world.violated(`a call of method ${method} at ${calledMs} ms, ${who}, has no answer`);
    }
  }

  /** False if the users could not be made. */
  async #startAuth(): Promise<boolean> {
    const users = this.#users;
    if (users === undefined) return true;
    const { scheduler } = this.#world;
    const random = this.#random.fork();
    const operator = new AuthOperator({
      port: this.#port(),
      random,
      users,
      member: () => random.pick(this.#world.active),
      isOver: () => this.#isOver,
    });
    let isUp = false;
    void operator.setUp().then(() => {
      isUp = true;
    });
    const isInTime = await scheduler.runUntil(scheduler.nowMs + START_LIMIT_MS, () => isUp);
    if (!isInTime) this.#world.violated(`no users within ${START_LIMIT_MS} ms`);
    this.#authOperator = operator;
    this.#client(operator.run());
    return isInTime;
  }

  /** In the middle of the clients' work. */
  async #loseQuorum(): Promise<void> {
    const { scheduler } = this.#world;
    const random = this.#random.fork();
    await scheduler.runUntil(scheduler.nowMs + random.between(0, MAX_CALM_MS));
    const striking = strikeDisaster(this.#world, {
      invariants: this.#invariants,
      random,
      refused: this.#cannotBegin,
    });
    this.#isOver = true;
    this.#disaster = await striking;
    this.#world.count(`disaster ${this.#disaster}`);
  }

  #port(login: Login | undefined = this.#users?.root): Port {
    return new Port(this.#world, `${++this.#ports}`, this.#random.fork(), login);
  }

  /** Every other key-value client has few rights. */
  #loginOf(client: number): Login | undefined {
    const users = this.#users;
    if (users === undefined || client % 2 === 0) return users?.root;
    const login = users.others[((client - 1) / 2) % users.others.length];
    if (login !== undefined) this.#userOf.set(client, login.name);
    return login;
  }

  #startClients(): void {
    const { kvClients, watchClients, leaseClients, clientTimeoutMs, thinkMs } = this.#plan;
    const recorder = this.#recorder;
    const requests = new Requests(() => recorder.maxRevision, this.#plan.valueSizes);
    const isOver = () => this.#isOver;
    for (let id = 1; id <= kvClients; id++) {
      const random = this.#random.fork();
      // Some clients stay with one member, others ask anybody.
      const pinned = random.chance(0.5) ? random.below(this.#plan.members) : undefined;
      const options: KVClientOptions = {
        id,
        port: this.#port(this.#loginOf(id)),
        recorder,
        random,
        requests,
        thinkMs,
        timeoutMs: clientTimeoutMs,
        member: () =>
          pinned === undefined ? random.pick(this.#world.active) : this.#world.members[pinned],
        isOver,
      };
      this.#client(runKVClient(options));
    }
    for (let i = 0; i < leaseClients; i++) {
      const random = this.#random.fork();
      const { clockDrift } = this.#plan;
      this.#client(
        runLeaseClient({
          id: kvClients + 1 + i,
          port: this.#port(),
          recorder,
          requests,
          random,
          member: () => random.pick(this.#world.active),
          timeoutMs: clientTimeoutMs,
          maxClockRate: (1 + clockDrift) * (1 + MAX_WORK_SHARE),
          isOver,
        }),
      );
    }
    for (let i = 0; i < watchClients; i++) {
      const random = this.#random.fork();
      const watcher = new WatchClient({
        port: this.#port(),
        recorder,
        random,
        member: () => random.pick(this.#world.active),
        isOver: () => this.#watchersAreOver,
      });
      this.#watchers.push(watcher);
      void watcher.run();
    }
    const random = this.#random.fork();
    this.#client(
      runOperator({
        port: this.#port(),
        recorder,
        random,
        member: () => random.pick(this.#world.active),
        pauseMs: random.pick([
          { min: 50, max: 600 },
          { min: 500, max: 4000 },
        ]),
        isOver,
      }),
    );
  }

  #compareUsers(): void {
    for (const { name, server } of this.#world.active) {
      const difference = server === undefined ? undefined : this.#authLog?.compare(name, server);
      if (difference !== undefined) this.#world.violated(difference);
    }
  }

  #client(running: Promise<void>): void {
    this.#clientsRunning++;
    void running.then(() => this.#clientsRunning--);
  }

  #report(): RunReport {
    const world = this.#world;
    this.#recorder.closeAll();
    // What was lost with the others, clients may have been told.
    const isWhole = this.#disaster === undefined || this.#disaster === "complete";
    const undecided = isWhole
      ? judgeHistory(this.#recorder, this.#cameToRest, (message) => world.violated(message))
      : [];
    const { operations } = this.#recorder;
    const acknowledged = this.#authOperator?.acknowledged ?? [];
    const userOf = (clientID: number) => this.#userOf.get(clientID);
    this.#authLog?.judge({ acknowledged, operations, userOf }, (message) =>
      world.violated(message),
    );
    world.counts.set("leader change", this.#invariants.leaderChanges);
    return {
      plan: this.#plan,
      digest: world.trace.digest,
      violations: world.violations,
      undecided,
      counts: world.counts,
      simulatedMs: world.scheduler.nowMs,
      events: world.scheduler.count,
      operations: this.#recorder.operations.length,
    };
  }
}

function describe(error: Error): string {
  const cause = error.cause instanceof Error ? describe(error.cause) : "";
  return `${error.name} ${error.message} ${"code" in error ? String(error.code) : ""} ${cause}`;
}
