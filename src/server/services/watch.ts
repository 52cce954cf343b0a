/**
 * The Watch service: binds a client's stream to the store's watches, and gives watchers that have
 * to catch up their turns.
 *
 * A stream whose client reads too slowly is congested: its watches stop taking events, hold none,
 * and read what they missed from the backend once the client has caught up.
 */
import { type WatchCreateRequest, WatchRequest } from "../../api/gen/rpc.ts";
import { EtcdError, formatStatus } from "../../api/errors.ts";
import { copyBytes } from "../../base/bytes.ts";
import type { Revision } from "../../base/ids.ts";
import type { Slice, Steps } from "../../base/slice.ts";
import { GRPC_OVERHEAD_BYTES, type StreamCall, type Timer } from "../../env/index.ts";
import {
  encodeWatchHead,
  INVALID_WATCH_ID,
  watchFragments,
  watchedRange,
  watchMessage,
  watchSeries,
  type WatchID,
  type WatchInfo,
  type WatchSink,
  type WatchStream,
  type WatchStreamState,
} from "../../mvcc/index.ts";
import { METHOD } from "../../api/rpc-table.ts";
import { StreamBearer } from "../access/stream-bearer.ts";
import type { Answering, Counted, ServerContext } from "../context.ts";
import { decodeOrEnd, statusOf } from "./reply.ts";
import type { StreamRows } from "./rows.ts";
import type { ServicesCounters } from "./services-metrics.ts";

/** Bytes queued to one client beyond which its watches wait. */
const CONGESTED_BYTES = 4 * 1024 * 1024;
/** Watches that one stream may have; bounds what one client can make the server remember. */
const MAX_WATCHES_PER_STREAM = 100_000;
/** Records of history read for slow watchers before other work gets a turn. */
const SYNC_RECORDS_PER_TURN = 2000;
/** What a request on a stream costs, in records. */
const UNITS_PER_REQUEST = 8;
/** Events that go to many watches of a stream are sent by so many bytes, then it may be congested. */
const SERIES_BYTES = 64 * 1024;
/** Parts of one message; more are joined, as they are arguments of a call. */
const MAX_PARTS = 1000;
/** Streams that are described; those that lag most and queue most come first. */
const MAX_DESCRIBED_STREAMS = 200;
/** Watches of one stream that are named. */
const MAX_DESCRIBED_WATCHES = 20;
/** Watches of one stream that are looked at for its lag; a few milliseconds for all streams. */
const MAX_LOOKED_AT_OF_STREAM = 2000;
/** Watches of all streams that are looked at, the streams themselves counted. */
const MAX_LOOKED_AT_OF_ALL = 50_000;
/** etcd's period for watchers that lag or are blocked. */
const SYNC_INTERVAL_MS = 100;

type WatchStreamNeeds = Answering &
  Counted<Pick<ServicesCounters, "streamFailures">> &
  Pick<ServerContext, "auth" | "clock" | "logger" | "options" | "turns" | "watchable">;

export type WatchNeeds = WatchStreamNeeds & Pick<ServerContext, "defer">;

/** A client's stream of watches, for people who look after the member. */
export interface WatchStreamReport extends WatchStreamState {
  /** Counted from the start of the member. */
  readonly id: number;
  /** "ip:port". */
  readonly client: string;
  /** Undefined when authentication is off, or nobody was asked yet. */
  readonly user: string | undefined;
  /** The client speaks JSON. */
  readonly viaGateway: boolean;
  readonly watches: number;
  readonly eventsSent: number;
  readonly openedMs: number;
  /** Encoded events and answers that the client has not taken yet. */
  readonly queuedBytes: number;
  /** Nothing more is queued until it takes some; its watches fall behind. */
  readonly congested: boolean;
}

export interface WatchReport {
  readonly revision: Revision;
  readonly streams: number;
  readonly watches: number;
  /** Watches that have not caught up. */
  readonly lagging: number;
  /** Some of the streams, those that lag or queue the most first. */
  readonly shown: readonly WatchStreamReport[];
}

