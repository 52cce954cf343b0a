/** A lease that is being kept alive, as its user sees it. */
import type { LeaseKeepAliveResponse } from "../../api/gen/rpc.ts";
import type { LeaseID } from "../../base/ids.ts";
import type { EtcdClientError } from "../errors.ts";
import { ItemQueue } from "../item-queue.ts";
import type { LeaseKeeper } from "./lease-keeper.ts";

/**
 * Renews until `stop`. Iterating yields the server's answers; a reader that is slow gets the
 * newest. The iteration ends with `stop` and throws when the lease is lost.
 */
export class LeaseKeepAlive implements AsyncIterable<LeaseKeepAliveResponse>, AsyncDisposable {
  readonly leaseID: LeaseID;
  /**
   * Settles when the lease is lost, with kind "leaseLost"; never after `stop`. Whoever relies on
   * keys of this lease must stop doing so.
   */
  readonly lost: Promise<EtcdClientError>;
  readonly #keeper: LeaseKeeper;
  readonly #losing = new AbortController();
  #unread = new ItemQueue<LeaseKeepAliveResponse>();
  #stopped = false;

  /** See `Lease.keepAlive`. */
  constructor(keeper: LeaseKeeper, leaseID: LeaseID, expiresMs: number | undefined) {
    this.leaseID = leaseID;
    this.#keeper = keeper;
    let resolveLost: (error: EtcdClientError) => void = () => undefined;
    this.lost = new Promise((resolve) => {
      resolveLost = resolve;
    });
    this.#holder.onLost = (error) => {
      this.#stopped = true;
      this.#unread.end(error);
      this.#losing.abort(error);
      resolveLost(error);
    };
    keeper.add(leaseID, expiresMs, this.#holder);
  }

  readonly #holder = {
    onRenewed: (response: LeaseKeepAliveResponse): void => {
      if (this.#unread.size > 0) this.#unread.clear();
      this.#unread.push(response);
    },
    onLost: (_error: EtcdClientError): void => undefined,
  };

  /** Fires when the lease is lost, with the error as its reason: for `signal` options. */
  get signal(): AbortSignal {
    return this.#losing.signal;
  }

  /**
   * Until when the lease lives for certain, on the client's clock: what is done before that is done
   * under it, also by a process that was paused for a while.
   */
  get expiresMs(): number {
    return this.#keeper.expiresMs(this.leaseID);
  }

  /** Renews no more; the lease expires after its TTL, or is revoked by its user. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#keeper.remove(this.leaseID, this.#holder);
    this.#unread.fail(undefined);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<LeaseKeepAliveResponse, void, void> {
    for (;;) {
      const response = await this.#unread.next();
      if (response === undefined) return;
      yield response;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
  }
}
