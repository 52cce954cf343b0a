/** Members of one binary as a cluster on this machine: who leads, who has caught up, what it takes. */
import { EtcdClient } from "../src/client/index.ts";
import {
  type MemberShape,
  type ProcessUsage,
  ServerProcess,
  type ServerUnderTest,
} from "./server-process.ts";
import { freePorts } from "../src/base/testing/free-ports.ts";

const POLL_MS = 5;
const SETTLE_TIMEOUT_MS = 120_000;
/** Longer than an election takes, so that a silent member is asked again in time. */
const STATUS_TIMEOUT_MS = 5000;

export interface MemberStatus {
  readonly memberID: bigint;
  /** 0 when it knows none. */
  readonly leaderID: bigint;
  readonly appliedIndex: number;
}

export class ServerCluster {
  readonly members: readonly ServerProcess[];

  private constructor(members: readonly ServerProcess[]) {
    this.members = members;
  }

  /** Chooses ports and makes directories; starts nothing. */
  static async prepare(
    server: ServerUnderTest,
    root: string,
    size: number,
    flags: readonly string[],
  ): Promise<ServerCluster> {
    const ports = await freePorts(size * 2);
    const places = Array.from({ length: size }, (_, i) => ({
      name: `m${i}`,
      clientPort: ports[2 * i] ?? 0,
      peerPort: ports[2 * i + 1] ?? 0,
    }));
    const initialCluster = places
      .map(({ name, peerPort }) => `${name}=http://127.0.0.1:${peerPort}`)
      .join(",");
    return new ServerCluster(
      places.map((place): ServerProcess => {
        const shape: MemberShape = { ...place, initialCluster, flags };
        return new ServerProcess(server, root, shape);
      }),
    );
  }

  get ports(): number[] {
    return this.members.map(({ port }) => port);
  }

  async start(): Promise<void> {
    await Promise.all(this.members.map((member) => member.start()));
    await this.settled();
  }

  /** Resolves when all members follow one leader and have applied the same entries. */
  async settled(): Promise<void> {
    const deadlineMs = performance.now() + SETTLE_TIMEOUT_MS;
    while (performance.now() < deadlineMs) {
      const all = await Promise.all(this.members.map((member) => statusOf(member)));
      const [first] = all;
      const isSettled =
        first !== undefined &&
        first.leaderID !== 0n &&
        all.every(
          (each) => each?.leaderID === first.leaderID && each.appliedIndex === first.appliedIndex,
        );
      if (isSettled) return;
      await pause();
    }
    throw new Error("the members of the cluster do not agree");
  }

  /** The leader, and the others. */
  async roles(): Promise<{ leader: ServerProcess; followers: ServerProcess[] }> {
    for (const leader of this.members) {
      const status = await statusOf(leader);
      if (status === undefined || status.leaderID !== status.memberID) continue;
      return { leader, followers: this.members.filter((member) => member !== leader) };
    }
    throw new Error("the cluster has no leader");
  }

  /** Of all members that run, together. */
  usage(): ProcessUsage {
    const all = this.members.filter(({ isRunning }) => isRunning).map((each) => each.usage());
    const sum = (read: (usage: ProcessUsage) => number): number =>
      all.reduce((total, usage) => total + read(usage), 0);
    return {
      residentBytes: sum(({ residentBytes }) => residentBytes),
      anonymousBytes: sum(({ anonymousBytes }) => anonymousBytes),
      fileBytes: sum(({ fileBytes }) => fileBytes),
      cpuSeconds: sum(({ cpuSeconds }) => cpuSeconds),
    };
  }

  /** The largest of the running members' values; undefined where none has the metric. */
  async metric(name: string): Promise<number | undefined> {
    const running = this.members.filter((member) => member.isRunning);
    const all = await Promise.all(running.map((member) => member.metric(name)));
    const known = all.filter((value) => value !== undefined);
    return known.length === 0 ? undefined : Math.max(...known);
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()));
  }

  removeData(): void {
    for (const member of this.members) member.removeData();
  }
}

/** Undefined when it does not answer. */
async function statusOf(member: ServerProcess): Promise<MemberStatus | undefined> {
  const endpoints = `127.0.0.1:${member.port}`;
  const client = new EtcdClient({ endpoints, requestTimeoutMs: STATUS_TIMEOUT_MS });
  try {
    const answer = await client.maintenance.status();
    return {
      memberID: answer.header?.memberId ?? 0n,
      leaderID: answer.leader,
      appliedIndex: answer.raftAppliedIndex,
    };
  } catch {
    return undefined;
  } finally {
    client.close();
  }
}

/** Resolves when the member has applied what the leader had applied a moment before. */
export async function untilCaughtUp(member: ServerProcess, leader: ServerProcess): Promise<void> {
  const deadlineMs = performance.now() + SETTLE_TIMEOUT_MS;
  while (performance.now() < deadlineMs) {
    const ahead = await statusOf(leader);
    const behind = await statusOf(member);
    if (ahead !== undefined && behind !== undefined && behind.appliedIndex >= ahead.appliedIndex) {
      return;
    }
    await pause();
  }
  throw new Error("the follower does not catch up");
}

function pause(): Promise<void> {
  return new Promise((done) => setTimeout(done, POLL_MS));
}
