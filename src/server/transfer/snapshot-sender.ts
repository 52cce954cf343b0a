/**
 * Sends followers that are too far behind the whole database. Raft only says to whom; what is sent
 * is the state at the moment of sending, which is newer than the mark that raft knows and has all
 * membership changes that were applied.
 *
 * While a database is under way, and a while after, the log in memory is kept, or the follower would
 * be too far behind again when it has taken it in.
 */
import { type ConfState, Message, type Snapshot } from "../../api/gen/raft.ts";
import type { Backend, BackendSnapshot } from "../../backend/types.ts";
import { formatDuration, humanizeBytes } from "../../base/go-text.ts";
import { formatID, type Index, type MemberID } from "../../base/ids.ts";
import type { Clock, DatabaseImage, LogFields, Logger } from "../../env/index.ts";
import { readConsistentIndex } from "../../backend/index.ts";

/** Databases under way at a time, as in etcd: each keeps pages of the db from being used again. */
const MAX_SENDING = 16;

export interface SnapshotSenderOptions {
  readonly clock: Clock;
  /** How long the log is kept after a database was sent (etcd: releaseDelayAfterSnapshot). */
  readonly keepLogAfterMs: number;
  readonly logger: Logger;
  readonly localID: MemberID;
  readonly backend: Backend;
  /** Raft's configuration as applied; another object after each membership change. */
  readonly confState: () => ConfState;
  /** The raft snapshot at an applied index, with the present configuration. */
  readonly describe: (index: Index) => Promise<Snapshot>;
  readonly send: (message: Message, image: DatabaseImage) => void;
  /** What that configuration belongs to; behind the db while the log is replayed. */
  readonly appliedIndex: () => Index;
  /**
   * Keeps entries from being applied, until what it gives is called: for a v2 store that is kept in
   * memory, and so described as it is now. Undefined where there is none.
   */
  readonly holdApply: (() => () => void) | undefined;
  /** To raft: the transfer has ended before it began. */
  readonly failed: (to: MemberID) => void;
}

export class SnapshotSender {
  readonly #options: SnapshotSenderOptions;
  /** Given to the network, by receiver: raft sends each follower one at a time. */
  readonly #underWay = new Map<
    MemberID,
    { readonly fields: LogFields; readonly startMs: number }
  >();
  #sending = 0;
  #lastEndMs = Number.NEGATIVE_INFINITY;
  #stopped = false;

  constructor(options: SnapshotSenderOptions) {
    this.#options = options;
  }

  /** True while followers rely on the entries behind a database that they are getting. */
  get needsLog(): boolean {
    const { clock, keepLogAfterMs } = this.#options;
    return this.#sending > 0 || clock.nowMs() - this.#lastEndMs < keepLogAfterMs;
  }

  /** Takes a MsgSnap of raft. */
  send(message: Message): void {
    if (this.#sending >= MAX_SENDING || this.#stopped) {
      this.#options.failed(message.to);
      return;
    }
    this.#sending++;
    this.#open(message).catch((error: unknown) => {
      this.#options.logger.warn("failed to read the database for a follower", {
        to: formatID(message.to),
        error,
      });
      this.#ended();
      if (!this.#stopped) this.#options.failed(message.to);
    });
  }

  /** A transfer that was given to the network is over; `ok` if the follower has the database. */
  ended(to: MemberID, ok: boolean): void {
    const { clock, logger } = this.#options;
    const transfer = this.#underWay.get(to);
    this.#underWay.delete(to);
    if (ok && transfer !== undefined) {
      const took = formatDuration(clock.nowMs() - transfer.startMs);
      logger.info("sent merged snapshot", { ...transfer.fields, took });
    }
    this.#ended();
  }

  #ended(): void {
    this.#sending = Math.max(0, this.#sending - 1);
    this.#lastEndMs = this.#options.clock.nowMs();
  }

  stop(): void {
    this.#stopped = true;
  }

  async #open(message: Message): Promise<void> {
    const { clock, logger, localID, send } = this.#options;
    const { image, snapshot } = await this.#describedImage();
    if (this.#stopped) {
      image.close();
      return;
    }
    const bytes = Message.encode({ ...message, snapshot }).length + image.sizeBytes;
    const fields = {
      from: formatID(localID),
      to: formatID(message.to),
      bytes,
      size: humanizeBytes(bytes),
    };
    logger.info("sending merged snapshot", fields);
    this.#underWay.set(message.to, { fields, startMs: clock.nowMs() });
    send({ ...message, snapshot }, image);
  }

  async #describedImage(): Promise<{
    readonly image: BackendSnapshot;
    readonly snapshot: Snapshot;
  }> {
    const { describe, holdApply, appliedIndex } = this.#options;
    const release = holdApply?.();
    try {
      const { image, index } = await this.#openImage();
      if (release !== undefined && index !== appliedIndex()) {
        image.close();
        throw new Error("the db is not where the v2 store is");
      }
      return { image, snapshot: await describe(index) };
    } finally {
      release?.();
    }
  }

  /**
   * The image is at an index of its own choice, and what goes with it must describe just that index.
   * Raft's configuration is known for the present only, so that an image before a membership change
   * is not sent.
   */
  async #openImage(): Promise<{ readonly image: BackendSnapshot; readonly index: Index }> {
    const { backend, confState, appliedIndex } = this.#options;
    for (;;) {
      const before = confState();
      const image = await backend.openSnapshot();
      const index = readConsistentIndex(image);
      if (confState() === before && index <= appliedIndex()) return { image, index };
      image.close();
      // The configuration at the index of such a db is not known before the replay is over.
      if (index > appliedIndex()) throw new Error("the log is still being replayed");
    }
  }
}
