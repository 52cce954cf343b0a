/**
 * One member of a simulated cluster: node, log, storage work that takes time, and a state machine
 * that is only a digest. Knows what a crash loses: everything in memory, writes still queued, and a
 * commit index that was never synced.
 */
import type { ConfState, Entry, HardState, Message, Snapshot } from "../../api/gen/raft.ts";
import { bytesFromUtf8, utf8FromBytes } from "../../base/bytes.ts";
import type { Index, MemberID } from "../../base/ids.ts";
import { confChangeOf } from "../confchange/conf-change.ts";
import { snapshotIndex, snapshotTerm } from "../log-unstable.ts";
import { type BasicStatus, RawNode } from "../raw-node.ts";
import { emptyConfState, MemoryStorage, newSnapshot } from "../storage.ts";
import { APPEND_THREAD, APPLY_THREAD, type RaftConfig, type Ready } from "../types.ts";
import type { SafetyChecker } from "./safety-checker.ts";
import type { SeededRandom } from "./seeded-random.ts";

export type MemberOptions = Partial<
  Omit<RaftConfig, "id" | "storage" | "applied" | "random" | "logger">
>;

const SILENT = { enabled: () => false, debug() {}, info() {}, warning() {}, error() {} };

/** Keeps the snapshot that a restart begins with; to others it sends what is applied now. */
class MemberStorage extends MemoryStorage {
  readonly #fresh: () => Snapshot;

  constructor(fresh: () => Snapshot) {
    super();
    this.#fresh = fresh;
  }

  override snapshot(): Snapshot {
    return this.#fresh();
  }
}

