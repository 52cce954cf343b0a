/**
 * A member's end of the simulated network, for one life of it. Everything travels as bytes and as
 * events; a message to a member that has died meanwhile is lost, as its connection is.
 */
import { Message, MessageType } from "../../api/gen/raft.ts";
import type { MemberID } from "../../base/ids.ts";
import {
  type DatabaseImage,
  type HttpHandler,
  type PeerNetwork,
  type PeerNode,
  type PeerRequest,
  PeerRequestError,
  type PeerResponse,
} from "../../env/index.ts";
import { answerRequest } from "./http-exchange.ts";
import type { Links } from "./links.ts";
import type { MemberClock } from "./member-clock.ts";
import type { Actor, Scheduler } from "./scheduler.ts";
import { SnapshotTransfer } from "./snapshot-transfer.ts";
import type { Trace } from "./trace.ts";

/** Where members find each other: by peer URL, the life that runs now. */
export interface Directory {
  find(peerURL: string): MemberNetwork | undefined;
}

const DIAL_RETRY_MS = 500;
const REPEAT_MS = 300;

export interface MemberNetworkOptions {
  readonly name: string;
  /** Where the others find this member. */
  readonly url: string;
  readonly actor: Actor;
  readonly clock: MemberClock;
  readonly scheduler: Scheduler;
  readonly links: Links;
  readonly directory: Directory;
  readonly trace: Trace;
  readonly snapshotChunkBytes: number;
  /** The machine or the process has gone: nothing leaves any more. */
  readonly isDead: () => boolean;
  readonly onSnapshotSent: () => void;
}

export class MemberNetwork implements PeerNetwork {
  readonly options: MemberNetworkOptions;
  readonly #peers = new Map<MemberID, string>();
  #node: PeerNode | undefined;
  /** Of databases on their way to others. */
  readonly #images = new Set<DatabaseImage>();
  #startedMs = 0;
  #isStopped = false;
  /** Answers what other members ask over HTTP. */
  http: HttpHandler | undefined;

  constructor(options: MemberNetworkOptions) {
    this.options = options;
  }

  /** Undefined while messages cannot be delivered. */
  get node(): PeerNode | undefined {
    return this.#isStopped || this.options.isDead() ? undefined : this.#node;
  }

  get startedMs(): number {
    return this.#startedMs;
  }

  start(node: PeerNode): void {
    this.#node = node;
    this.#startedMs = this.options.scheduler.nowMs;
  }

