/**
 * Sends followers that are too far behind the whole database. Raft only says to whom; what is sent
 * is the state at the moment of sending, which is newer than the mark that raft knows and has all
 * membership changes that were applied.
 *
 * While a database is under way, and a while after, the log in memory is kept, or the follower would
 * be too far behind again when it has taken it in.
 */
import type { ConfState, Message, Snapshot } from "../api/gen/raft.ts";
import type { Backend } from "../backend/types.ts";
import { formatID, type Index, type MemberID, type Term } from "../base/ids.ts";
import type { Clock, DatabaseImage, Logger } from "../env/index.ts";

/** Databases under way at a time, as in etcd: each keeps pages of the db from being used again. */
const MAX_SENDING = 16;

export interface SnapshotSenderOptions {
  readonly clock: Clock;
  /** How long the log is kept after a database was sent (etcd: releaseDelayAfterSnapshot). */
  readonly keepLogAfterMs: number;
  readonly logger: Logger;
  readonly localID: MemberID;
  readonly backend: Backend;
  readonly applied: () => {
    readonly index: Index;
    readonly term: Term;
    readonly confState: ConfState;
  };
  /** The raft snapshot of the state applied now. */
  readonly describe: (index: Index, term: Term, confState: ConfState) => Snapshot;
  readonly send: (message: Message, image: DatabaseImage) => void;
  /** To raft: the transfer has ended before it began. */
  readonly failed: (to: MemberID) => void;
}

export class SnapshotSender {
  readonly #options: SnapshotSenderOptions;
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
      this.ended();
      if (!this.#stopped) this.#options.failed(message.to);
    });
  }

  /** A transfer that was given to the network is over. */
  ended(): void {
    this.#sending = Math.max(0, this.#sending - 1);
    this.#lastEndMs = this.#options.clock.nowMs();
  }

  stop(): void {
    this.#stopped = true;
  }

  async #open(message: Message): Promise<void> {
    const { applied, describe, backend, logger, localID, send } = this.#options;
    // Described first: the image may have more, which the follower skips, but never less.
    const { index, term, confState } = applied();
    const snapshot = describe(index, term, confState);
    const image = await backend.openSnapshot();
    if (this.#stopped) {
      image.close();
      return;
    }
    logger.info("sending database snapshot", {
      "snapshot-index": index,
      from: formatID(localID),
      to: formatID(message.to),
      bytes: image.sizeBytes,
    });
    send({ ...message, snapshot }, image);
  }
}