export class WatchService {
  readonly stream: StreamRows = { [METHOD.Watch]: (call) => this.watch(call) };
  readonly #server: WatchNeeds;
  readonly #streams = new Set<WatchStreamHandler>();
  #timer: Timer | undefined;
  #scheduled = false;
  #isCheckScheduled = false;
  #progressTimer: Timer | undefined;
  #stopped = false;
  #opened = 0;

  readonly #onSynced: () => void;

  /** `onSynced`: watchers that lagged behind have caught up. */
  constructor(server: WatchNeeds, onSynced: () => void) {
    this.#server = server;
    this.#onSynced = onSynced;
  }

  start(): void {
    this.#server.auth.onPermissionsChanged = () => this.#checkPermissionsSoon();
    this.#armProgress();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#progressTimer?.cancel();
    const status = statusOf(new EtcdError("stopped"));
    for (const stream of this.#streams) stream.end(status.code, status.message);
  }

  watch(call: StreamCall): void {
    const stream = new WatchStreamHandler(
      this.#server,
      call,
      ++this.#opened,
      () => this.#streams.delete(stream),
      () => this.syncSoon(),
    );
    this.#streams.add(stream);
  }

  /** The work is bounded, however many watches there are. */
  report(): WatchReport {
    const { watchable, store } = this.#server;
    let left = MAX_LOOKED_AT_OF_ALL;
    const reports: WatchStreamReport[] = [];
    for (const stream of this.#streams) {
      const report = stream.report(Math.min(left, MAX_LOOKED_AT_OF_STREAM), MAX_DESCRIBED_WATCHES);
      // One for the stream itself.
      left = Math.max(0, left - report.looked - 1);
      reports.push(report);
      if (left === 0) break;
    }
    reports.sort((a, b) => b.behind - a.behind || b.queuedBytes - a.queuedBytes || a.id - b.id);
    return {
      revision: store.currentRevision,
      streams: watchable.streams,
      watches: watchable.watchers,
      lagging: watchable.slowWatchers,
      shown: reports.slice(0, MAX_DESCRIBED_STREAMS),
    };
  }

  /** Lets watchers that lag behind read on, in the next turn. */
  syncSoon(): void {
    if (this.#scheduled || this.#stopped || !this.#server.watchable.hasUnsynced) return;
    this.#scheduled = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#server.defer(() => {
      this.#scheduled = false;
      if (!this.#stopped) this.#sync();
    });
  }

  /** After entries were applied: a watcher may just have fallen behind. */
  applied(): void {
    if (this.#timer === undefined && this.#server.watchable.hasUnsynced) this.#syncLater();
  }

  #sync(): void {
    const state = this.#server.watchable.syncWatchers(SYNC_RECORDS_PER_TURN);
    if (state === "more") this.syncSoon();
    else if (state === "blocked") this.#syncLater();
    else this.#onSynced();
  }

  #syncLater(): void {
    if (this.#timer !== undefined || this.#scheduled || this.#stopped) return;
    this.#timer = this.#server.clock.setTimer(SYNC_INTERVAL_MS, () => {
      this.#timer = undefined;
      this.#sync();
    });
  }

  #checkPermissionsSoon(): void {
    if (this.#isCheckScheduled || this.#stopped) return;
    this.#isCheckScheduled = true;
    this.#server.defer(() => {
      this.#isCheckScheduled = false;
      if (this.#stopped) return;
      for (const stream of this.#streams) stream.permissionsChanged();
    });
  }

  /** One timer for all streams, where etcd has one for each. */
  #armProgress(): void {
    const { clock, options } = this.#server;
    this.#progressTimer = clock.setTimer(options.watchProgressNotifyIntervalMs, () => {
      if (this.#stopped) return;
      for (const stream of this.#streams) stream.notifyProgress();
      this.#armProgress();
    });
  }
}

class WatchStreamHandler implements WatchSink {
  readonly #server: WatchStreamNeeds;
  readonly #call: StreamCall;
  readonly #bearer: StreamBearer;
  readonly #stream: WatchStream;
  readonly #onEnd: () => void;
  readonly #syncSoon: () => void;
  readonly #id: number;
  readonly #openedMs: number;
  #eventsSent = 0;
  #ended = false;
  /** Requests that wait for their turn, in order; bounded by what the client may send ahead. */
  #requests: Uint8Array[] = [];
  #isServing = false;
  #isPaused = false;

