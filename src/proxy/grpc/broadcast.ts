/**
 * One watch at a member for all equal ones of the proxy's clients: the same keys, the same token and
 * the same wish for previous values. Events are encoded once.
 *
 * A broadcast that begins in the past catches up by itself and then joins the one that is live.
 */
import { type Event, Event as EventCodec, Event_EventType } from "../../api/gen/kv.ts";
import { type ResponseHeader, WatchResponse as WatchResponseCodec } from "../../api/gen/rpc.ts";
import type { Revision } from "../../base/ids.ts";
import {
  EtcdClientError,
  type KeyClient,
  type WatchEvent,
  type WatchResponse,
  type Watcher,
} from "../../client/index.ts";

/** Events of one piece for those who want pieces: as a member with its default limits. */
const MAX_FRAGMENT_BYTES = 2_097_152;

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
  /** Wants large answers in pieces. */
  readonly isFragmented: boolean;
  /** The member has the watch; events from `nextRevision` on will come. News only once. */
  created(): void;
  /**
   * Messages that lack only the watch's id. False when its client reads too slowly: it leaves, and
   * comes back by itself.
   */
  deliver(messages: readonly Uint8Array[]): boolean;
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

  readonly #headerAt: (revision: Revision) => ResponseHeader;

  constructor(start: Revision, headerAt: (revision: Revision) => ResponseHeader) {
    this.start = start;
    this.#headerAt = headerAt;
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
    const header = this.#headerAt(last);
    const encoded = new Map<number, readonly Uint8Array[]>();
    for (const receiver of this.receivers) {
      // Most receivers want the same: they get the same bytes.
      const from = receiver.nextRevision > first ? receiver.nextRevision : 0;
      const kind = from * 8 + kindOf(receiver);
      let messages = encoded.get(kind);
      if (messages === undefined) {
        messages = encodeFor(header, events, from, receiver);
        encoded.set(kind, messages);
      }
      if (messages.length === 0 || receiver.deliver(messages)) {
        receiver.nextRevision = Math.max(receiver.nextRevision, last + 1);
      } else this.receivers.delete(receiver);
    }
  }
}

function kindOf({ noPut, noDelete, isFragmented }: Receiver): number {
  return Number(noPut) + 2 * Number(noDelete) + 4 * Number(isFragmented);
}

/** Answers without the watch's id; none when no event is for this receiver. */
function encodeFor(
  header: ResponseHeader,
  events: readonly WatchEvent[],
  from: Revision,
  { noPut, noDelete, isFragmented }: Receiver,
): readonly Uint8Array[] {
  const wanted = events.filter(
    ({ type, kv }) => kv.modRevision >= from && !(type === "put" ? noPut : noDelete),
  );
  if (wanted.length === 0) return [];
  const all = wanted.map(({ type, kv, prevKV }) => ({
    type: type === "put" ? Event_EventType.PUT : Event_EventType.DELETE,
    kv,
    prevKv: prevKV,
  }));
  const pieces = isFragmented ? piecesOf(all) : [all];
  return pieces.map((piece, i) => {
    const fragment = i < pieces.length - 1;
    return WatchResponseCodec.encode(
      WatchResponseCodec.create({ header, fragment, events: piece }),
    );
  });
}

/** As many events in each as fit, one at least. */
function piecesOf(events: readonly Event[]): Event[][] {
  const pieces: Event[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const event of events) {
    const size = EventCodec.size(event);
    bytes += size;
    if (bytes > MAX_FRAGMENT_BYTES) {
      pieces.push([]);
      bytes = size;
    }
    pieces.at(-1)?.push(event);
  }
  return pieces;
}

function endOf(rangeEnd: Uint8Array): { fromKey?: true; rangeEnd?: Uint8Array } {
  if (rangeEnd.length === 0) return {};
  return rangeEnd.length === 1 && rangeEnd[0] === 0 ? { fromKey: true } : { rangeEnd };
}
