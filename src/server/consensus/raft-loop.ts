/**
 * Drives the raft core: takes what it asks for (`Ready`), gives entries to the WAL, messages to
 * the network and committed entries to the applier, and steps the answers back in.
 *
 * The core runs with asynchronous storage writes: while one batch of entries is being synced, the
 * next is collected, sent to the followers and queued behind it, and committed entries are applied
 * meanwhile. The WAL joins what waits into one write and one sync (group commit).
 *
 * A snapshot from the leader takes the place of log and state: it is made durable first, then the
 * database is switched, then raft hears of it. Meanwhile nothing is applied, and what raft wants on
 * disk behind the snapshot waits.
 *
 * Invariants:
 * - A response that raft attached to a storage write is stepped only after that write is durable.
 * - Entries are applied in log order, each once, in synchronous stretches. One whose cost is not its
 *   size is applied in slices, with a turn of the loop between them; the next entry waits for it.
 * - A snapshot is in the WAL before the entries behind it.
 * - After a failed sync nothing is acknowledged any more: `onFatal` stops the member.
 */
import { type Entry, type Message, MessageType, type Snapshot } from "../../api/gen/raft.ts";
import { formatID, type Index, type MemberID } from "../../base/ids.ts";
import { Slice, type Steps, unitsOfBytes } from "../../base/slice.ts";
import type { Clock, Logger } from "../../env/index.ts";
import {
  APPEND_THREAD,
  APPLY_THREAD,
  type MemoryStorage,
  type RawNode,
  type Ready,
  type ReadState,
  type SoftState,
} from "../../raft/index.ts";
import { type Wal, WalError } from "../../wal/index.ts";
import type { Defer, RaftObserver } from "../options.ts";

export interface RaftLoopHandlers {
  /**
   * Applies one committed entry, or gives the steps that do, which count what they cost in `slice`.
   * Must not throw for any entry that a correct member proposed.
   */
  apply(entry: Entry, slice: Slice): Steps<void> | undefined;
  /** Changes made by applying, since the start: what entries have cost. */
  changesMade(): number;
  /** After a run of entries was applied in one stretch. */
  afterApply(): void;
  /** False while the backend cannot take more; `resumeApply` is called when it can. */
  canApply(): boolean;
  readStates(states: readonly ReadState[]): void;
  softState(state: SoftState): void;
  /** Messages to other members, in order. */
  send(messages: readonly Message[]): void;
  /**
   * Entries are about to be given to the log; what it returns is called once they are durable.
   * Absent when nobody wants to know.
   */
  readonly saving?: ((entries: readonly Entry[]) => (() => void) | undefined) | undefined;
  /** Absent when nobody wants to know. */
  readonly observe?: RaftObserver | undefined;
  /** Raft has taken a proposal of another member, or cannot take it now. */
  proposalTaken(message: Message): void;
  proposalDropped(message: Message): void;
  /** Makes a snapshot durable, as a file and as a record in the WAL. Its database is on disk. */
  saveSnapshot(snapshot: Snapshot): Promise<void>;
  /** Makes the state of a durable snapshot the one that is served. */
  installSnapshot(snapshot: Snapshot): Promise<void>;
  /** The disk of the WAL has become full, or has space again. What was under way waits. */
  storageFull(full: boolean): void;
  fatal(error: Error): void;
}

/** What the loop needs of the log. */
type RaftLog = Pick<Wal, "keep" | "lastIndex" | "save" | "sync">;

interface ApplyTask {
  readonly entries: readonly Entry[];
  /** Index into `entries` of the next one to apply. */
  next: number;
  readonly responses: readonly Message[];
}

/** What one `Ready` wants on disk, and what may be said once it is there. */
interface AppendTask {
  /** Counts up: the order in which raft asked. */
  readonly sequence: number;
  readonly ready: Ready;
  readonly responses: readonly Message[];
}

/** Pause between attempts to write to a full disk. */
const STORAGE_RETRY_INTERVAL_MS = 200;

