/**
 * A group of members in one process with a hostile network and hostile disks, driven by one seed:
 * messages are lost, repeated, reordered and cut off by partitions; members crash and come back
 * with what was durable. Every message crosses the wire format. Every event is watched by a
 * SafetyChecker.
 */
import { Message, MessageType } from "../../api/gen/raft.ts";
import { bytesFromUtf8 } from "../../base/bytes.ts";
import type { MemberID } from "../../base/ids.ts";
import { newEntry } from "../messages.ts";
import { ClusterMember, type MemberOptions } from "./cluster-member.ts";
import { SafetyChecker } from "./safety-checker.ts";
import { SeededRandom } from "./seeded-random.ts";

export interface ClusterOptions extends MemberOptions {
  /** Members that exist; the first `voters` of them form the group at the start. */
  readonly members: number;
  readonly voters: number;
  /** Of 100 messages, how many are lost and how many delivered twice. */
  readonly lossPercent: number;
  readonly duplicatePercent: number;
}

/** More would only hide work behind a backlog that a real network would have dropped. */
const MAX_MESSAGES_UNDER_WAY = 400;

export class Cluster {
  readonly members: ClusterMember[];
  readonly checker = new SafetyChecker();
  readonly random: SeededRandom;
  readonly #options: ClusterOptions;
  #messages: Uint8Array[] = [];
  /** Members in different parts do not hear each other. */
  #parts = new Map<MemberID, number>();
  #faulty = true;
  #counter = 0;

  constructor(seed: number, options: ClusterOptions) {
    this.random = new SeededRandom(seed);
    this.#options = options;
    const ids = Array.from({ length: options.members }, (_, i) => BigInt(i + 1));
    const voters = ids.slice(0, options.voters);
    this.checker.start(1, 1);
    this.members = ids.map(
      (id) =>
        new ClusterMember(id, voters, options, this.checker, this.random, (m) => this.#send(m)),
    );
  }

  /** The leader of the highest term, if there is any. */
  leader(): ClusterMember | undefined {
    let best: ClusterMember | undefined;
    for (const member of this.members) {
      const { state, term } = member.status();
      if (state !== "StateLeader") continue;
      if (best === undefined || best.status().term < term) best = member;
    }
    return best;
  }

  deliverOne(): void {
    if (this.#messages.length === 0) return;
    const at = this.random.below(this.#messages.length);
    const [bytes] = this.#messages.splice(at, 1) as [Uint8Array];
    const message = Message.decode(bytes);
    if (this.#faulty && this.random.below(100) < this.#options.duplicatePercent) {
      this.#messages.push(bytes);
    }
    const from = this.#parts.get(message.from) ?? 0;
    const to = this.#parts.get(message.to) ?? 0;
    if (from !== to) return;
    this.#member(message.to)?.step(message);
  }

  propose(member: ClusterMember): void {
    const data = `p${this.#counter++}${"x".repeat(this.random.below(20))}`;
    member.act((node) => node.propose([newEntry(0, bytesFromUtf8(data))]));
  }

  read(member: ClusterMember): void {
    const context = `r${this.#counter++}`;
    this.checker.readStarted(context);
    member.act((node) => node.readIndex(bytesFromUtf8(context)));
  }

  /** Splits the members at random, or joins them again. */
  partition(): void {
    const parts = this.random.oneIn(3) ? 1 : 2;
    for (const { id } of this.members) this.#parts.set(id, this.random.below(parts));
  }

  /** From now on the network and the disks do what they should. */
  heal(): void {
    this.#faulty = false;
    this.#parts.clear();
  }

  /** Delivers and works until nothing is left but time. */
  settle(): void {
    for (let worked = true; worked; ) {
      worked = this.#messages.length > 0;
      while (this.#messages.length > 0) this.deliverOne();
      for (const member of this.members) worked = member.workAll() || worked;
    }
  }

  #member(id: MemberID): ClusterMember | undefined {
    return this.members[Number(id) - 1];
  }

  #send(message: Message): void {
    // The transport knows whether a snapshot was delivered; half of the reports are late or wrong.
    if (message.type === MessageType.MsgSnap) {
      const ok = !this.#faulty || this.random.oneIn(2);
      this.#member(message.from)?.act((node) => node.reportSnapshot(message.to, ok));
    }
    if (this.#faulty) {
      if (this.random.below(100) < this.#options.lossPercent) return;
      if (this.#messages.length > MAX_MESSAGES_UNDER_WAY) return;
    }
    this.#messages.push(Message.encode(message));
  }
}
