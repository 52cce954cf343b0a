/** A cluster of member processes behind proxies, and questions to it past them. */
import { join } from "node:path";
import { formatID } from "../src/base/ids.ts";
import { EtcdClient } from "../src/client/index.ts";
import { Links } from "./links.ts";
import { Member } from "./member.ts";
import { MemberProxy } from "./proxy.ts";
import { freePorts } from "../src/base/testing/free-ports.ts";

/** Five times etcd's default pace, so that a short run sees many elections. */
export const HEARTBEAT_MS = 50;
export const ELECTION_MS = 500;
const POLL_MS = 20;
const ASK_TIMEOUT_MS = 1000;

export interface MemberStatus {
  readonly member: Member;
  readonly memberID: string;
  /** "" when it knows none. */
  readonly leaderID: string;
  readonly term: number;
  readonly revision: number;
}

export class Cluster implements AsyncDisposable {
  readonly links = new Links();
  readonly members: readonly Member[];
  readonly #proxies: readonly MemberProxy[];
  readonly #admins: ReadonlyMap<Member, EtcdClient>;
  readonly #names = new Map<string, string>();

  private constructor(members: readonly Member[]) {
    this.members = members;
    this.#proxies = members.map(
      (member) => new MemberProxy(this.links, member.name, (id) => this.#names.get(id)),
    );
    this.#admins = new Map(
      members.map((member) => [
        member,
        new EtcdClient({ endpoints: member.directUrl, maxAttempts: 1, backoffMs: 20 }),
      ]),
    );
  }

  /** Starts `size` members that run the binaries in turn, and waits until all serve. */
  static async start(
    binaries: readonly string[],
    size: number,
    folder: string,
    timeoutMs: number,
  ): Promise<Cluster> {
    const ports = await freePorts(size * 4);
    const portsOf = (i: number): number[] => ports.slice(i * 4, i * 4 + 4);
    const initialCluster = Array.from(
      { length: size },
      (_, i) => `m${i}=http://127.0.0.1:${portsOf(i)[3]}`,
    ).join(",");
    const members = Array.from({ length: size }, (_, i) => {
      const [clientPort = 0, clientProxyPort = 0, peerPort = 0, peerProxyPort = 0] = portsOf(i);
      return new Member({
        ...{ clientPort, clientProxyPort, peerPort, peerProxyPort, initialCluster },
        name: `m${i}`,
        binary: binaries[i % binaries.length] ?? "etcd",
        folder: join(folder, `m${i}`),
        heartbeatMs: HEARTBEAT_MS,
        electionMs: ELECTION_MS,
      });
    });
    const cluster = new Cluster(members);
    try {
      await cluster.#start(timeoutMs);
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  async #start(timeoutMs: number): Promise<void> {
    for (const [i, member] of this.members.entries()) {
      const { peerPort, peerProxyPort, clientPort, clientProxyPort } = member.options;
      await this.#proxies[i]?.listen("peers", peerProxyPort, peerPort);
      await this.#proxies[i]?.listen("clients", clientProxyPort, clientPort);
      member.start();
    }
    await this.until("all members serve", timeoutMs, async () => {
      const ended = this.members.find(({ isRunning }) => !isRunning);
      if (ended !== undefined) throw new Error(`${ended.name} ended:\n${ended.tail()}`);
      const statuses = await this.statuses();
      const leaders = new Set(statuses.map(({ leaderID }) => leaderID));
      return statuses.length === this.members.length && leaders.size === 1 && !leaders.has("");
    });
    const answer = await this.admin(this.members[0]).cluster.memberList({
      timeoutMs: ASK_TIMEOUT_MS,
    });
    for (const { ID, name } of answer.members) this.#names.set(formatID(ID), name);
    for (const proxy of this.#proxies) proxy.nameConnections();
  }

  admin(member: Member | undefined): EtcdClient {
    const client = member === undefined ? undefined : this.#admins.get(member);
    if (client === undefined) throw new Error("no such member");
    return client;
  }

  /** Of those that answer. */
  async statuses(members: readonly Member[] = this.members): Promise<MemberStatus[]> {
    const asked = members
      .filter(({ isRunning, isPaused }) => isRunning && !isPaused)
      .map(async (member): Promise<MemberStatus[]> => {
        try {
          const { maintenance } = this.admin(member);
          const status = await maintenance.status({ timeoutMs: ASK_TIMEOUT_MS });
          return [
            {
              member,
              memberID: formatID(status.header?.memberId ?? 0n),
              leaderID: status.leader === 0n ? "" : formatID(status.leader),
              term: status.raftTerm,
              revision: status.header?.revision ?? 0,
            },
          ];
        } catch {
          return [];
        }
      });
    return (await Promise.all(asked)).flat();
  }

  /** The leader that the member of the highest term names. */
  async leader(members: readonly Member[] = this.members): Promise<Member | undefined> {
    const statuses = await this.statuses(members);
    const best = statuses
      .filter(({ leaderID }) => leaderID !== "")
      .sort((a, b) => b.term - a.term)[0];
    const name = best === undefined ? undefined : this.#names.get(best.leaderID);
    return this.members.find((member) => member.name === name);
  }

  others(member: Member): Member[] {
    return this.members.filter((each) => each !== member);
  }

  /** Asks again until it is true; rejects when the time is over. Returns the time it took. */
  async until(what: string, timeoutMs: number, isTrue: () => Promise<boolean>): Promise<number> {
    const startMs = performance.now();
    while (!(await isTrue())) {
      if (performance.now() - startMs > timeoutMs) {
        throw new Error(`not within ${timeoutMs} ms: ${what}`);
      }
      await pause(POLL_MS);
    }
    return performance.now() - startMs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#admins.values()) client.close();
    this.links.heal();
    await Promise.all(this.members.map((member) => member.kill()));
    await Promise.all(this.#proxies.map((proxy) => proxy.close()));
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
