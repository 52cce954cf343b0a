/** The network of a member that is alone: nobody is there, and nobody asks. */
import type { Message } from "../../api/gen/raft.ts";
import type { MemberID } from "../../base/ids.ts";
import {
  type DatabaseImage,
  type PeerNetwork,
  type PeerNode,
  PeerRequestError,
  type PeerResponse,
} from "../peers.ts";

export class NoPeers implements PeerNetwork {
  #node: PeerNode | undefined;

  start(node: PeerNode): void {
    this.#node = node;
  }

  addPeer(): void {}
  addRemote(): void {}
  updatePeer(): void {}
  removePeer(): void {}

  send(messages: readonly Message[]): void {
    for (const { to } of messages) this.#node?.reportUnreachable(to);
  }

  sendSnapshot(message: Message, image: DatabaseImage): void {
    image.close();
    this.#node?.reportSnapshot(message.to, false);
  }

  activeSinceMs(_id: MemberID): number | undefined {
    return undefined;
  }

  request(): Promise<PeerResponse> {
    return Promise.reject(new PeerRequestError("unreachable", "connection refused"));
  }

  async stop(): Promise<void> {}
}
