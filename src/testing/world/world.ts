/**
 * A simulated world: members on their machines, the wires between them, one queue of events. It
 * starts members again when they have died, and collects what must not happen.
 */
import { FaultDisk, type SeededRandom } from "../../env/testing/index.ts";
import type { EtcdServer, ServerOptions } from "../../server/index.ts";
import { Links, type NetworkTraits } from "./links.ts";
import { Member, type MemberTraits } from "./member.ts";
import type { MemberNetwork } from "./member-network.ts";
import { type Actor, Scheduler } from "./scheduler.ts";
import type { Trace } from "./trace.ts";

/** Pause before a member that ended by itself is started again, as a supervisor does. */
const RESTART_DELAY_MS = 400;
/** Beyond this many violations a run says nothing new. */
const MAX_VIOLATIONS = 10;

export interface Observer {
  /** A member has recovered its data and begins to run. */
  started(member: Member, server: EtcdServer): void;
  /** After an event of the member. */
  observe(member: Member, server: EtcdServer): void;
}

export class World {
  readonly scheduler: Scheduler;
  readonly links: Links;
  readonly trace: Trace;
  readonly members: Member[] = [];
  readonly violations: string[] = [];
  /** How often each kind of thing happened. */
  readonly counts = new Map<string, number>();
  readonly directory = { find: (url: string) => this.#find(url) };
  observer: Observer | undefined;
  /** Why a member may give up or refuse to start; anything else is a violation. */
  mayFail: (member: Member, error: Error) => boolean = () => false;
  /** False while a fault keeps dead members down. */
  restartsMembers = true;
  readonly #random: SeededRandom;
  readonly #memberOf = new Map<Actor, Member>();

  constructor(trace: Trace, random: SeededRandom, network: NetworkTraits) {
    this.trace = trace;
    this.#random = random;
    this.scheduler = new Scheduler(trace, random.fork());
    this.links = new Links(network, random.fork());
    this.scheduler.afterEvent = (actor) => this.#afterEvent(actor);
    this.scheduler.onError = (error, actor) => this.caught(error, actor);
  }

  add(options: ServerOptions, traits: MemberTraits, disk = new FaultDisk()): Member {
    disk.makeDirectories("/", 0o700);
    const member = new Member(this, options, disk, traits, this.#random.fork());
    this.members.push(member);
    return member;
  }

  start(member: Member): void {
    member.start();
    if (member.life !== undefined) this.#memberOf.set(member.life.actor, member);
  }

  /** Members that are part of the cluster as far as the simulation knows. */
  get active(): Member[] {
    return this.members.filter((member) => !member.isRetired);
  }

  get leader(): Member | undefined {
    let found: Member | undefined;
    for (const member of this.members) {
      const server = member.server;
      if (server?.isLeader !== true) continue;
      if (found === undefined || server.term > (found.server?.term ?? 0)) found = member;
    }
    return found;
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  violated(message: string): void {
    if (this.violations.length < MAX_VIOLATIONS && !this.violations.includes(message)) {
      this.violations.push(message);
    }
    this.trace.line(() => `${this.scheduler.nowMs.toFixed(4)} VIOLATION ${message}`);
  }

  /** Also called for rejections that nobody heard. */
  caught(error: unknown, actor: Actor | undefined): void {
    const member = actor === undefined ? undefined : this.#memberOf.get(actor);
    // What a member does while its machine dies has no meaning.
    if (actor?.isAlive === false || member?.machine.disk.crashed === true) return;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.violated(`thrown in ${actor?.name ?? "the simulation"}: ${text}`);
  }

  started(member: Member, server: EtcdServer): void {
    this.count("start");
    this.observer?.started(member, server);
  }

  /** The server says that it cannot go on. */
  memberFailed(member: Member, error: Error): void {
    this.trace.line(() => `${member.name} failed: ${error.stack ?? error.message}`);
    if (!this.mayFail(member, error)) {
      this.violated(`${member.name} gave up: ${error.stack ?? error.message}`);
    }
    this.onFailure(member);
    this.restartLater(member);
  }

  startFailed(member: Member, error: unknown): void {
    const failure = error instanceof Error ? error : new Error(String(error));
    this.trace.line(() => `${member.name} start failed: ${failure.stack ?? failure.message}`);
    if (!this.mayFail(member, failure)) {
      this.violated(`${member.name} refused to start: ${failure.stack ?? failure.message}`);
    }
    this.onFailure(member);
    this.restartLater(member);
  }

  restartLater(member: Member, delayMs: number = RESTART_DELAY_MS): void {
    this.scheduler.at(delayMs, "restart", undefined, () => {
      if (member.life !== undefined || member.isRetired) return;
      if (this.restartsMembers) this.start(member);
    });
  }

  #find(url: string): MemberNetwork | undefined {
    const life = this.members.find((member) => member.url === url)?.life;
    return life?.actor.isAlive === true ? life.network : undefined;
  }

  #afterEvent(actor: Actor | undefined): void {
    if (actor === undefined) return;
    const member = this.#memberOf.get(actor);
    if (member?.life?.actor !== actor) {
      this.#memberOf.delete(actor);
      return;
    }
    if (member.machine.disk.crashed) {
      this.onCrashPoint(member);
      return;
    }
    const { server } = member.life;
    try {
      if (server !== undefined) this.observer?.observe(member, server);
    } catch (error) {
      this.caught(error, actor);
    }
  }

  /** The server has ended by itself. */
  onFailure: (member: Member) => void = (member) => member.die();

  /** The moment at which a fault wanted the machine to die has come. */
  onCrashPoint: (member: Member) => void = (member) => member.die();
}
