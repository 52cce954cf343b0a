/** A member of a transcript's group: node, log in memory, storage work, and applied history. */
import type { Entry, HardState, Message, Snapshot } from "../../api/gen/raft.ts";
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { confChangeOf } from "../confchange/conf-change.ts";
import { snapshotIndex } from "../log-unstable.ts";
import { RawNode } from "../raw-node.ts";
import { emptyConfState, MemoryStorage, newSnapshot } from "../storage.ts";
import type { RaftConfig } from "../types.ts";

export class InteractionNode {
  readonly node: RawNode;
  readonly config: RaftConfig;
  readonly storage: HistoryStorage;
  /** MsgStorageAppend messages that wait. */
  readonly appendWork: Message[] = [];
  /** MsgStorageApply messages that wait. */
  readonly applyWork: Message[] = [];

  constructor(options: Omit<RaftConfig, "storage">, snapshot: Snapshot) {
    this.storage = new HistoryStorage(snapshot);
    this.config = { ...options, storage: this.storage };
    this.node = new RawNode(this.config);
  }

  persist(hardState: HardState, entries: readonly Entry[], snapshot: Snapshot | undefined): void {
    if (hardState.term !== 0 || hardState.vote !== 0n || hardState.commit !== 0) {
      this.storage.setHardState(hardState);
    }
    if (snapshot !== undefined && snapshotIndex(snapshot) !== 0) {
      this.storage.applySnapshot(snapshot);
    }
    this.storage.append(entries);
  }

  /** The state machine is the concatenation of all data; each entry makes a snapshot of it. */
  apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const last = this.storage.lastSnapshot();
      const change = confChangeOf(entry);
      const confState =
        change === undefined
          ? (last.metadata?.confState ?? emptyConfState())
          : this.node.applyConfChange(change);
      const update = change === undefined ? entry.data : change.context;
      const data = Buffer.concat([last.data, update]);
      this.storage.history.push(newSnapshot(entry.index, entry.term, confState, data));
    }
  }
}

/** Hands out the newest applied state as its snapshot, wherever the log was cut. */
export class HistoryStorage extends MemoryStorage {
  readonly history: Snapshot[];

  constructor(snapshot: Snapshot) {
    super();
    this.history = [snapshot];
    if (snapshotIndex(snapshot) !== 0) this.applySnapshot(snapshot);
  }

  lastSnapshot(): Snapshot {
    return this.history.at(-1) ?? newSnapshot(0, 0, emptyConfState(), EMPTY_BYTES);
  }

  override snapshot(): Snapshot {
    return this.lastSnapshot();
  }
}
