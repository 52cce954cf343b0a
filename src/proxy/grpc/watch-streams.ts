/**
 * The Watch service of the proxy: the clients' streams, whose watches share broadcasts. A client
 * that reads too slowly leaves its broadcasts, and comes back at the revision where it stopped.
 */
import { ERRORS, formatStatus } from "../../api/errors.ts";
import {
  RangeRequest,
  type ResponseHeader,
  type WatchCreateRequest,
  WatchCreateRequest_FilterType,
  WatchRequest,
  WatchResponse,
} from "../../api/gen/rpc.ts";
import { copyBytes, latin1FromBytes } from "../../base/bytes.ts";
import type { Revision } from "../../base/ids.ts";
import {
  type EtcdClient,
  type EtcdClientError,
  type KeyClient,
  METHODS,
} from "../../client/index.ts";
import type { KeyPrefix } from "../../client/namespace/key-prefix.ts";
import type { StreamCall } from "../../env/rpc.ts";
import type { Receiver } from "./broadcast.ts";
import type { ProxyMetrics } from "./metrics.ts";
import { type CallerIdentity, callerOf, statusOf, type Upstream } from "./upstream.ts";
import { WatchGroup } from "./watch-group.ts";

/** Bytes queued to one client beyond which its watches and what is passed on to it wait. */
export const CONGESTED_BYTES = 4 * 1024 * 1024;
/** Watches that one stream may have, as at a member: bounds what one client makes it remember. */
const MAX_PROXIED_WATCHES_PER_STREAM = 100_000;
const INVALID_WATCH_ID = -1;

export interface WatchStreamsOptions {
  readonly upstream: Upstream;
  readonly metrics: ProxyMetrics;
  readonly namespace: KeyPrefix | undefined;
  /** The client as its keys are seen; its namespace if there is one. */
  readonly keysOf: (client: EtcdClient) => KeyClient;
}

export class WatchStreams {
  readonly #options: WatchStreamsOptions;
  readonly #groups = new Map<string, WatchGroup>();
  readonly #streams = new Set<ProxyWatchStream>();

  constructor(options: WatchStreamsOptions) {
    this.#options = options;
  }

  open(call: StreamCall): void {
    const stream = new ProxyWatchStream(call, {
      headerAt: (revision) => this.#options.upstream.headerAt(revision),
      present: () => this.#options.upstream.lastHeader?.revision ?? 0,
      groupOf: (request) => this.#groupOf(callerOf(call), request),
      onEnd: () => this.#streams.delete(stream),
    });
    this.#streams.add(stream);
  }

  stop(): void {
    for (const stream of this.#streams) stream.end(undefined);
  }

  #groupOf(caller: CallerIdentity, request: WatchCreateRequest): WatchGroup {
    const { key, rangeEnd, prevKv } = request;
    const name = [caller.name, prevKv, latin1FromBytes(key), latin1FromBytes(rangeEnd)].join("\n");
    const known = this.#groups.get(name);
    if (known !== undefined) return known;
    const { upstream, metrics, keysOf } = this.#options;
    const client = upstream.clientOf(caller);
    const release = upstream.hold(client);
    const group = new WatchGroup({
      client: keysOf(client),
      range: { key: copyBytes(key), rangeEnd: copyBytes(rangeEnd), prevKV: prevKv },
      metrics,
      presentRevision: () => this.#presentRevision(client, key),
      headerAt: (revision) => upstream.headerAt(revision),
      onEmpty: () => {
        release();
        this.#groups.delete(name);
      },
    });
    this.#groups.set(name, group);
    return group;
  }

  /** Asks for the key that is watched: the caller may read no other. */
  async #presentRevision(client: EtcdClient, watched: Uint8Array): Promise<Revision> {
    const { namespace, upstream } = this.#options;
    const first = watched.length === 0 ? Uint8Array.of(0) : watched;
    const key = namespace === undefined ? first : namespace.add(first);
    const request = RangeRequest.create({ key, countOnly: true });
    const { header } = await client.call(METHODS.range, request);
    upstream.lastHeader = header;
    return header?.revision ?? 0;
  }
}

