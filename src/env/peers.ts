/**
 * How the members of a cluster reach each other: raft messages, whole databases, and the small
 * questions of the peers' HTTP API. The transport implements `PeerNetwork` over sockets, the
 * simulator over virtual time; the server implements `PeerNode`.
 */
import type { Message } from "../api/gen/raft.ts";
import type { ClusterID, MemberID } from "../base/ids.ts";

/** The image of a db file at one transaction. */
export interface DatabaseImage {
  readonly sizeBytes: number;
  /** Chunks of at most `chunkBytes`, together `sizeBytes`. */
  chunks(chunkBytes: number): AsyncIterable<Uint8Array>;
  close(): void;
}

/** A member as the network sees it. None of the calls may throw. */
export interface PeerNode {
  readonly memberID: MemberID;
  readonly clusterID: ClusterID;
  /** Peer URLs that this member advertises now. */
  peerURLs(): readonly string[];
  /** True for an id that was a member once: nothing it says counts any more. */
  isRemoved(id: MemberID): boolean;
  /** Version of the cluster, such as "3.6.0"; undefined before it is decided. */
  clusterVersion(): string | undefined;
  /**
   * One message of a peer. Takes ownership of its bytes. Returns why it was dropped, if it was: it
   * cannot be true, or it is a MsgSnap that is news, as only `receiveSnapshot` has the database
   * that it needs. The node has said so in its log.
   */
  receive(message: Message): string | undefined;
  /**
   * A MsgSnap with the database that belongs to it. Resolves when the database is durable and raft
   * has the message; rejects when it could not be saved, with `PeerMessageError` when the message
   * cannot be true, and then nothing has changed.
   */
  receiveSnapshot(message: Message, database: AsyncIterable<Uint8Array>): Promise<void>;
  /** A message to this peer could not be sent. */
  reportUnreachable(id: MemberID): void;
  /**
   * Nothing listens where this peer used to be: its connection has ended, and the port refuses new
   * ones. Its process is gone, or starting again.
   */
  reportGone(id: MemberID): void;
  /** The end of `PeerNetwork.sendSnapshot`. */
  reportSnapshot(id: MemberID, ok: boolean): void;
  /** A peer of the same cluster says that this member was removed from it. */
  reportRemovedSelf(): void;
}

/** A message that no member can have meant. */
export class PeerMessageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "PeerMessageError";
  }
}

/** One HTTP request to a peer URL. */
export interface PeerRequest {
  /** Scheme and authority, such as "http://127.0.0.1:2380". */
  readonly url: string;
  readonly method: "GET" | "POST";
  readonly path: string;
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** From the call to the last byte of the answer. */
  readonly timeoutMs: number;
  /** A longer answer is refused. */
  readonly limitBytes: number;
}

export interface PeerResponse {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** The peer could not be reached, did not answer in time, or answered too much. */
export class PeerRequestError extends Error {
  readonly code: "unreachable" | "timeout" | "tooLarge";
  constructor(code: "unreachable" | "timeout" | "tooLarge", message: string) {
    super(message);
    this.name = "PeerRequestError";
    this.code = code;
  }
}

export interface PeerNetwork {
  /** From now on messages flow, in both directions. Once. */
  start(node: PeerNode): void;
  /** Connects to a member. Does nothing for a peer that is known already. */
  addPeer(id: MemberID, peerURLs: readonly string[]): void;
  /**
   * Somebody who may be talked to but is no member as far as this one knows: a joining member talks
   * to those who answered it, until it learns of them as peers from the log.
   */
  addRemote(id: MemberID, peerURLs: readonly string[]): void;
  updatePeer(id: MemberID, peerURLs: readonly string[]): void;
  removePeer(id: MemberID): void;
  /**
   * Queues messages to peers; never blocks. To one peer, MsgApps keep their order among each other
   * and so do all other kinds, but the two overtake each other, and while connections come and go
   * anything may overtake anything. Nothing arrives twice. What cannot be queued, or was under way
   * when a connection broke, is lost and reported as unreachable, though some of it may have arrived.
   * Messages with `to` 0 or to unknown peers are dropped. Never a MsgSnap.
   */
  send(messages: readonly Message[]): void;
  /** Sends a MsgSnap with its database; closes the image and calls `reportSnapshot` at the end. */
  sendSnapshot(message: Message, image: DatabaseImage): void;
  /** `Clock.nowMs` since which the peer answers; undefined while it does not, or is unknown. */
  activeSinceMs(id: MemberID): number | undefined;
  /** Works before `start` as well. Throws `PeerRequestError`. */
  request(request: PeerRequest): Promise<PeerResponse>;
  /** Ends all connections; nothing is delivered afterwards. */
  stop(): Promise<void>;
}