export class RaftLoop {
  readonly node: RawNode;
  readonly #id: MemberID;
  readonly #storage: MemoryStorage;
  readonly #wal: RaftLog;
  readonly #handlers: RaftLoopHandlers;
  readonly #logger: Logger;
  readonly #defer: Defer;
  readonly #clock: Clock;
  #sequence = 0;
  /** Waits for space on the disk; empty in normal operation. */
  #unsaved: AppendTask[] = [];
  /** Last index given to the WAL. It has fewer entries once it gave up a batch for lack of space. */
  #savedIndex: Index;
  readonly #applyTasks: ApplyTask[] = [];
  #processing = false;
  #applyScheduled = false;
  readonly #slice: Slice;
  /** The entry that is being applied in slices. */
  #applying: Steps<void> | undefined;
  /** Of the last entry that was applied, or is being. */
  #startedIndex: Index = 0;
  #goOnScheduled = false;
  #onApplied: (() => void)[] = [];
  #pendingSaves = 0;
  #stopped = false;
  /** A snapshot is being taken in: nothing is applied. */
  #installing = false;
  /** What raft wants on disk behind that snapshot. */
  #behindSnapshot: AppendTask[] = [];
  #onAllSaved: (() => void) | undefined;

  constructor(options: {
    readonly node: RawNode;
    readonly id: MemberID;
    readonly storage: MemoryStorage;
    readonly wal: RaftLog;
    readonly handlers: RaftLoopHandlers;
    readonly logger: Logger;
    readonly defer: Defer;
    readonly clock: Clock;
    /** Changes and entries applied before the loop lets sockets be served. */
    readonly unitsPerStretch: number;
  }) {
    this.node = options.node;
    this.#id = options.id;
    this.#storage = options.storage;
    this.#wal = options.wal;
    this.#handlers = options.handlers;
    this.#logger = options.logger;
    this.#defer = options.defer;
    this.#clock = options.clock;
    this.#slice = new Slice(options.unitsPerStretch);
    this.#savedIndex = options.wal.lastIndex;
  }

  /** True when nothing waits for the disk or the applier. */
  get idle(): boolean {
    return (
      this.#pendingSaves === 0 &&
      this.#unsaved.length === 0 &&
      this.#applyTasks.length === 0 &&
      !this.#installing
    );
  }

  /** A database from the leader is being taken in. */
  get installing(): boolean {
    return this.#installing;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Takes every `Ready` that the core has. Call after anything was put into it. */
  process(): void {
    if (this.#processing || this.#stopped) return;
    this.#processing = true;
    this.#guard(() => {
      while (!this.#stopped && this.node.hasReady()) {
        this.#handle(this.node.ready());
      }
    });
    this.#processing = false;
  }

