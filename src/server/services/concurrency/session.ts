/**
 * The session of one call: the caller's lease, or one that is granted for it. Nobody keeps it alive;
 * that is the caller's business.
 */
import type { LeaseID } from "../../../base/ids.ts";
import type { Delegate } from "./delegate.ts";
import { leave, type Place } from "./line.ts";

export class Session {
  readonly lease: LeaseID;
  readonly #delegate: Delegate;
  /** Granted for this call. */
  readonly #isOwn: boolean;

  private constructor(delegate: Delegate, lease: LeaseID, isOwn: boolean) {
    this.#delegate = delegate;
    this.lease = lease;
    this.#isOwn = isOwn;
  }

  static async open(delegate: Delegate, lease: LeaseID): Promise<Session> {
    if (lease !== 0n) return new Session(delegate, lease, false);
    return new Session(delegate, await delegate.grant(), true);
  }

  /**
   * Joins a line and does `stay` there. When that fails, or nobody waits for it any more, the key is
   * taken away, and with it the lease if the caller never learnt of it.
   */
  async inLine<T>(join: () => Promise<Place>, stay: (place: Place) => Promise<T>): Promise<T> {
    let place: Place | undefined;
    try {
      place = await join();
      const result = await stay(place);
      if (this.#delegate.ending === undefined) return result;
      throw new Error("context canceled");
    } catch (error) {
      // A lease that has ended has taken its key along; the caller is told why it failed.
      await this.#withdraw(place).catch(() => undefined);
      throw error;
    }
  }

  async #withdraw(place: Place | undefined): Promise<void> {
    if (this.#isOwn) await this.#delegate.revoke(this.lease);
    else if (place !== undefined) await leave(this.#delegate, place.key, place.revision);
  }
}