  addPeer(id: MemberID, peerURLs: readonly string[]): void {
    if (this.#peers.has(id)) return;
    this.#peers.set(id, peerURLs[0] ?? "");
    this.#dial(id);
  }

  addRemote(id: MemberID, peerURLs: readonly string[]): void {
    if (!this.#peers.has(id)) this.#peers.set(id, peerURLs[0] ?? "");
  }

  /** Until it is answered once. A member that was removed is told so. */
  #dial(id: MemberID): void {
    const { scheduler, links, name, actor } = this.options;
    scheduler.at(links.latencyMs() * 2, "dial", actor, () => {
      const node = this.node;
      const target = this.options.directory.find(this.#peers.get(id) ?? "");
      if (node === undefined || !this.#peers.has(id)) return;
      const isAnswered =
        target?.node !== undefined && links.openSinceMs(name, target.options.name) !== undefined;
      if (!isAnswered) scheduler.at(DIAL_RETRY_MS, "dial", actor, () => this.#dial(id));
      else if (target?.node?.isRemoved(node.memberID) === true) node.reportRemovedSelf();
    });
  }

  updatePeer(id: MemberID, peerURLs: readonly string[]): void {
    this.#peers.set(id, peerURLs[0] ?? "");
  }

  removePeer(id: MemberID): void {
    this.#peers.delete(id);
  }

  send(messages: readonly Message[]): void {
    if (this.node === undefined) return;
    for (const message of messages) this.#send(message);
  }

  #send(message: Message): void {
    const { scheduler, links, name, trace, actor } = this.options;
    const url = this.#peers.get(message.to);
    // Not always `message.from`: members pass on what others ask of the leader.
    const sender = this.#node?.memberID;
    if (url === undefined || sender === undefined) return;
    const target = this.options.directory.find(url);
    if (target?.node === undefined) {
      this.#unreachable(message.to);
      return;
    }
    const bytes = Message.encode(message);
    trace.bytes(bytes);
    const toName = target.options.name;
    if (!links.isOpen(name, toName)) this.#unreachable(message.to);
    const delaysMs = links.delivery(name, toName, scheduler.nowMs);
    // No connection delivers a proposal twice, and nobody behind it could tell.
    const copies = message.type === MessageType.MsgProp ? delaysMs.slice(0, 1) : delaysMs;
    for (const delayMs of copies) {
      scheduler.at(delayMs, name, target.options.actor, () => {
        const node = target.node;
        if (node === undefined || !links.isOpen(name, toName)) return;
        // Connections tell who calls, so that a member that knows nobody yet can answer.
        target.addRemote(sender, [this.options.url]);
        if (node.isRemoved(sender)) {
          scheduler.at(links.latencyMs(), toName, actor, () => this.node?.reportRemovedSelf());
        } else node.receive(Message.decode(bytes));
      });
    }
  }

  #unreachable(id: MemberID): void {
    const { scheduler, links, actor } = this.options;
    const report = () => this.node?.reportUnreachable(id);
    scheduler.at(links.latencyMs() * 2, "unreachable", actor, report);
  }

  sendSnapshot(message: Message, image: DatabaseImage): void {
    const target = this.options.directory.find(this.#peers.get(message.to) ?? "");
    const transfer = new SnapshotTransfer(this, target, message, image);
    this.#images.add(image);
    void transfer.run().then((ok) => {
      if (!this.#images.delete(image)) return;
      image.close();
      if (ok) this.options.onSnapshotSent();
      this.node?.reportSnapshot(message.to, ok);
    });
  }

  activeSinceMs(id: MemberID): number | undefined {
    const { links, name, clock } = this.options;
    const target = this.options.directory.find(this.#peers.get(id) ?? "");
    if (target?.node === undefined) return undefined;
    const openMs = links.openSinceMs(name, target.options.name);
    if (openMs === undefined) return undefined;
    return clock.ownTime(Math.max(openMs, target.startedMs, this.#startedMs));
  }

  request(request: PeerRequest): Promise<PeerResponse> {
    const { scheduler, links, name, actor, clock } = this.options;
    return new Promise((resolve, reject) => {
      const fail = (code: "unreachable" | "timeout", delayMs: number) =>
        scheduler.at(delayMs, "request", actor, () => {
          timeout.cancel();
          reject(new PeerRequestError(code, `${request.url}: ${code}`));
        });
      const timeout = clock.setTimer(request.timeoutMs, () => {
        reject(new PeerRequestError("timeout", `${request.url}: timeout`));
      });
      const target = this.options.directory.find(request.url);
      const handler = target?.http;
      if (target === undefined || handler === undefined) {
        fail("unreachable", links.latencyMs());
        return;
      }
      const toName = target.options.name;
      this.#carry(name, toName, target.options.actor, () => {
        void answerRequest(handler, request).then((response) => {
          if (target.options.isDead()) return;
          this.#carry(toName, name, actor, () => {
            timeout.cancel();
            if (response === undefined) {
              reject(new PeerRequestError("unreachable", `${request.url}: connection reset`));
            } else resolve(response);
          });
        });
      });
    });
  }

  /** As a connection does: what gets lost is sent again. */
  #carry(from: string, to: string, actor: Actor, arrive: () => void): void {
    const { scheduler, links } = this.options;
    const [delayMs] = links.delivery(from, to, scheduler.nowMs);
    if (delayMs !== undefined) scheduler.at(delayMs, from, actor, arrive);
    else {
      scheduler.at(REPEAT_MS, "repeat", undefined, () => {
        if (!this.options.isDead()) this.#carry(from, to, actor, arrive);
      });
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const image of this.#images) image.close();
    this.#images.clear();
  }
}