  /**
   * Whatever is thrown here comes from an entry or a message that could not be handled. Going on
   * would skip it, and this member would differ from the others from then on.
   */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#stopped = true;
      this.#handlers.fatal(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Takes a message of another member. `process` must follow, once for all of a turn. */
  receive(message: Message): void {
    if (this.#stopped) return;
    this.#guard(() => {
      const error = this.node.step(message);
      if (message.type === MessageType.MsgProp) {
        if (error === undefined) this.#handlers.proposalTaken(message);
        else this.#handlers.proposalDropped(message);
      }
      if (error === undefined) return;
      const fields = { from: formatID(message.from), error: error.message };
      this.#logger.debug("raft refused a message", fields);
    });
  }

  /** The backend can take more entries again. */
  resumeApply(): void {
    if (this.#stopped) return;
    this.#guard(() => this.#applyNow());
    this.process();
  }

  stop(): void {
    this.#stopped = true;
    for (const resolve of this.#onApplied.splice(0)) resolve();
  }

  #handle(ready: Ready): void {
    this.#handlers.observe?.(ready, this.node);
    if (ready.softState !== undefined) this.#handlers.softState(ready.softState);
    if (ready.readStates.length > 0) this.#handlers.readStates(ready.readStates);
    const outgoing: Message[] = [];
    let append: Message | undefined;
    for (const message of ready.messages) {
      if (message.to === APPEND_THREAD) append = message;
      else if (message.to === APPLY_THREAD) {
        this.#applyTasks.push({
          entries: message.entries,
          next: 0,
          responses: message.responses,
        });
      } else outgoing.push(message);
    }
    // The others' disks are the longer way: they begin first. Then this member's, and what is applied
    // meanwhile does not hold up its sync.
    if (outgoing.length > 0) this.#handlers.send(outgoing);
    if (append !== undefined) this.#append(ready, append);
    if (ready.mustSync) this.#applyLater(queueMicrotask);
    else this.#applyNow();
  }

  #append(ready: Ready, message: Message): void {
    if (ready.snapshot !== undefined) {
      this.#storage.applySnapshot(ready.snapshot);
      const { index } = ready.snapshot.metadata;
      this.#logger.info("applied incoming Raft snapshot", { "snapshot-index": index });
    }
    if (ready.hardState !== undefined) this.#storage.setHardState(ready.hardState);
    if (ready.entries.length > 0) this.#storage.append(ready.entries);
    const task = { sequence: this.#sequence++, ready, responses: message.responses };
    this.#start(task);
  }

  #start(task: AppendTask): void {
    const { snapshot } = task.ready;
    if (this.#installing) {
      this.#behindSnapshot.push(task);
      return;
    }
    if (snapshot !== undefined) {
      this.#install(task, snapshot).catch((error: Error) => this.#handlers.fatal(error));
      return;
    }
    // A log that gave up a batch must not get what comes behind it: that would leave a gap.
    if (this.#unsaved.length > 0 || this.#wal.lastIndex !== this.#savedIndex) {
      this.#keepUnsaved(task);
    } else this.#save(task);
  }

  async #install(task: AppendTask, snapshot: Snapshot): Promise<void> {
    this.#installing = true;
    await this.#allSaved();
    if (this.#stopped) return;
    await this.#handlers.saveSnapshot(snapshot);
    // The commit index in the hard state is what makes the snapshot's record count at a restart.
    await this.#wal.save(task.ready.hardState, task.ready.entries);
    await this.#wal.sync();
    this.#savedIndex = this.#wal.lastIndex;
    await this.applied();
    if (this.#stopped) return;
    await this.#handlers.installSnapshot(snapshot);
    if (this.#stopped) return;
    this.#installing = false;
    const waiting = this.#behindSnapshot;
    this.#behindSnapshot = [];
    this.#guard(() => {
      this.#stepAll(task.responses);
      for (const next of waiting) this.#start(next);
      this.#applyNow();
    });
    this.process();
  }

  #save(task: AppendTask): void {
    const { hardState, entries, mustSync } = task.ready;
    if (!mustSync && this.#pendingSaves === 0) {
      // Everything before is durable, and a new commit index alone need not be.
      if (hardState !== undefined) this.#wal.keep(hardState);
      this.#stepAll(task.responses);
      return;
    }
    this.#pendingSaves++;
    const onDurable = this.#handlers.saving?.(entries);
    const saved = this.#wal.save(hardState, entries);
    this.#savedIndex = this.#wal.lastIndex;
    saved.then(
      () => {
        this.#pendingSaves--;
        if (this.#stopped) return;
        onDurable?.();
        this.#guard(() => this.#stepAll(task.responses));
        this.process();
        this.#wakeInstall();
      },
      (error: Error) => {
        this.#pendingSaves--;
        if (this.#stopped) return;
        if (error instanceof WalError && error.code === "no-space") this.#keepUnsaved(task);
        else this.#handlers.fatal(error);
      },
    );
  }

  /** Settles when the WAL has everything that it was given, after a full disk as well. */
  #allSaved(): Promise<void> {
    return new Promise((resolve) => {
      this.#onAllSaved = resolve;
      this.#wakeInstall();
    });
  }

  #wakeInstall(): void {
    if (this.#pendingSaves > 0 || this.#unsaved.length > 0) return;
    this.#onAllSaved?.();
    this.#onAllSaved = undefined;
  }

  /** Nothing of a refused batch is on disk and nothing of it was acknowledged: it is tried again. */
  #keepUnsaved(task: AppendTask): void {
    this.#unsaved.push(task);
    if (this.#unsaved.length > 1) return;
    this.#handlers.storageFull(true);
    this.#retryLater();
  }

  #retryLater(): void {
    this.#clock.setTimer(STORAGE_RETRY_INTERVAL_MS, () => {
      if (this.#stopped) return;
      if (this.#pendingSaves > 0) {
        this.#retryLater();
        return;
      }
      const tasks = this.#unsaved.sort((a, b) => a.sequence - b.sequence);
      this.#unsaved = [];
      this.#handlers.storageFull(false);
      for (const task of tasks) this.#save(task);
    });
  }

  /** Settles when no entry is half applied. */
  applied(): Promise<void> {
    if (this.#applying === undefined || this.#stopped) return Promise.resolve();
    return new Promise((resolve) => this.#onApplied.push(resolve));
  }

  /** Finishes an entry that is being applied in slices, without a pause: the member stops. */
  finishApply(): void {
    this.#slice.left = Number.POSITIVE_INFINITY;
    this.#guard(() => {
      while (this.#applying !== undefined) this.#stepApply();
    });
    this.#slice.left = 0;
  }

  #applyNow(): void {
    if (this.#applyScheduled || this.#installing || this.#applying !== undefined) return;
    this.#slice.refill();
    let applied = false;
    for (let task = this.#applyTasks[0]; task !== undefined; task = this.#applyTasks[0]) {
      if (task.next === task.entries.length) {
        this.#applyTasks.shift();
        this.#stepAll(task.responses);
        continue;
      }
      if (!this.#handlers.canApply()) break;
      if (this.#slice.isUsedUp) {
        this.#applyLater(this.#defer);
        break;
      }
      applied = true;
      this.#applyEntry(task.entries[task.next++] as Entry);
      if (this.#applying !== undefined) break;
    }
    if (applied) this.#afterApply();
  }

  #afterApply(): void {
    this.#storage.settle(this.#startedIndex - (this.#applying === undefined ? 0 : 1));
    this.#handlers.afterApply();
  }

  #applyEntry(entry: Entry): void {
    const before = this.#handlers.changesMade();
    this.#applying = this.#handlers.apply(entry, this.#slice);
    this.#startedIndex = entry.index;
    if (this.#applying === undefined) {
      const changes = this.#handlers.changesMade() - before;
      this.#slice.left -= 1 + changes + unitsOfBytes(entry.data.length);
      return;
    }
    this.#stepApply();
    if (this.#applying !== undefined) this.#goOnLater();
  }

  #stepApply(): void {
    if (this.#applying?.next().done === true) this.#applying = undefined;
  }

  #goOnLater(): void {
    if (this.#goOnScheduled) return;
    this.#goOnScheduled = true;
    this.#defer(() => {
      this.#goOnScheduled = false;
      if (this.#stopped) return;
      this.#guard(() => this.#goOn());
      this.process();
    });
  }

  #goOn(): void {
    this.#slice.refill();
    this.#stepApply();
    if (this.#applying !== undefined) {
      this.#goOnLater();
      return;
    }
    this.#afterApply();
    for (const resolve of this.#onApplied.splice(0)) resolve();
    this.#applyNow();
  }

  #applyLater(defer: Defer): void {
    if (this.#applyScheduled || this.#applyTasks.length === 0) return;
    this.#applyScheduled = true;
    defer(() => {
      this.#applyScheduled = false;
      if (this.#stopped) return;
      this.#guard(() => this.#applyNow());
      this.process();
    });
  }

  #stepAll(messages: readonly Message[]): void {
    const outgoing = withoutOldAcknowledgements(messages.filter(({ to }) => to !== this.#id));
    if (outgoing.length > 0) this.#handlers.send(outgoing);
    for (const message of messages) {
      if (message.to !== this.#id) continue;
      const error = this.node.step(message);
      if (error !== undefined) {
        this.#logger.debug("raft refused a local response", { error: String(error) });
      }
    }
  }
}

/**
 * An acknowledgement covers those before it, so that of several to one leader the last is enough.
 * A rejection says something of its own.
 */
function withoutOldAcknowledgements(messages: readonly Message[]): readonly Message[] {
  if (messages.length < 2) return messages;
  return messages.filter((message, i) => {
    const next = messages[i + 1];
    if (next === undefined || !isAcknowledgement(message) || !isAcknowledgement(next)) return true;
    return next.to !== message.to || next.term !== message.term || next.index < message.index;
  });
}

function isAcknowledgement({ type, reject }: Message): boolean {
  return type === MessageType.MsgAppResp && !reject;
}
