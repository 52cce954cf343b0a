/**
 * All watches of the proxy's clients that are equal but for their beginning. At most one broadcast
 * is live; others catch up from the past and are merged into it.
 *
 * Who watches "from now on" asks for the present revision first when a broadcast is there already:
 * it may lag behind what the client has been told.
 */
import type { ResponseHeader } from "../../api/gen/rpc.ts";
import type { Revision } from "../../base/ids.ts";
import type { KeyClient } from "../../client/index.ts";
import { Broadcast, type Receiver, type WatchedRange } from "./broadcast.ts";
import type { ProxyMetrics } from "./metrics.ts";

export interface GroupDeps {
  readonly client: KeyClient;
  readonly range: WatchedRange;
  readonly metrics: ProxyMetrics;
  /** The store's revision now. */
  readonly presentRevision: () => Promise<Revision>;
  /** For answers of this revision. */
  readonly headerAt: (revision: Revision) => ResponseHeader;
  /** The last receiver has gone. */
  readonly onEmpty: () => void;
}

export class WatchGroup {
  readonly #deps: GroupDeps;
  readonly #broadcasts = new Set<Broadcast>();
  readonly #places = new Map<Receiver, Broadcast>();
  /** Those who wait for the present revision. */
  #asking: Receiver[] | undefined;
  readonly #asked = new Set<Receiver>();

  constructor(deps: GroupDeps) {
    this.#deps = deps;
  }

  /** A new watch. `nextRevision` 0 means from now on. */
  add(receiver: Receiver): void {
    const isOpening = [...this.#broadcasts].some((each) => each.fits(0));
    const isFirst = this.#broadcasts.size === 0;
    if (receiver.nextRevision > 0 || isOpening || isFirst) this.place(receiver);
    else this.#askPresent(receiver);
  }

  remove(receiver: Receiver): void {
    this.#asked.delete(receiver);
    const broadcast = this.#places.get(receiver);
    this.#places.delete(receiver);
    if (broadcast !== undefined) {
      broadcast.receivers.delete(receiver);
      this.#closeIfEmpty(broadcast);
    }
    this.#count();
    if (this.#places.size === 0 && this.#asked.size === 0) this.#deps.onEmpty();
  }

  /** The answer goes to all receivers, as a progress notice. */
  requestProgress(receiver: Receiver): void {
    this.#places.get(receiver)?.requestProgress();
  }

  #askPresent(receiver: Receiver): void {
    this.#asked.add(receiver);
    if (this.#asking !== undefined) {
      this.#asking.push(receiver);
      return;
    }
    const together = [receiver];
    this.#asking = together;
    // The question goes out in a later turn, so that those who come until then may join.
    queueMicrotask(() => {
      this.#asking = undefined;
      this.#deps.presentRevision().then(
        (revision) => this.#begin(together, revision),
        // The watch itself will be told why.
        () => this.#begin(together, 0),
      );
    });
  }

  #begin(receivers: readonly Receiver[], present: Revision): void {
    for (const receiver of receivers) {
      if (!this.#asked.delete(receiver)) continue;
      // What a broadcast has handed out already has happened before, too.
      const seen = Math.max(0, ...[...this.#broadcasts].map((each) => each.seen ?? 0));
      receiver.nextRevision = present === 0 ? 0 : Math.max(present, seen) + 1;
      this.place(receiver);
    }
  }

  /** Also for a watch that has left because its client was slow. */
  place(receiver: Receiver): void {
    const fitting = [...this.#broadcasts].find((each) => each.fits(receiver.nextRevision));
    if (fitting === undefined) {
      this.#open(receiver);
      return;
    }
    this.#enter(fitting, receiver);
    if (fitting.seen !== undefined) receiver.created();
  }

  #enter(broadcast: Broadcast, receiver: Receiver): void {
    broadcast.receivers.add(receiver);
    this.#places.set(receiver, broadcast);
    this.#count();
  }

  #open(receiver: Receiver): void {
    const broadcast = new Broadcast(receiver.nextRevision, this.#deps.headerAt);
    this.#broadcasts.add(broadcast);
    this.#enter(broadcast, receiver);
    const { client, range } = this.#deps;
    void broadcast
      .run(client, range, () => this.#advanced(broadcast))
      .finally(() => this.#broadcasts.delete(broadcast));
  }

  /** What has caught up joins those who have handed out the same. */
  #advanced(broadcast: Broadcast): void {
    const { receivers, seen } = broadcast;
    const { eventsCoalescing } = this.#deps.metrics;
    if (receivers.size > 1) eventsCoalescing.add(receivers.size - 1);
    const equal = [...this.#broadcasts].find((each) => each !== broadcast && each.seen === seen);
    if (equal !== undefined) {
      const [from, to] =
        equal.receivers.size < receivers.size ? [equal, broadcast] : [broadcast, equal];
      for (const receiver of from.receivers) this.#enter(to, receiver);
      from.receivers.clear();
      this.#closeIfEmpty(from);
    }
    this.#closeIfEmpty(broadcast);
  }

  #closeIfEmpty(broadcast: Broadcast): void {
    if (broadcast.receivers.size > 0) return;
    this.#broadcasts.delete(broadcast);
    broadcast.stop();
  }

  #count(): void {
    this.#deps.metrics.watchersCoalescing.set(
      Math.max(0, this.#places.size - this.#broadcasts.size),
    );
  }
}
