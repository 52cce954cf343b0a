/** Watches as event emitters. What was missed while a connection was gone is told afterwards. */
import { EventEmitter } from "node:events";
import { KeyValue as KeyValueMessage } from "../api/gen/kv.ts";
import type { KeyValue, WatchEvent, WatchResponse, Watcher as Watch } from "../client/index.ts";
import type { ConnectionPool } from "./connection-pool.ts";
import { castError } from "./errors.ts";
import { type KeyPrefix, Range, type Rangable, toBuffer } from "./keys.ts";
import { fromMessage } from "./messages/convert.ts";
import type { IKeyValue, IWatchCreateRequest, IWatchResponse } from "./messages/kv.ts";

const FILTER_FOR = { put: "Nodelete", delete: "Noput" } as const;

type Operation = keyof typeof FILTER_FOR;

/** The watches of one namespace that have not ended. */
export class WatchManager {
  readonly pool: ConnectionPool;
  readonly watchers: Watcher[] = [];

  constructor(pool: ConnectionPool) {
    this.pool = pool;
  }

  remove(watcher: Watcher): void {
    const at = this.watchers.indexOf(watcher);
    if (at >= 0) this.watchers.splice(at, 1);
  }
}

export class WatchBuilder {
  readonly #manager: WatchManager;
  readonly #namespace: KeyPrefix;
  readonly #request: IWatchCreateRequest = { progress_notify: true };

  constructor(manager: WatchManager, namespace: KeyPrefix) {
    this.#manager = manager;
    this.#namespace = namespace;
  }

  key(key: string | Buffer): this {
    this.#request.key = toBuffer(key);
    return this;
  }

  prefix(value: string | Buffer): this {
    return this.inRange(Range.prefix(value));
  }

  inRange(range: Rangable): this {
    const { start, end } = Range.from(range);
    this.#request.key = start;
    this.#request.range_end = end;
    return this;
  }

  /** Leaves out these operations. */
  ignore(...operations: readonly Operation[]): this {
    const all: readonly Operation[] = ["put", "delete"];
    return this.only(...all.filter((operation) => !operations.includes(operation)));
  }

  /** Tells these operations only. */
  only(...operations: readonly Operation[]): this {
    const wanted = new Set(operations);
    // A filter for each of the two would leave nothing over.
    const filters = wanted.size === 1 ? [...wanted].map((operation) => FILTER_FOR[operation]) : [];
    this.#request.filters = filters;
    return this;
  }

  /** Tells also what was there before. */
  withPreviousKV(): this {
    this.#request.prev_kv = true;
    return this;
  }

  /** Tells what has happened from this revision on. */
  startRevision(revision: string | number): this {
    this.#request.start_revision = Number(revision);
    return this;
  }

  /** Begins at once; errors are events. */
  watcher(): Watcher {
    return new Watcher(this.#manager, this.#namespace, { ...this.#request });
  }

  /** Begins, and waits until the server has the watch. */
  create(): Promise<Watcher> {
    const watcher = this.watcher();
    return new Promise((resolve, reject) => {
      watcher.once("connected", () => resolve(watcher));
      watcher.once("error", reject);
    });
  }
}

interface WatcherEvents {
  connecting: [request: IWatchCreateRequest];
  /** A server has the watch: for the first time, or after a connection was lost. */
  connected: [response: IWatchResponse];
  data: [response: IWatchResponse];
  put: [kv: IKeyValue, previous?: IKeyValue | null];
  delete: [kv: IKeyValue, previous?: IKeyValue | null];
  end: [];
  disconnected: [error: Error];
  /** The watch has ended: refused, or its history is compacted. */
  error: [error: Error];
}

export class Watcher extends EventEmitter {
  /** `start_revision` is where the watch goes on after a break. */
  readonly request: IWatchCreateRequest;
  readonly #manager: WatchManager;
  readonly #watch: Watch;
  readonly #ended: Promise<void>;

  constructor(manager: WatchManager, namespace: KeyPrefix, request: IWatchCreateRequest) {
    super();
    this.request = namespace.addTo(request);
    this.#manager = manager;
    const { key = Buffer.alloc(0), range_end: end, start_revision: from } = request;
    const { filters = [], prev_kv: prevKV = false } = request;
    const keys =
      namespace.prefix.length === 0
        ? manager.pool.client
        : manager.pool.client.namespace(namespace.prefix);
    this.#watch = keys.watch(key, {
      rangeEnd: end !== undefined && end.length > 0 ? end : undefined,
      startRevision: from === undefined ? undefined : Number(from),
      prevKV,
      progressNotify: true,
      filters: filters.map((name) => (name === "Noput" || name === 0 ? "noPut" : "noDelete")),
      requireLeader: false,
      onAttached: (revision) => this.#attached(revision),
      onDetached: (error) => this.emit("disconnected", castError(error, "Watch")),
    });
    manager.watchers.push(this);
    queueMicrotask(() => this.emit("connecting", this.request));
    this.#ended = this.#run();
  }

  /** The revision from which the watch goes on; null before the server has it. */
  lastRevision(): number | null {
    const revision = this.request.start_revision;
    return revision === undefined ? null : Number(revision);
  }

  /** Ends the watch; "end" is told before this settles. */
  async cancel(): Promise<void> {
    this.#watch.cancel();
    await this.#ended;
  }

  override on<K extends keyof WatcherEvents>(
    event: K,
    handler: (...args: WatcherEvents[K]) => void,
  ): this {
    return super.on(event, handler as (...args: unknown[]) => void);
  }

  async #run(): Promise<void> {
    try {
      for await (const response of this.#watch) this.#tell(response);
      this.#manager.remove(this);
      this.emit("end");
    } catch (error) {
      this.#manager.remove(this);
      this.emit("error", castError(error, "Watch"));
    }
  }

  #attached(revision: number): void {
    this.request.start_revision = String(revision);
    this.emit("connected", { ...responseOf(revision - 1, []), created: true });
  }

  #tell(response: WatchResponse): void {
    const told = responseOf(response.revision, response.events);
    this.request.start_revision = String(response.revision + 1);
    this.emit("data", told);
    for (const { type, kv, prev_kv: previous } of told.events) {
      this.emit(type === "Put" ? "put" : "delete", kv, previous);
    }
  }
}

/** The client joins watches of several streams, so ids of streams and members are not there. */
function responseOf(revision: number, events: readonly WatchEvent[]): IWatchResponse {
  return {
    header: { cluster_id: "0", member_id: "0", revision: String(revision), raft_term: "0" },
    watch_id: "0",
    created: false,
    canceled: false,
    compact_revision: "0",
    cancel_reason: "",
    fragment: false,
    events: events.map(({ type, kv, prevKV }) => ({
      type: type === "put" ? "Put" : "Delete",
      kv: rawKeyValue(kv),
      prev_kv: prevKV === undefined ? null : rawKeyValue(prevKV),
    })),
  };
}

function rawKeyValue(kv: KeyValue): IKeyValue {
  return fromMessage(KeyValueMessage, kv) as IKeyValue;
}
