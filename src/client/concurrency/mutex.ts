/**
 * A lock among sessions, first come, first served; its keys are those of etcd's own clients and
 * of its lock service.
 *
 * A lock over a network is a hint: its holder may be paused, its lease expire, and another hold it
 * before the first notices. What must not happen twice has to be guarded where it happens: put
 * `mutex.isOwner()` among the conditions of the transaction, or send `mutex.revision`, which grows
 * with every holder, along as a fencing token.
 */
import type { Compare } from "../../api/gen/rpc.ts";
import { StatusCode } from "../../api/errors.ts";
import type { Revision } from "../../base/ids.ts";
import { EtcdClientError } from "../errors.ts";
import type { CallOptions } from "../options.ts";
import { QueueKey, waitUnder } from "./queue-key.ts";
import type { Session } from "./session.ts";

export class Mutex implements AsyncDisposable {
  readonly #queue: QueueKey;
  /** Our key's creation revision while we hold the lock, otherwise 0. */
  #revision: Revision = 0;

  /** Sessions that name the same lock exclude each other; within one session it does not. */
  constructor(session: Session, name: string) {
    this.#queue = new QueueKey(session, name);
  }

  /** The key that stands for this session in the line. */
  get key(): string {
    return this.#queue.key;
  }

  /** The fencing token; 0 while the lock is not held. */
  get revision(): Revision {
    return this.#revision;
  }

  /**
   * Waits for the lock. Rejects with kind "leaseLost" when the session is lost meanwhile,
   * "deadlineExceeded" or "aborted"; then this session no longer stands in the line. The result
   * is for `await using`.
   */
  async lock(options: CallOptions = {}): Promise<this> {
    const queue = this.#queue;
    let revision = 0;
    await waitUnder(
      queue.session,
      options,
      async (bounded) => {
        const place = await queue.join("", bounded);
        revision = place.revision;
        if (place.first.createRevision !== revision) await queue.waitForTurn(revision, bounded);
      },
      (error) => queue.withdraw(revision, error),
    );
    this.#revision = revision;
    return this;
  }

  /** Takes the lock if nobody holds or awaits it; tells whether it did. */
  async tryLock(options: CallOptions = {}): Promise<boolean> {
    const { revision, first } = await this.#queue.join("", options);
    if (first.createRevision === revision) {
      this.#revision = revision;
      return true;
    }
    await this.#queue.leave(revision, options);
    return false;
  }

  /** Gives the lock up; harmless when it was lost already. */
  async unlock(options: CallOptions = {}): Promise<void> {
    const revision = this.#revision;
    if (revision === 0) return;
    await this.#queue.leave(revision, options);
    this.#revision = 0;
  }

  /** The condition that we hold the lock, for transactions. Throws when it was never taken. */
  isOwner(): Compare {
    if (this.#revision === 0) {
      throw new EtcdClientError(`the lock ${this.key} is not held`, {
        code: StatusCode.FAILED_PRECONDITION,
        kind: "failedPrecondition",
      });
    }
    return this.#queue.isOurs(this.#revision);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.unlock();
  }
}
