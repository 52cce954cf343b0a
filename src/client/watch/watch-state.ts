/**
 * One watch as the hub sees it: what to ask the server for after a break, and what the reader has
 * not taken yet.
 *
 * Invariant: every event below `nextRevision` that matches has been queued exactly once, and none
 * at or above it. Only whole revisions are queued: a response in fragments counts when its last
 * fragment is there, and is forgotten when the stream breaks before.
 */
import type { Event } from "../../api/gen/kv.ts";
import {
  WatchCreateRequest,
  WatchCreateRequest_FilterType,
  type WatchResponse as RawWatchResponse,
} from "../../api/gen/rpc.ts";
import type { Revision } from "../../base/ids.ts";
import { optionNames } from "../../base/known-options.ts";
import { namedIn, wholeNumber } from "../arguments.ts";
import { type KeyRange, RANGE_OPTIONS, type RangeOptions, toKeyRange } from "../bytes.ts";
import { ItemQueue } from "../item-queue.ts";
import type { KeyPrefix } from "../namespace/key-prefix.ts";
import { strip } from "../namespace/prefixed-calls.ts";
import { type Bytes, CALL_OPTIONS, type CallOptions, checkOptions } from "../options.ts";
import { WatchEvent, WatchResponse } from "./watch-response.ts";

export interface WatchOptions extends RangeOptions {
  /** First revision to yield events of; 0, the default: from now on. */
  readonly startRevision?: Revision | undefined;
  /** Yields events with what was there before. */
  readonly prevKV?: boolean | undefined;
  /** Yields a progress notice when nothing has happened for some minutes. */
  readonly progressNotify?: boolean | undefined;
  /** Leaves out changes of this kind. */
  readonly filters?: readonly ("noPut" | "noDelete")[] | undefined;
  /** Called whenever a server has the watch, with the first revision that will be yielded. */
  readonly onAttached?: ((revision: Revision) => void) | undefined;
  /** Called when the connection of an attached watch is lost; the watch goes on at another. */
  readonly onDetached?: ((error: Error | undefined) => void) | undefined;
}

const WATCH_OPTIONS = optionNames<WatchOptions & CallOptions>({
  ...RANGE_OPTIONS,
  ...CALL_OPTIONS,
  startRevision: true,
  prevKV: true,
  progressNotify: true,
  filters: true,
  onAttached: true,
  onDetached: true,
});

const FILTERS = {
  noPut: WatchCreateRequest_FilterType.NOPUT,
  noDelete: WatchCreateRequest_FilterType.NODELETE,
} as const;

/** Bytes that may wait for a reader before the server is told to stop sending. */
const MAX_QUEUED_BYTES = 4 << 20;
/** And how few are left when it is asked to go on. */
const RESUME_QUEUED_BYTES = 1 << 20;

interface Queued {
  readonly response: WatchResponse;
  readonly bytes: number;
}

/**
 * - absent: the server knows nothing of it.
 * - asked: its create request is on the way.
 * - active: it has an id.
 * - suspended: its reader is slow; cancelled at the server until enough has been read.
 * - ended: for good.
 */
export type WatchPhase = "absent" | "asked" | "active" | "suspended" | "ended";

export class WatchState {
  readonly #range: KeyRange;
  readonly #options: WatchOptions;
  readonly #filters: readonly WatchCreateRequest_FilterType[];
  readonly #prefix: KeyPrefix | undefined;
  readonly #queue = new ItemQueue<Queued>();
  phase: WatchPhase = "absent";
  /** The server's id, while active. */
  id = -1;
  /** 0 until a watch "from now on" was created. */
  nextRevision: Revision;
  #fragments: Event[] = [];
  #fragmentBytes = 0;
  #queuedBytes = 0;

  /** With a `prefix` the keys are those of its namespace. */
  constructor(key: Bytes, options: WatchOptions, prefix?: KeyPrefix) {
    checkOptions("watch", options, WATCH_OPTIONS);
    const range = toKeyRange(key, options);
    this.#prefix = prefix;
    this.#range = prefix === undefined ? range : prefix.addToRange(range);
    this.#options = options;
    this.#filters = (options.filters ?? []).map((name) => namedIn("filter", name, FILTERS));
    this.nextRevision = wholeNumber("startRevision", options.startRevision);
  }

