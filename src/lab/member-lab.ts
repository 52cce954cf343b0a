/**
 * The member's end of the lab: takes the launcher's faults, and reports what raft does. Made only
 * for members that a launcher started.
 *
 * What happened waits in a ring until the launcher has read the report before; a launcher that does
 * not read costs events, which are counted, and no memory.
 */
import { type Message, MessageType } from "../api/gen/raft.ts";
import { formatID } from "../base/ids.ts";
import type { Clock, Timer } from "../env/clock.ts";
import type { PeerNetwork } from "../env/peers.ts";
import type { RawNode, Ready, RoleName } from "../raft/index.ts";
import { EventRing } from "./event-ring.ts";
import { FaultyNetwork, type Passing } from "./faulty-network.ts";
import {
  type Faults,
  type LabReport,
  type LabTime,
  type MemberView,
  parseOrder,
  type RaftEvent,
  type Role,
} from "./lab-protocol.ts";

/** What happens between two reports of a busy member; older events give way. */
const MAX_HELD_EVENTS = 2000;
const REPORT_INTERVAL_MS = 100;

/** The way to the launcher. */
export interface LabChannel {
  /** `done` is called when the launcher has taken it, or never will. */
  send(report: LabReport, done: () => void): void;
  /** Calls back for everything that the launcher says. */
  onMessage(listener: (message: unknown) => void): void;
  monotonicMs(): LabTime;
  readonly faults: Faults;
}

const ROLES: Readonly<Record<RoleName, Role>> = {
  StateFollower: "follower",
  StatePreCandidate: "pre-candidate",
  StateCandidate: "candidate",
  StateLeader: "leader",
};

const TYPE_NAMES: ReadonlyMap<MessageType, string> = new Map(
  Object.entries(MessageType).map(([name, value]) => [value, name.replace(/^Msg/, "")]),
);

export class MemberLab {
  readonly #channel: LabChannel;
  readonly #clock: Clock;
  readonly #ring = new EventRing<RaftEvent>(MAX_HELD_EVENTS);
  #faults: Faults;
  #network: FaultyNetwork | undefined;
  #node: RawNode | undefined;
  #state: Omit<Extract<RaftEvent, { kind: "state" }>, "kind" | "atMs"> | undefined;
  #timer: Timer | undefined;
  #commit = 0;
  #isSending = false;
  #lastReport = "";

  constructor(channel: LabChannel, clock: Clock) {
    this.#channel = channel;
    this.#clock = clock;
    this.#faults = channel.faults;
    channel.onMessage((message) => {
      const faults = parseOrder(message);
      if (faults === undefined) return;
      this.#faults = faults;
      this.#network?.setFaults(faults);
    });
  }

  /** The same network, with the launcher's faults. */
  faulty(network: PeerNetwork): PeerNetwork {
    const observe = (passing: Passing, message: Message): void => this.#passed(passing, message);
    this.#network = new FaultyNetwork(network, this.#clock, observe);
    this.#network.setFaults(this.#faults);
    return this.#network;
  }

  /** Sees each `Ready` before it is carried out. */
  observe(ready: Ready, node: RawNode): void {
    this.#node = node;
    const atMs = this.#channel.monotonicMs();
    if (ready.snapshot !== undefined) {
      this.#ring.push({ kind: "snapshot", atMs, index: ready.snapshot.metadata.index });
    }
    if (ready.softState === undefined && ready.hardState === undefined) return;
    const { commit } = node.basicStatus();
    const { role, term, leader, vote } = viewOf(node);
    const old = this.#state;
    const isNews =
      old?.role !== role || old.term !== term || old.leader !== leader || old.vote !== vote;
    if (isNews) {
      this.#state = { role, term, leader, vote };
      this.#ring.push({ kind: "state", atMs, ...this.#state });
    }
    if (commit > this.#commit) this.#ring.push({ kind: "commit", atMs, index: commit });
    this.#commit = commit;
  }

  start(node: RawNode): void {
    this.#node = node;
    this.#timer = this.#clock.setTimer(REPORT_INTERVAL_MS, () => {
      this.#report();
      this.start(node);
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#report();
  }

  #report(): void {
    if (this.#isSending || this.#node === undefined) return;
    const view = viewOf(this.#node);
    const text = JSON.stringify(view);
    if (this.#ring.isEmpty && text === this.#lastReport) return;
    this.#lastReport = text;
    this.#isSending = true;
    this.#channel.send({ lab: "report", view, ...this.#ring.take() }, () => {
      this.#isSending = false;
    });
  }

  #passed(kind: Passing, message: Message): void {
    const { type, term, index, commit, entries, reject } = message;
    const isIncoming = kind === "received";
    this.#ring.push({
      kind,
      atMs: this.#channel.monotonicMs(),
      type: TYPE_NAMES.get(type) ?? String(type),
      peer: formatID(isIncoming ? message.from : message.to),
      ...{ term, index, commit, entries: entries.length, reject },
    });
  }
}

function viewOf(node: RawNode): MemberView {
  const { id, term, vote, commit, lead, state, applied } = node.basicStatus();
  const { log } = node.raft;
  return {
    id: formatID(id),
    role: ROLES[state],
    term,
    leader: formatID(lead),
    vote: formatID(vote),
    first: log.firstIndex(),
    last: log.lastIndex(),
    commit,
    applied,
  };
}
