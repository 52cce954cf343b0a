/** A whole cluster on fakes: one virtual clock, a disk per member, wires between them. */
import { FaultDisk, VirtualClock } from "../../env/testing/index.ts";
import type { ServerOptions } from "../index.ts";
import { PausableClock } from "./pausable-clock.ts";
import { TestMember } from "./test-member.ts";
import { TestNetwork, TestWires } from "./test-network.ts";

export class TestCluster {
  readonly clock = new VirtualClock();
  readonly members: TestMember[] = [];
  readonly #wires = new TestWires();
  readonly #names: string[];
  readonly #options: Partial<ServerOptions>;
  readonly #urls = new Map<TestMember, string>();
  readonly #clocks = new Map<TestMember, PausableClock>();

  constructor(names: readonly string[], options: Partial<ServerOptions> = {}) {
    this.#names = [...names];
    this.#options = options;
    for (const name of names) this.#make(name, "new");
  }

  get first(): TestMember {
    const [first] = this.members;
    if (first === undefined) throw new Error("no members");
    return first;
  }

  /** All serve, and know the cluster's version, without which nobody can join. */
  async start(): Promise<void> {
    await Promise.all(this.members.map((member) => member.start()));
    await this.until(() =>
      this.members.every(({ server }) => server.cluster.version !== undefined),
    );
  }

  /** Not started. `initial-cluster` names all that were added so far. */
  add(name: string, state: "new" | "existing"): TestMember {
    this.#names.push(name);
    return this.#make(name, state);
  }

  leader(): TestMember {
    const leader = this.members.find(({ server }) => server.isLeader);
    if (leader === undefined) throw new Error("nobody leads");
    return leader;
  }

  cut(member: TestMember): void {
    this.#wires.cut.add(this.#urls.get(member) ?? "");
  }

  heal(member: TestMember): void {
    this.#wires.cut.delete(this.#urls.get(member) ?? "");
  }

  /** The member's process stands still: its timers, and what others send it, wait. */
  pause(member: TestMember): void {
    this.#clocks.get(member)?.pause();
    this.#wires.hold(this.#urls.get(member) ?? "");
  }

  /** What comes first is what the machine happens to look at first. */
  resume(member: TestMember, first: "timers" | "messages"): void {
    const clock = this.#clocks.get(member);
    if (first === "timers") clock?.resume();
    this.#wires.release(this.#urls.get(member) ?? "");
    clock?.resume();
  }

  async until(condition: () => boolean): Promise<void> {
    await this.first.until(condition);
  }

  /** Lets time pass until the promise settles. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const done = () => {
      isSettled = true;
    };
    promise.then(done, done);
    await this.until(() => isSettled);
    return promise;
  }

  async put(member: TestMember, key: string, value: string): Promise<void> {
    const call = member.put(key, value);
    await this.until(() => call.answered);
    if (call.failure !== undefined) throw new Error(call.failure.message);
  }

  async stop(): Promise<void> {
    for (const member of this.members) await member.stop();
  }

  #make(name: string, state: "new" | "existing"): TestMember {
    const url = urlOf(name);
    const initialCluster = new Map(this.#names.map((one) => [one, [urlOf(one)]]));
    const network = new TestNetwork(this.#wires, url);
    const clock = new PausableClock(this.clock);
    const member = new TestMember(
      new FaultDisk(),
      { ...this.#options, name, peerURLs: [url], initialCluster, initialClusterState: state },
      { clock, network, seed: this.members.length + 1 },
    );
    member.onStarted = ({ peerApi }) => {
      network.http = peerApi;
    };
    this.#urls.set(member, url);
    this.#clocks.set(member, clock);
    this.members.push(member);
    return member;
  }
}

function urlOf(name: string): string {
  return `http://${name}:2380`;
}
