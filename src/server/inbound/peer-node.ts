/**
 * The member as its peers' messages meet it: refuses what cannot be true, and hands the rest to raft,
 * once per turn all together.
 */
import { type Message, MessageType } from "../../api/gen/raft.ts";
import { type ClusterID, formatID, type Index, type MemberID } from "../../base/ids.ts";
import { PeerMessageError, type PeerNode } from "../../env/index.ts";
import type { SnapshotFiles } from "../../snap/index.ts";
import { objectionTo } from "./message-objections.ts";
import type { ServerContext } from "../context.ts";
import type { RaftLoop } from "../consensus/raft-loop.ts";
import { RefusalReport } from "./refusal-report.ts";
import type { SnapshotSender } from "../transfer/snapshot-sender.ts";

type Needs = Pick<
  ServerContext,
  "clock" | "cluster" | "clusterID" | "logger" | "memberID" | "options"
>;

export interface ServerPeerNodeOptions {
  readonly server: Needs;
  readonly raft: RaftLoop;
  readonly files: SnapshotFiles;
  /** Rejects, and removes the file, when it is not the database of the snapshot at this index. */
  readonly checkDatabase: (path: string, index: Index) => Promise<void>;
  readonly sender: SnapshotSender;
  readonly onRemovedSelf: () => void;
  readonly onGone: (id: MemberID) => void;
}

export class ServerPeerNode implements PeerNode {
  readonly memberID: MemberID;
  readonly clusterID: ClusterID;
  readonly #options: ServerPeerNodeOptions;
  readonly #refusals: RefusalReport;
  #isScheduled = false;

  constructor(options: ServerPeerNodeOptions) {
    const { clock, logger, memberID, clusterID } = options.server;
    this.#refusals = new RefusalReport(clock, logger, formatID(memberID));
    this.memberID = memberID;
    this.clusterID = clusterID;
    this.#options = options;
  }

  peerURLs(): readonly string[] {
    const { cluster, options } = this.#options.server;
    // Advertised while the membership does not name this member yet.
    return cluster.local?.peerURLs ?? options.peerURLs;
  }

  isRemoved(id: MemberID): boolean {
    return this.#options.server.cluster.isRemoved(id);
  }

  clusterVersion(): string | undefined {
    return this.#options.server.cluster.version;
  }

  receive(message: Message): string | undefined {
    const { raft } = this.#options;
    if (message.to !== this.memberID || this.isRemoved(message.from)) return undefined;
    const objection = this.#objectionTo(message);
    if (objection !== undefined) return objection;
    raft.receive(message);
    this.#processSoon();
    return undefined;
  }

  #objectionTo(message: Message): string | undefined {
    const { node } = this.#options.raft;
    let objection = objectionTo(message, node, this.#options.server.options);
    if (objection === undefined && message.type === MessageType.MsgSnap) {
      // Raft answers one that is behind what is committed here with the commit index.
      const index = message.snapshot?.metadata.index ?? 0;
      if (index > node.raft.log.committed) objection = "wrong raft message type";
    }
    if (objection !== undefined) this.#refusals.refused(message, objection);
    return objection;
  }

  async receiveSnapshot(message: Message, database: AsyncIterable<Uint8Array>): Promise<void> {
    const { files, raft, checkDatabase } = this.#options;
    const index = message.snapshot?.metadata.index ?? 0;
    const objection = objectionTo(message, raft.node, this.#options.server.options);
    if (objection !== undefined) {
      this.#refusals.refused(message, objection);
      throw new PeerMessageError(objection);
    }
    // The leader asks again; databases must not pile up behind the one that is being taken in.
    if (raft.installing) throw new Error("another database is being taken in");
    const path = await files.saveDatabase(database, index);
    // Once the log knows of the snapshot, a bad file could only stop this member.
    await checkDatabase(path, index);
    raft.receive(message);
    this.#processSoon();
  }

  reportUnreachable(id: MemberID): void {
    this.#options.raft.node.reportUnreachable(id);
    this.#processSoon();
  }

  reportGone(id: MemberID): void {
    this.#options.onGone(id);
  }

  reportSnapshot(id: MemberID, ok: boolean): void {
    this.#options.sender.ended(id, ok);
    this.#options.raft.node.reportSnapshot(id, ok);
    this.#processSoon();
  }

  reportRemovedSelf(): void {
    this.#options.onRemovedSelf();
  }

  /** Behind the chunk of messages that is being delivered. */
  #processSoon(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#options.raft.process();
    });
  }
}