interface StreamDeps {
  readonly headerAt: (revision: Revision) => ResponseHeader;
  /** The newest revision that is known. */
  readonly present: () => Revision;
  readonly groupOf: (request: WatchCreateRequest) => WatchGroup;
  readonly onEnd: () => void;
}

class ProxyWatchStream {
  readonly #call: StreamCall;
  readonly #deps: StreamDeps;
  readonly #watches = new Map<number, ProxyWatch>();
  readonly #waiting = new Set<ProxyWatch>();
  /** Those of whom a progress request still waits to hear, and the least that others have got. */
  #behind = new Set<ProxyWatch>();
  #progress: Revision = 0;
  #nextID = 0;
  #ended = false;

  constructor(call: StreamCall, deps: StreamDeps) {
    this.#call = call;
    this.#deps = deps;
    call.onMessage = (message) => this.#take(message);
    call.onHalfClose = () => this.end(undefined);
    call.onCancel = () => this.#leave();
    call.onDrain = () => {
      call.resumeReceiving();
      for (const watch of this.#waiting) watch.group.place(watch);
      this.#waiting.clear();
    };
  }

  end(error: unknown): void {
    if (this.#ended) return;
    this.#leave();
    const { code, message } = error === undefined ? { code: 0, message: "" } : statusOf(error);
    this.#call.finish(code, message);
  }

  /** False when the client has not read what it got. */
  send(watch: ProxyWatch, messages: readonly Uint8Array[]): boolean {
    if (this.#ended) return true;
    if (this.#call.bufferedBytes > CONGESTED_BYTES) {
      this.#waiting.add(watch);
      return false;
    }
    for (const message of messages) this.#call.send(watch.idField, message);
    return true;
  }

  /** Without events. Always goes out; who asks for much of it and does not read is not heard. */
  tell(fields: Partial<WatchResponse>): void {
    if (this.#ended) return;
    this.#call.send(WatchResponse.encode(WatchResponse.create(fields)));
    if (this.#call.bufferedBytes > CONGESTED_BYTES) this.#call.pauseReceiving();
  }

  headerAt(revision: Revision): ResponseHeader {
    return this.#deps.headerAt(revision);
  }

  /** The member has ended the watch. */
  cancelled(watch: ProxyWatch, error: EtcdClientError | undefined): void {
    this.#forget(watch);
    const compactRevision = error?.compactRevision ?? 0;
    const cancelReason = error === undefined || compactRevision > 0 ? "" : reasonOf(error);
    const header = this.headerAt(compactRevision > 0 ? 0 : watch.nextRevision - 1);
    const created = !watch.isCreated;
    const fields = { header, created, canceled: true, compactRevision, cancelReason };
    this.tell({ watchId: watch.id, ...fields });
  }

  #take(message: Uint8Array): void {
    let request: WatchRequest;
    try {
      request = WatchRequest.decode(copyBytes(message));
    } catch (error) {
      this.end(error);
      return;
    }
    const { requestUnion } = request;
    if (requestUnion?.case === "createRequest") this.#create(requestUnion.value);
    else if (requestUnion?.case === "cancelRequest") this.#cancel(requestUnion.value.watchId);
    else if (requestUnion?.case === "progressRequest") this.#requestProgress();
  }

  /** Answered when each of the stream's watches has got everything up to one revision. */
  #requestProgress(): void {
    const [first] = this.#watches.values();
    if (first === undefined) {
      this.#tellProgress(this.#deps.present());
      return;
    }
    this.#behind = new Set(this.#watches.values());
    this.#progress = Number.POSITIVE_INFINITY;
    // The watches of one token share one stream of the member, which answers for all of them.
    first.group.requestProgress(first);
  }

  /** Everything up to this revision has gone to the watch. */
  advanced(watch: ProxyWatch, revision: Revision): void {
    if (!this.#behind.delete(watch)) return;
    this.#progress = Math.min(this.#progress, revision);
    if (this.#behind.size === 0) this.#tellProgress(this.#progress);
  }

  #tellProgress(revision: Revision): void {
    this.tell({ watchId: INVALID_WATCH_ID, header: this.headerAt(revision) });
  }

  #create(request: WatchCreateRequest): void {
    const refusal = this.#refusalOf(request);
    if (refusal !== undefined) {
      const fields = { watchId: INVALID_WATCH_ID, created: true, canceled: true };
      this.tell({ ...fields, header: this.headerAt(0), cancelReason: refusal });
      return;
    }
    const id = request.watchId === 0 ? this.#freeID() : request.watchId;
    const watch = new ProxyWatch(id, request, this, this.#deps.groupOf(request));
    this.#watches.set(id, watch);
    watch.group.add(watch);
  }

  #refusalOf({ startRevision, key, rangeEnd, watchId }: WatchCreateRequest): string | undefined {
    if (startRevision < 0) return ERRORS.compacted.message;
    const isOpen = rangeEnd.length === 1 && rangeEnd[0] === 0;
    const isEmpty = rangeEnd.length > 0 && !isOpen && Buffer.compare(rangeEnd, key) <= 0;
    if (isEmpty) return "etcdserver: invalid watch range";
    if (this.#watches.has(watchId) && watchId !== 0) return "mvcc: duplicate watch ID";
    if (this.#watches.size < MAX_PROXIED_WATCHES_PER_STREAM) return undefined;
    return `etcdserver: too many watches on one stream (${MAX_PROXIED_WATCHES_PER_STREAM})`;
  }

  #freeID(): number {
    while (this.#watches.has(this.#nextID)) this.#nextID++;
    return this.#nextID++;
  }

  #cancel(id: number): void {
    const watch = this.#watches.get(id);
    if (watch === undefined) return;
    this.#forget(watch);
    watch.group.remove(watch);
    const header = this.headerAt(Math.max(0, watch.nextRevision - 1));
    this.tell({ header, watchId: id, canceled: true });
  }

  #forget(watch: ProxyWatch): void {
    this.#watches.delete(watch.id);
    this.#waiting.delete(watch);
    this.#behind.delete(watch);
  }

  #leave(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const watch of this.#watches.values()) watch.group.remove(watch);
    this.#watches.clear();
    this.#waiting.clear();
    this.#deps.onEnd();
  }
}

/** A refusal of the member comes in the form of a gRPC error already. */
function reasonOf({ code, message }: EtcdClientError): string {
  return message.startsWith("rpc error: ") ? message : formatStatus(code, message);
}

class ProxyWatch implements Receiver {
  readonly id: number;
  readonly group: WatchGroup;
  readonly noPut: boolean;
  readonly noDelete: boolean;
  readonly isFragmented: boolean;
  /** Stands before each answer with events. */
  readonly idField: Uint8Array;
  nextRevision: Revision;
  isCreated = false;
  readonly #stream: ProxyWatchStream;
  readonly #progressNotify: boolean;

  constructor(
    id: number,
    request: WatchCreateRequest,
    stream: ProxyWatchStream,
    group: WatchGroup,
  ) {
    this.id = id;
    this.idField = WatchResponse.encode(WatchResponse.create({ watchId: id }));
    this.isFragmented = request.fragment;
    this.group = group;
    this.nextRevision = request.startRevision;
    this.noPut = request.filters.includes(WatchCreateRequest_FilterType.NOPUT);
    this.noDelete = request.filters.includes(WatchCreateRequest_FilterType.NODELETE);
    this.#stream = stream;
    this.#progressNotify = request.progressNotify;
  }

  created(): void {
    if (this.isCreated) return;
    this.isCreated = true;
    const header = this.#stream.headerAt(Math.max(0, this.nextRevision - 1));
    this.#stream.tell({ header, watchId: this.id, created: true });
  }

  deliver(messages: readonly Uint8Array[]): boolean {
    return this.#stream.send(this, messages);
  }

  progress(revision: Revision): void {
    const header = this.#stream.headerAt(revision);
    if (this.#progressNotify) this.#stream.tell({ header, watchId: this.id });
    this.#stream.advanced(this, revision);
  }

  ended(error: EtcdClientError | undefined): void {
    this.group.remove(this);
    this.#stream.cancelled(this, error);
  }
}