  createRequest(): WatchCreateRequest {
    const { prevKV = false, progressNotify = false } = this.#options;
    return WatchCreateRequest.create({
      key: this.#range.key,
      rangeEnd: this.#range.rangeEnd,
      startRevision: this.nextRevision,
      prevKv: prevKV,
      progressNotify,
      filters: [...this.#filters],
      fragment: true,
    });
  }

  /** The server has it; from now on nothing may be missed. */
  created(id: number, revision: Revision): void {
    this.phase = "active";
    this.id = id;
    if (this.nextRevision === 0) this.nextRevision = revision + 1;
  }

  /** The stream, or this watch of it, is gone. */
  detached(phase: "absent" | "suspended" | "ended"): void {
    this.phase = phase;
    this.id = -1;
    this.#fragments = [];
    this.#fragmentBytes = 0;
  }

  /** Takes events, or a progress notice, of the server. */
  accept(raw: RawWatchResponse, bytes: number): void {
    const revision = raw.header?.revision ?? 0;
    if (raw.events.length === 0 && !raw.fragment && this.#fragments.length === 0) {
      this.#acceptProgress(revision, true);
      return;
    }
    this.#fragmentBytes += bytes;
    if (raw.fragment || this.#fragments.length > 0) {
      for (const event of raw.events) this.#fragments.push(event);
    }
    if (raw.fragment) return;
    const events = this.#fragments.length > 0 ? this.#fragments : raw.events;
    const totalBytes = this.#fragmentBytes;
    this.#fragments = [];
    this.#fragmentBytes = 0;
    this.#acceptEvents(events, revision, totalBytes);
  }

  #acceptEvents(raws: readonly Event[], revision: Revision, bytes: number): void {
    const from = this.nextRevision;
    if (this.#prefix !== undefined) stripEvents(raws, this.#prefix);
    // A server sends nothing below the start; but one that did must not cause a repetition.
    const events = raws.map((raw) => new WatchEvent(raw)).filter((e) => e.kv.modRevision >= from);
    const last = events.at(-1);
    if (last === undefined) return;
    this.nextRevision = last.kv.modRevision + 1;
    this.#enqueue(new WatchResponse(revision, events), bytes);
  }

  /**
   * `own`: the notice is about this watch, so that what came before it need not be asked for
   * again. Members before 3.4.25 answer requests for progress too early.
   */
  #acceptProgress(revision: Revision, own: boolean): void {
    // A member that lags behind knows less than what was yielded already.
    if (revision < this.nextRevision - 1) return;
    if (own) this.nextRevision = revision + 1;
    this.#enqueue(new WatchResponse(revision, []), 0);
  }

  /** An answer to `requestProgress`: for all watches of the stream. */
  acceptSharedProgress(revision: Revision): void {
    this.#acceptProgress(revision, false);
  }

  #enqueue(response: WatchResponse, bytes: number): void {
    this.#queuedBytes += bytes;
    this.#queue.push({ response, bytes });
  }

  /** The reader is so slow that the server should send no more. */
  get isFull(): boolean {
    return this.#queuedBytes > MAX_QUEUED_BYTES;
  }

  /** The reader has caught up enough to go on. */
  get hasRoom(): boolean {
    return this.#queuedBytes <= RESUME_QUEUED_BYTES;
  }

  async take(): Promise<WatchResponse | undefined> {
    const queued = await this.#queue.next();
    if (queued === undefined) return undefined;
    this.#queuedBytes -= queued.bytes;
    return queued.response;
  }

  /** The reader gets what is queued, then `error`. */
  end(error: Error | undefined): void {
    this.detached("ended");
    this.#queue.end(error);
  }

  /** The reader gets `error` next, or the end. */
  drop(error: Error | undefined): void {
    this.detached("ended");
    this.#queue.fail(error);
  }
}

function stripEvents(events: readonly Event[], prefix: KeyPrefix): void {
  for (const { kv, prevKv } of events) {
    strip(kv, prefix);
    strip(prevKv, prefix);
  }
}
