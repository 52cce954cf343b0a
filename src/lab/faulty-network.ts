/**
 * A member's network with faults that a launcher sets: peers that are cut off, messages that arrive
 * late; and somebody who is told what passes. It stands between the member and its transport, so
 * that a cut works without any right over the machine's network and with TLS as without; what the
 * member meets is what a network that swallows packets does: connections stay, nothing arrives.
 *
 * Both ends of a cut are told of it, and either of them alone keeps it.
 */
import type { Message } from "../api/gen/raft.ts";
import type { MemberID } from "../base/ids.ts";
import type { Clock } from "../env/clock.ts";
import {
  type DatabaseImage,
  type PeerNetwork,
  type PeerNode,
  PeerMessageError,
  type PeerRequest,
  PeerRequestError,
  type PeerResponse,
} from "../env/peers.ts";
import { type Faults, NO_FAULTS } from "./lab-protocol.ts";

/** More messages do not wait on a slow way; what comes then is lost, as in a full queue. */
const MAX_WAITING_MESSAGES = 10_000;

export type Passing = "sent" | "received" | "lost";

export class FaultyNetwork implements PeerNetwork {
  readonly #network: PeerNetwork;
  readonly #clock: Clock;
  readonly #observe: (passing: Passing, message: Message) => void;
  readonly #urls = new Map<MemberID, readonly string[]>();
  #faults: Faults = NO_FAULTS;
  #cutOff: ReadonlySet<string> = new Set();
  #node: PeerNode | undefined;
  #waiting = 0;
  #lastDueMs = 0;
  #stopped = false;

  constructor(
    network: PeerNetwork,
    clock: Clock,
    observe: (passing: Passing, message: Message) => void,
  ) {
    this.#network = network;
    this.#clock = clock;
    this.#observe = observe;
  }

  setFaults(faults: Faults): void {
    this.#faults = faults;
    this.#cutOff = new Set(faults.cutOff);
  }

  start(node: PeerNode): void {
    this.#node = node;
    this.#network.start(this.#faultyNode(node));
  }

  addPeer(id: MemberID, peerURLs: readonly string[]): void {
    this.#urls.set(id, peerURLs);
    this.#network.addPeer(id, peerURLs);
  }

  addRemote(id: MemberID, peerURLs: readonly string[]): void {
    this.#urls.set(id, peerURLs);
    this.#network.addRemote(id, peerURLs);
  }

  updatePeer(id: MemberID, peerURLs: readonly string[]): void {
    this.#urls.set(id, peerURLs);
    this.#network.updatePeer(id, peerURLs);
  }

  removePeer(id: MemberID): void {
    this.#urls.delete(id);
    this.#network.removePeer(id);
  }

  send(messages: readonly Message[]): void {
    const arriving: Message[] = [];
    for (const message of messages) {
      if (this.#isCutOff(message.to)) this.#lose(message);
      else {
        this.#observe("sent", message);
        arriving.push(message);
      }
    }
    if (arriving.length === 0) return;
    const isLate = this.#later(arriving.length, () => this.#network.send(arriving));
    if (!isLate) for (const message of arriving) this.#reportUnreachable(message.to);
  }

  sendSnapshot(message: Message, image: DatabaseImage): void {
    if (!this.#isCutOff(message.to)) {
      this.#observe("sent", message);
      this.#later(0, () => this.#network.sendSnapshot(message, image));
      return;
    }
    this.#observe("lost", message);
    image.close();
    this.#clock.setTimer(0, () => this.#node?.reportSnapshot(message.to, false));
  }

  activeSinceMs(id: MemberID): number | undefined {
    return this.#isCutOff(id) ? undefined : this.#network.activeSinceMs(id);
  }

  request(request: PeerRequest): Promise<PeerResponse> {
    if (this.#cutOff.has(request.url)) {
      return Promise.reject(new PeerRequestError("unreachable", `${request.url} is cut off`));
    }
    return this.#network.request(request);
  }

  stop(): Promise<void> {
    this.#stopped = true;
    return this.#network.stop();
  }

  #isCutOff(id: MemberID): boolean {
    if (this.#cutOff.size === 0) return false;
    return this.#urls.get(id)?.some((url) => this.#cutOff.has(url)) === true;
  }

  #lose(message: Message): void {
    this.#observe("lost", message);
    this.#reportUnreachable(message.to);
  }

  /** `send` never calls the node back before it returns. */
  #reportUnreachable(id: MemberID): void {
    this.#clock.setTimer(0, () => {
      if (!this.#stopped) this.#node?.reportUnreachable(id);
    });
  }

  /** At once, or when the delay is over. False when too much waits already. */
  #later(messages: number, work: () => void): boolean {
    const { delayMs } = this.#faults;
    if (delayMs === 0 && this.#waiting === 0) {
      work();
      return true;
    }
    if (this.#waiting + messages > MAX_WAITING_MESSAGES) return false;
    this.#waiting += messages;
    const nowMs = this.#clock.nowMs();
    // Behind everything that waits, also when the delay has become shorter.
    this.#lastDueMs = Math.max(this.#lastDueMs, nowMs + delayMs);
    this.#clock.setTimer(this.#lastDueMs - nowMs, () => {
      this.#waiting -= messages;
      if (!this.#stopped) work();
    });
    return true;
  }

  #faultyNode(node: PeerNode): PeerNode {
    return {
      memberID: node.memberID,
      clusterID: node.clusterID,
      peerURLs: () => node.peerURLs(),
      isRemoved: (id) => node.isRemoved(id),
      clusterVersion: () => node.clusterVersion(),
      receive: (message) => this.#receive(node, message),
      receiveSnapshot: (message, database) => {
        if (this.#isCutOff(message.from)) {
          return Promise.reject(new PeerMessageError("the sender is cut off"));
        }
        this.#observe("received", message);
        return node.receiveSnapshot(message, database);
      },
      reportUnreachable: (id) => node.reportUnreachable(id),
      reportGone: (id) => {
        if (!this.#isCutOff(id)) node.reportGone(id);
      },
      reportSnapshot: (id, ok) => node.reportSnapshot(id, ok),
      reportRemovedSelf: () => node.reportRemovedSelf(),
    };
  }

  #receive(node: PeerNode, message: Message): string | undefined {
    if (this.#isCutOff(message.from)) return undefined;
    if (this.#faults.delayMs === 0 && this.#waiting === 0) {
      this.#observe("received", message);
      return node.receive(message);
    }
    this.#later(1, () => {
      this.#observe("received", message);
      node.receive(message);
    });
    return undefined;
  }
}
