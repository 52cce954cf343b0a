/**
 * One watch at a member for all equal ones of the proxy's clients: the same keys, the same token and
 * the same wish for previous values. Events are encoded once.
 *
 * A broadcast that begins in the past catches up by itself and then joins the one that is live.
 */
import { Event_EventType } from "../../api/gen/kv.ts";
import { WatchResponse as WatchResponseCodec } from "../../api/gen/rpc.ts";
import type { Revision } from "../../base/ids.ts";
import {
  EtcdClientError,
  type KeyClient,
  type WatchEvent,
  type WatchResponse,
  type Watcher,
} from "../../client/index.ts";

export interface WatchedRange {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly prevKV: boolean;
}

/** A watch of a client, as a broadcast sees it. */
export interface Receiver {
  /** Earlier events are not for it. */
  nextRevision: Revision;
  readonly noPut: boolean;
  readonly noDelete: boolean;
  /** The member has the watch; events from `nextRevision` on will come. News only once. */
  created(): void;
  /** False when its client reads too slowly: it leaves, and comes back by itself. */
  deliver(revision: Revision, events: Uint8Array): boolean;
  progress(revision: Revision): void;
  ended(error: EtcdClientError | undefined): void;
}

export class Broadcast {
  readonly receivers = new Set<Receiver>();
  /** Undefined until the member has the watch. Every event up to here has been handed out. */
  seen: Revision | undefined;
  /** Where it begins; 0 for from now on. */
  readonly start: Revision;
  /** Its last events were those of the store's present revision. */
  #isLive: boolean;
  readonly #abort = new AbortController();
  #watcher: Watcher | undefined;
  /** Whether the member has been asked for a progress notice, and by whom since. */
  #asked: "no" | "once" | "again" = "no";

  constructor(start: Revision) {
    this.start = start;
    this.#isLive = start === 0;
  }

  /** Whether a watch that wants events from this revision on gets all of them, and none late. */
  fits(nextRevision: Revision): boolean {
    if (this.seen === undefined) return this.start === nextRevision;
    const isPresent = this.#isLive || this.seen === this.start - 1;
    return isPresent && nextRevision > this.seen;
  }

  /** Runs until the watch ends. `onAdvance` is called after each step. */
  async run(client: KeyClient, range: WatchedRange, onAdvance: () => void): Promise<void> {
    const watcher = client.watch(range.key, {
      ...endOf(range.rangeEnd),
      startRevision: this.start,
      prevKV: range.prevKV,
      progressNotify: true,
      signal: this.#abort.signal,
    });
    this.#watcher = watcher;
    let failure: EtcdClientError | undefined;
    try {
      this.seen = (await watcher.created) - 1;
      for (const receiver of this.receivers) {
        receiver.nextRevision = Math.max(receiver.nextRevision, this.seen + 1);
        receiver.created();
      }
      onAdvance();
      for await (const response of watcher) {
        this.#handOut(response);
        onAdvance();
      }
    } catch (error) {
      if (!(error instanceof EtcdClientError)) throw error;
      failure = error;
    }
    if (this.#abort.signal.aborted) return;
    for (const receiver of [...this.receivers]) receiver.ended(failure);
  }

  /** One question for all who want to know; who asks while one is under way gets another. */
  requestProgress(): void {
    if (this.#asked !== "no") {
      this.#asked = "again";
      return;
    }
    this.#asked = "once";
    this.#watcher?.requestProgress();
  }

  /** Nobody listens any more. */
  stop(): void {
    this.#abort.abort();
  }

  #handOut(response: WatchResponse): void {
    const { revision, events } = response;
    const last = events.at(-1)?.kv.modRevision;
    this.seen = Math.max(this.seen ?? 0, last ?? revision);
    this.#isLive = last === undefined || last === revision;
    if (last === undefined) {
      for (const receiver of this.receivers) receiver.progress(revision);
      const isAskedAgain = this.#asked === "again";
      this.#asked = "no";
      if (isAskedAgain) this.requestProgress();
      return;
    }
    const first = events[0]?.kv.modRevision ?? 0;
    const encoded = new Map<string, Uint8Array | undefined>();
    for (const receiver of [...this.receivers]) {
      const from = receiver.nextRevision > first ? receiver.nextRevision : 0;
      const kind = `${from} ${receiver.noPut} ${receiver.noDelete}`;
      if (!encoded.has(kind)) encoded.set(kind, encodeFor(events, from, receiver));
      const bytes = encoded.get(kind);
      if (bytes === undefined || receiver.deliver(last, bytes)) {
        receiver.nextRevision = Math.max(receiver.nextRevision, last + 1);
      } else this.receivers.delete(receiver);
    }
  }
}

/** The field of the response that holds the events; undefined when none is for this receiver. */
function encodeFor(
  events: readonly WatchEvent[],
  from: Revision,
  { noPut, noDelete }: Receiver,
): Uint8Array | undefined {
  const wanted = events.filter(
    ({ type, kv }) => kv.modRevision >= from && !(type === "put" ? noPut : noDelete),
  );
  if (wanted.length === 0) return undefined;
  const messages = wanted.map(({ type, kv, prevKV }) => ({
    type: type === "put" ? Event_EventType.PUT : Event_EventType.DELETE,
    kv,
    prevKv: prevKV,
  }));
  return WatchResponseCodec.encode(WatchResponseCodec.create({ events: messages }));
}

function endOf(rangeEnd: Uint8Array): { fromKey?: true; rangeEnd?: Uint8Array } {
  if (rangeEnd.length === 0) return {};
  return rangeEnd.length === 1 && rangeEnd[0] === 0 ? { fromKey: true } : { rangeEnd };
}
