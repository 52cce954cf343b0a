/**
 * Changes of the membership that were asked for at this member, one after the other: what one is
 * checked against has the one before it in it, and raft takes one at a time.
 */
import { EtcdError } from "../../api/errors.ts";

/** Far above what operators do by hand; the last of them would have no time left anyway. */
export const MAX_WAITING_CHANGES = 64;

export class MembershipQueue {
  #last: Promise<unknown> = Promise.resolve();
  #count = 0;

  /** Settles as the work does, once everything that came before has. Rejects with `tooManyRequests`. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#count >= MAX_WAITING_CHANGES) throw new EtcdError("tooManyRequests");
    this.#count++;
    const done = this.#last.then(work).finally(() => {
      this.#count--;
    });
    this.#last = done.catch(() => undefined);
    return done;
  }
}