  constructor(
    server: WatchStreamNeeds,
    call: StreamCall,
    id: number,
    onEnd: () => void,
    syncSoon: () => void,
  ) {
    this.#server = server;
    this.#call = call;
    this.#id = id;
    this.#openedMs = server.clock.wallMs();
    this.#bearer = new StreamBearer(server.auth, call);
    this.#onEnd = onEnd;
    this.#syncSoon = syncSoon;
    this.#stream = server.watchable.openStream(this);
    call.onMessage = (message) => this.#take(message);
    call.onDrain = () => syncSoon();
    // As in etcd, a client that has sent its last request goes on receiving events.
    call.onCancel = () => this.#close();
  }

  get congested(): boolean {
    return this.#call.bufferedBytes > CONGESTED_BYTES;
  }

  deliver(watch: WatchInfo, revision: Revision, events: readonly Uint8Array[]): boolean {
    if (this.#ended) return true;
    if (this.congested) return false;
    this.#eventsSent += events.length;
    const header = this.#header(revision);
    if (!watch.fragment) {
      this.#call.send(...inFewParts(watchMessage(header, watch.id, events).parts));
      return true;
    }
    const maxBytes = this.#server.options.maxRequestBytes + GRPC_OVERHEAD_BYTES;
    for (const message of watchFragments(header, watch.id, events, maxBytes)) {
      this.#call.send(...inFewParts(message.parts));
    }
    return true;
  }

  deliverEach(
    watches: readonly WatchInfo[],
    from: number,
    to: number,
    revision: Revision,
    event: Uint8Array,
  ): number {
    const header = this.#header(revision);
    const together = Math.max(1, Math.floor(SERIES_BYTES / event.length));
    for (let at = from; at < to; ) {
      if (this.#ended) return to;
      if (this.congested) return at;
      const end = Math.min(at + together, to);
      this.#eventsSent += end - at;
      this.#call.sendSeries(watchSeries(header, watches, at, end, event));
      at = end;
    }
    return to;
  }

  compacted(watchID: WatchID, compactRevision: Revision): boolean {
    if (this.congested) return false;
    const header = this.#header(0);
    this.#call.send(encodeWatchHead({ header, watchID, canceled: true, compactRevision }));
    return true;
  }

  progress(watchID: WatchID, revision: Revision): void {
    this.#call.send(encodeWatchHead({ header: this.#header(revision), watchID }));
  }

  notifyProgress(): void {
    this.#stream.notifyProgress();
  }

  report(looked: number, shown: number): WatchStreamReport {
    return {
      id: this.#id,
      client: this.#call.remote,
      user: this.#bearer.lastUser,
      viaGateway: this.#call.viaGateway,
      watches: this.#stream.size,
      eventsSent: this.#eventsSent,
      openedMs: this.#openedMs,
      queuedBytes: this.#call.bufferedBytes,
      congested: this.congested,
      ...this.#stream.describe(looked, shown),
    };
  }

  end(code: number, message: string): void {
    if (this.#ended) return;
    this.#close();
    this.#call.finish(code, message);
  }

  /** Requests have turns: a client may send ten thousand in a moment. */
  #take(message: Uint8Array): void {
    if (this.#ended) return;
    this.#requests.push(message);
    if (!this.#isServing) this.#serve();
    if (this.#requests.length === 0) return;
    // It waits for its turn; its bytes are only borrowed.
    this.#requests[this.#requests.length - 1] = copyBytes(message);
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#call.pauseReceiving();
  }

  #serve(): void {
    this.#isServing = true;
    const done = () => {
      this.#isServing = false;
    };
    const isCancelled = () => this.#ended;
    const failed = (error: unknown) => {
      const status = statusOf(error);
      this.end(status.code, status.message);
    };
    this.#server.turns.run((slice) => this.#serveAll(slice), { done, failed, isCancelled });
  }

  *#serveAll(slice: Slice): Steps<void> {
    let next = 0;
    for (let message = this.#requests[next]; message !== undefined; ) {
      if (slice.isUsedUp) {
        this.#requests.splice(0, next);
        next = 0;
        yield;
      }
      slice.left -= UNITS_PER_REQUEST;
      this.#receive(message);
      message = this.#requests[++next];
    }
    this.#requests = [];
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#call.resumeReceiving();
  }

  #receive(message: Uint8Array): void {
    if (this.#ended) return;
    const request = decodeOrEnd(WatchRequest, message, (code, text) => {
      this.#server.counters.streamFailures.of("receive", "watch").add();
      const told = { error: text };
      this.#server.logger.warn("failed to receive watch request from gRPC stream", told);
      this.end(code, text);
    });
    switch (request?.requestUnion?.case) {
      case "createRequest":
        this.#create(request.requestUnion.value);
        break;
      case "cancelRequest":
        this.#cancel(request.requestUnion.value.watchId);
        break;
      case "progressRequest":
        this.#stream.requestProgress();
        break;
      default:
        // As in etcd, a request that asks for nothing does not end the stream.
        break;
    }
  }

  #create(request: WatchCreateRequest): void {
    if (this.#stream.size >= MAX_WATCHES_PER_STREAM) {
      this.#call.send(
        encodeWatchHead({
          header: this.#header(this.#revision),
          watchID: INVALID_WATCH_ID,
          created: true,
          canceled: true,
          cancelReason: `etcdserver: too many watches on one stream (${MAX_WATCHES_PER_STREAM})`,
        }),
      );
      return;
    }
    const refusal = this.#refusalOf(request);
    if (refusal !== undefined) {
      this.#refuse(refusal);
      return;
    }
    const { watchID, revision, canceled, cancelReason } = this.#stream.create(request);
    const header = this.#header(revision);
    this.#call.send(encodeWatchHead({ header, watchID, created: true, canceled, cancelReason }));
    this.#syncSoon();
  }

  /** In the words of a gRPC error, as etcd puts it into the response. */
  #refusalOf(request: WatchCreateRequest): string | undefined {
    const { auth } = this.#server;
    if (!auth.store.enabled) return undefined;
    try {
      auth.store.requireAccess(this.#bearer.identify(), "read", watchedRange(request));
      return undefined;
    } catch (error) {
      const { code, message } = statusOf(error);
      return formatStatus(code, message);
    }
  }

  #refuse(cancelReason: string): void {
    const header = this.#header(this.#revision);
    const watchID = INVALID_WATCH_ID;
    this.#call.send(
      encodeWatchHead({ header, watchID, created: true, canceled: true, cancelReason }),
    );
  }

  /**
   * What users may do has changed: watches that lost their right end. (In etcd they go on; nobody
   * who may not read a key should be told of its changes.)
   */
  permissionsChanged(): void {
    const { auth } = this.#server;
    if (!auth.store.enabled) return;
    const who = this.#bearer.now();
    for (const { id, range } of this.#stream.watches()) {
      try {
        auth.store.requireAccess(who, "read", range);
      } catch (error) {
        const { code, message } = statusOf(error);
        this.#stream.cancel(id);
        const header = this.#header(this.#revision);
        const cancelReason = formatStatus(code, message);
        this.#call.send(encodeWatchHead({ header, watchID: id, canceled: true, cancelReason }));
      }
    }
  }

  #cancel(watchID: WatchID): void {
    if (!this.#stream.cancel(watchID)) return;
    const header = this.#header(this.#revision);
    this.#call.send(encodeWatchHead({ header, watchID, canceled: true }));
  }

  #close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stream.close();
    this.#onEnd();
  }

  get #revision(): Revision {
    return this.#server.store.currentRevision;
  }

  #header(revision: Revision): Uint8Array {
    return this.#server.header.encode(revision, this.#server.term);
  }
}

/** A revision may have hundreds of thousands of events. */
function inFewParts(parts: readonly Uint8Array[]): readonly Uint8Array[] {
  if (parts.length <= MAX_PARTS) return parts;
  const together = Math.ceil(parts.length / MAX_PARTS);
  const joined: Uint8Array[] = [];
  for (let at = 0; at < parts.length; at += together) {
    joined.push(Buffer.concat(parts.slice(at, at + together)));
  }
  return joined;
}