export class ClusterMember {
  readonly id: MemberID;
  readonly storage = new MemberStorage(() => this.#currentSnapshot());
  readonly #options: MemberOptions;
  readonly #checker: SafetyChecker;
  readonly #random: SeededRandom;
  readonly #send: (message: Message) => void;
  #node: RawNode;
  /** The hard state that a crash leaves. */
  #durable: HardState = { term: 0, vote: 0n, commit: 0 };
  /** Of so many chances to write, one is taken. */
  readonly #diskDelay: number;
  #appendWork: Message[] = [];
  #applyWork: Message[] = [];
  /** The snapshot on disk; index 0 for none. */
  #stored: Snapshot = newSnapshot(0, 0, emptyConfState(), digestBytes(0));
  #applied: Index = 0;
  #digest = 0;
  #confState: ConfState;

  constructor(
    id: MemberID,
    voters: readonly MemberID[],
    options: MemberOptions,
    checker: SafetyChecker,
    random: SeededRandom,
    send: (message: Message) => void,
  ) {
    this.id = id;
    this.#options = options;
    this.#checker = checker;
    this.#random = random;
    this.#send = send;
    this.#diskDelay = random.pick([1, 2, 30]);
    // Members that are not in the group yet start with nothing and learn of it from the leader.
    const isVoter = voters.includes(id);
    this.#confState = { ...emptyConfState(), voters: isVoter ? [...voters] : [] };
    if (isVoter) {
      this.#stored = newSnapshot(1, 1, this.#confState, digestBytes(0));
      this.storage.applySnapshot(this.#stored);
      this.#durable = { term: 1, vote: 0n, commit: 1 };
      this.storage.setHardState(this.#durable);
    }
    this.#node = this.#start();
  }

  status(): BasicStatus {
    return this.#node.basicStatus();
  }

  get node(): RawNode {
    return this.#node;
  }

  /** Does something to the node and looks at what became of it. */
  act(action: (node: RawNode) => void): void {
    action(this.#node);
    this.#checker.observe(this.id, this.#node);
  }

  step(message: Message): void {
    this.act((node) => node.step(message));
  }

  /** Does one piece of the work that is due. Returns whether there was any. */
  workOnce(): boolean {
    if (this.#appendWork.length > 0 && this.#random.oneIn(this.#diskDelay)) this.#persistWork();
    else if (this.#applyWork.length > 0 && this.#random.oneIn(2)) this.#applyOneWork();
    else if (this.#node.hasReady()) this.#handle(this.#node.ready());
    else return this.#appendWork.length > 0 || this.#applyWork.length > 0;
    this.#checker.observe(this.id, this.#node);
    return true;
  }

  workAll(): boolean {
    let worked = false;
    while (this.workOnce()) worked = true;
    return worked;
  }

  /** Loses what a power failure loses, and starts again. */
  crash(): void {
    // The commit index is synced only along with something else, so an old one may come back. A
    // snapshot is synced for itself, and proves that what it covers was committed.
    const { term, vote, commit } = this.#durable;
    const floor = Math.max(commit, snapshotIndex(this.#stored));
    this.storage.setHardState({ term, vote, commit: floor });
    this.#node = this.#start();
  }

  /** Makes a snapshot of the applied state and drops the log up to somewhere before it. */
  compact(): void {
    const first = this.storage.firstIndex();
    const last = Math.min(this.#applied, this.storage.lastIndex());
    if (last < first || this.#applied > this.storage.lastIndex()) return;
    if (snapshotIndex(this.#stored) >= this.#applied) return;
    const digest = digestBytes(this.#digest);
    this.#stored = this.storage.createSnapshot(this.#applied, this.#confState, digest);
    this.storage.compact(first + this.#random.below(last - first + 1));
  }

  #start(): RawNode {
    this.#appendWork = [];
    this.#applyWork = [];
    this.#restore();
    return new RawNode({
      electionTicks: 10,
      heartbeatTicks: 1,
      maxSizePerMsgBytes: 1 << 20,
      maxInflightMsgs: 256,
      ...this.#options,
      id: this.id,
      storage: this.storage,
      applied: this.#applied,
      random: this.#random,
      logger: SILENT,
    });
  }

  /** Takes the state machine from the stored snapshot. */
  #restore(): void {
    const snapshot = this.#stored;
    if (snapshotIndex(snapshot) === 0) return;
    this.#applied = snapshotIndex(snapshot);
    this.#digest = Number(utf8FromBytes(snapshot.data));
    this.#confState = snapshot.metadata?.confState ?? emptyConfState();
    this.#checker.restored(this.#applied, snapshotTerm(snapshot), this.#digest);
  }

  #currentSnapshot(): Snapshot {
    const term = this.storage.term(this.#applied) ?? 0;
    return newSnapshot(this.#applied, term, this.#confState, digestBytes(this.#digest));
  }

  #handle(ready: Ready): void {
    for (const { index, requestContext } of ready.readStates) {
      this.#checker.readAnswered(utf8FromBytes(requestContext), index);
    }
    if (this.#options.asyncStorageWrites === true) {
      for (const message of ready.messages) this.#dispatch(message);
      return;
    }
    const hardState = ready.hardState ?? { term: 0, vote: 0n, commit: 0 };
    this.#persist(hardState, ready.snapshot, ready.entries, ready.mustSync);
    for (const message of ready.messages) this.#dispatch(message);
    this.#apply(ready.committedEntries);
    this.#node.advance();
  }

  #dispatch(message: Message): void {
    if (message.to === APPEND_THREAD) this.#appendWork.push(message);
    else if (message.to === APPLY_THREAD) this.#applyWork.push(message);
    else if (message.to === this.id) this.#node.step(message);
    else this.#send(message);
  }

  #persistWork(): void {
    const work = this.#appendWork.shift() as Message;
    const { term, vote, commit, snapshot, entries, responses } = work;
    this.#persist({ term, vote, commit }, snapshot, entries, responses.length > 0);
    for (const response of responses) this.#dispatch(response);
  }

  #applyOneWork(): void {
    const work = this.#applyWork.shift() as Message;
    this.#apply(work.entries);
    for (const response of work.responses) this.#dispatch(response);
  }

  #persist(
    hardState: HardState,
    snapshot: Message["snapshot"],
    entries: readonly Entry[],
    sync: boolean,
  ): void {
    if (hardState.term !== 0 || hardState.vote !== 0n || hardState.commit !== 0) {
      this.storage.setHardState(hardState);
    }
    if (snapshot !== undefined && snapshotIndex(snapshot) !== 0) {
      this.#stored = snapshot;
      this.storage.applySnapshot(snapshot);
      this.#restore();
    }
    const first = entries[0];
    if (first !== undefined) {
      this.#checker.appended(entries, this.storage.term(first.index - 1));
      this.storage.append(entries);
    }
    if (sync) this.#durable = this.storage.initialState().hardState;
  }

  #apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      // A snapshot that was persisted meanwhile holds the effect of these already.
      if (entry.index <= this.#applied) continue;
      this.#digest = this.#checker.applied(entry, this.#digest);
      this.#applied = entry.index;
      const change = confChangeOf(entry);
      if (change !== undefined) this.#confState = this.#node.applyConfChange(change, entry.index);
    }
  }
}

function digestBytes(digest: number): Uint8Array {
  return bytesFromUtf8(String(digest));
}
