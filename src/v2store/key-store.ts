/**
 * The tree of the v2 store, and what requests of the log do to it: the state machine of the v2 API.
 * The same requests in the same order give the same tree and the same indexes on every member, of
 * etcd or of this kind. A clock is asked only to show how long something will live.
 *
 * Every change has an index of its own, one above that of the change before, and is an event in the
 * history. What fails changes nothing but the statistics.
 */
import type { Request } from "../api/gen/etcdserver.ts";
import { OrderedQueue } from "../base/due-queue.ts";
import { V2_CODE, V2Error, type V2ErrorCode } from "./errors.ts";
import { EventHistory } from "./event-history.ts";
import {
  compareExpiry,
  type Expiry,
  expiryOfNanoseconds,
  instantOfNanoseconds,
  isPlausible,
} from "./expiry.ts";
import { childPath, cleanPath, endsBefore, nameOf, Node } from "./node.ts";
import { CLUSTER_ROOT, KEYS_ROOT, VERSION_PATH } from "./paths.ts";
import { newStatistics, type Statistics } from "./statistics.ts";
import {
  type Action,
  detailOf,
  endOf,
  type Listing,
  type NodeView,
  previousOf,
  type StoreEvent,
} from "./views.ts";
import type { V2StoreCounters } from "./v2-metrics.ts";
import { type WatchListener, type WatchOptions, type Watcher, WatchHub } from "./watch-hub.ts";

/** What stands in a document; the tree's nodes have their parents. */
export interface StoreContent {
  readonly root: Node;
  readonly index: number;
  readonly history: EventHistory;
  readonly statistics: Statistics;
}

interface Lifetime {
  readonly expiry: Expiry | undefined;
  /** The value stays, and watchers do not hear of it. */
  readonly isRefresh: boolean;
}

const FOREVER: Lifetime = { expiry: undefined, isRefresh: false };

/** What users cannot change as such. */
const READ_ONLY: ReadonlySet<string> = new Set(["/", CLUSTER_ROOT, KEYS_ROOT]);
/** Digits of the name that a key gets from its index. */
const IN_ORDER_NAME_DIGITS = 20;

export class KeyStore {
  #root: Node;
  #index: number;
  #history: EventHistory;
  #statistics: Statistics;
  #expiring = new OrderedQueue<Node>(endsBefore);
  readonly #hub = new WatchHub();
  readonly #nowMs: () => number;
  #counters: V2StoreCounters | undefined;

  /** `nowMs`: the wall clock, for how many seconds are left. */
  constructor(nowMs: () => number, content: StoreContent = emptyContent()) {
    this.#nowMs = nowMs;
    this.#root = content.root;
    this.#index = content.index;
    this.#history = content.history;
    this.#statistics = content.statistics;
    this.load(content);
  }

  /** Takes another content. Who waits goes on waiting. */
  load({ root, index, history, statistics }: StoreContent): void {
    this.#root = root;
    this.#index = index;
    this.#history = history;
    this.#statistics = statistics;
    this.#expiring = new OrderedQueue<Node>(endsBefore);
    this.#collectExpiring(root);
  }

  #collectExpiring(node: Node): void {
    if (node.expiry !== undefined) this.#queueEnd(node);
    for (const child of node.children?.values() ?? []) this.#collectExpiring(child);
  }

  /** After a node's end has changed, also to none. */
  #queueEnd(node: Node): void {
    if (node.expiry === undefined) this.#expiring.remove(node);
    else this.#expiring.update(node);
  }

  /** For a document; not to be changed. */
  get content(): StoreContent {
    const { watchers: _, ...counts } = this.#statistics;
    const statistics = { ...counts, watchers: this.#hub.count };
    return { root: this.#root, index: this.#index, history: this.#history, statistics };
  }

  get index(): number {
    return this.#index;
  }

  get statistics(): Readonly<Statistics> {
    return this.content.statistics;
  }

  /** Who waits for changes. */
  get watcherCount(): number {
    return this.#hub.count;
  }

  /** Operations are counted there from now on. */
  countWith(counters: V2StoreCounters): void {
    this.#counters = counters;
  }

  get hasExpiring(): boolean {
    return this.#expiring.size > 0;
  }

  /**
   * Applies a request of the log. Undefined for one without an answer. Throws `V2Error`, which is the
   * answer then.
   */
  apply(request: Request): StoreEvent | undefined {
    const { Method, Path, Val, Dir, PrevValue, PrevIndex, Recursive } = request;
    switch (Method) {
      case "POST":
        return this.create(Path, Dir ? undefined : Val, lifetimeOf(request), true);
      case "PUT":
        return this.#put(request);
      case "DELETE":
        return PrevIndex > 0n || PrevValue !== ""
          ? this.#compareAndDelete(Path, PrevValue, PrevIndex)
          : this.delete(Path, Dir, Recursive);
      case "QGET":
        return this.get(Path, { isRecursive: Recursive, isSorted: request.Sorted });
      case "SYNC":
        this.#expire(instantOfNanoseconds(request.Time));
        return undefined;
      default:
        throw new V2Error(V2_CODE.raftInternal, "etcdserver: unknown method");
    }
  }

  #put(request: Request): StoreEvent {
    const { Path, Val, Dir, PrevValue, PrevIndex, PrevExist } = request;
    const lifetime = lifetimeOf(request);
    if (PrevExist === false) return this.create(Path, Dir ? undefined : Val, lifetime, false);
    if (PrevIndex > 0n || PrevValue !== "") return this.#compareAndSwap(request, lifetime);
    if (PrevExist === true) return this.update(Path, Val, lifetime);
    return this.set(Path, Dir ? undefined : Val, lifetime);
  }

  /** Throws `V2Error`, as all of these do. */
  get(path: string, listing: Listing): StoreEvent {
    this.#counters?.reads.of(listing.isRecursive ? "getRecursive" : "get").add();
    return this.#counted("getsSuccess", "getsFail", () => {
      const node = this.#find(path);
      const view = detailOf(node, listing, this.#nowMs());
      return { action: "get", node: view, storeIndex: this.#index };
    });
  }

  /** Without a value it makes a directory; `isInOrder` names the new node below `path`. */
  create(
    path: string,
    value: string | undefined,
    lifetime = FOREVER,
    isInOrder = false,
  ): StoreEvent {
    this.#countWrite("create");
    return this.#counted("createSuccess", "createFail", () => {
      const name = `/${(this.#index + 1).toString().padStart(IN_ORDER_NAME_DIGITS, "0")}`;
      const target = isInOrder ? path + name : path;
      return this.#announce(this.#insert("create", target, value, lifetime.expiry));
    });
  }

  set(path: string, value: string | undefined, lifetime = FOREVER): StoreEvent {
    this.#countWrite("set");
    return this.#counted("setsSuccess", "setsFail", () => {
      const isRefreshed = lifetime.isRefresh && value !== undefined;
      const kept = lifetime.isRefresh ? this.#find(path).value : "";
      const content = isRefreshed ? kept : value;
      return this.#announce(this.#insert("set", path, content, lifetime.expiry), lifetime);
    });
  }

  /** Of a directory only the lifetime can change. */
  update(path: string, value: string, lifetime = FOREVER): StoreEvent {
    const clean = cleanPath(path);
    this.#countWrite("update");
    return this.#counted("updateSuccess", "updateFail", (refuse) => {
      if (READ_ONLY.has(clean)) throw refuse(V2_CODE.rootReadOnly, "/");
      const node = this.#find(clean);
      if (node.isDirectory) {
        if (value !== "") throw refuse(V2_CODE.notFile, clean);
        // etcd 3.5 refuses to change the lifetime of a directory; all other releases do it.
        if (this.#isOfEtcd35) {
          throw refuse(V2_CODE.raftInternal, `nodePath ${clean} : Not a file ()`, 0);
        }
      }
      return this.#overwrite("update", node, value, lifetime);
    });
  }

  #compareAndSwap({ Path, Val, PrevValue, PrevIndex }: Request, lifetime: Lifetime): StoreEvent {
    const clean = cleanPath(Path);
    this.#countWrite("compareAndSwap");
    return this.#counted("compareAndSwapSuccess", "compareAndSwapFail", (refuse) => {
      if (READ_ONLY.has(clean)) throw refuse(V2_CODE.rootReadOnly, "/");
      const node = this.#find(clean);
      if (node.isDirectory) throw this.#error(V2_CODE.notFile, clean);
      const difference = differenceOf(node, PrevValue, PrevIndex);
      if (difference !== undefined) throw this.#error(V2_CODE.compareFailed, difference);
      return this.#overwrite("compareAndSwap", node, Val, lifetime);
    });
  }

  #overwrite(action: Action, node: Node, value: string, lifetime: Lifetime): StoreEvent {
    const previous = previousOf(node, this.#nowMs());
    const index = ++this.#index;
    if (!node.isDirectory) {
      if (!lifetime.isRefresh) node.value = value;
      node.modifiedIndex = index;
    }
    node.expiry = lifetime.expiry;
    this.#queueEnd(node);
    const view: NodeView = {
      key: node.path,
      ...(node.isDirectory ? {} : { value: node.value }),
      isDirectory: node.isDirectory,
      ...endOf(node, this.#nowMs()),
      modifiedIndex: index,
      createdIndex: node.createdIndex,
    };
    return this.#announce({ action, node: view, previous, storeIndex: index }, lifetime);
  }

  delete(path: string, isDirectory: boolean, isRecursive: boolean): StoreEvent {
    const clean = cleanPath(path);
    this.#countWrite("delete");
    return this.#counted("deleteSuccess", "deleteFail", (refuse) => {
      if (READ_ONLY.has(clean)) throw refuse(V2_CODE.rootReadOnly, "/");
      const node = this.#find(clean);
      if (node.isDirectory) {
        if (!isDirectory && !isRecursive) throw this.#error(V2_CODE.notFile, clean);
        if (node.children?.size !== 0 && !isRecursive) {
          throw this.#error(V2_CODE.directoryNotEmpty, clean);
        }
      }
      return this.#end("delete", node);
    });
  }

  #compareAndDelete(path: string, value: string, index: bigint): StoreEvent {
    const clean = cleanPath(path);
    this.#countWrite("compareAndDelete");
    return this.#counted("compareAndDeleteSuccess", "compareAndDeleteFail", (refuse) => {
      const node = this.#find(clean);
      if (node.isDirectory) throw refuse(V2_CODE.notFile, clean);
      const difference = differenceOf(node, value, index);
      if (difference !== undefined) throw refuse(V2_CODE.compareFailed, difference);
      return this.#end("compareAndDelete", node);
    });
  }

  /** Ends all that was to end by then, each with an event of its own. */
  #expire(until: Expiry): void {
    for (;;) {
      const node = this.#expiring.peek();
      if (node?.expiry === undefined || compareExpiry(node.expiry, until) > 0) return;
      this.#statistics.expireCount++;
      this.#counters?.expires.add();
      this.#end("expire", node);
    }
  }

  /** The node goes, with all that is in it. */
  #end(action: Action, node: Node): StoreEvent {
    const { path: key, createdIndex } = node;
    const index = ++this.#index;
    // As in etcd, what a comparison has deleted is not shown to be a directory, which it is not.
    const view = { key, isDirectory: node.isDirectory, ttl: 0, modifiedIndex: index, createdIndex };
    const previous = previousOf(node, this.#nowMs());
    const event: StoreEvent = { action, node: view, previous, storeIndex: index };
    node.parent?.children?.delete(nameOf(key));
    this.#forget(node, event);
    return this.#announce(event);
  }

  /** What is in a node first: who waits there hears of it as of their own. */
  #forget(node: Node, event: StoreEvent): void {
    for (const child of node.children?.values() ?? []) this.#forget(child, event);
    this.#expiring.remove(node);
    this.#hub.notifyAt(node.path, event, true);
  }

  /** Throws `V2Error` when events from `sinceIndex` on are gone. */
  watch(path: string, options: WatchOptions, listener: WatchListener): Watcher {
    this.#counters?.watchRequests.add();
    const at = { history: this.#history, storeIndex: this.#index };
    return this.#hub.watch(cleanPath(path), options, at, listener);
  }

  get #isOfEtcd35(): boolean {
    return this.#peek(VERSION_PATH)?.value.startsWith("3.5.") === true;
  }

  /** The value of a key; it counts as a get, and costs no error when there is none. */
  value(path: string): string | undefined {
    const node = this.#peek(cleanPath(path));
    this.#counters?.reads.of("get").add();
    this.#statistics[node === undefined ? "getsFail" : "getsSuccess"]++;
    return node === undefined || node.isDirectory ? undefined : node.value;
  }

  /** The value of a key, without a trace in the statistics. */
  valueAt(path: string): string | undefined {
    const node = this.#peek(path);
    return node === undefined || node.isDirectory ? undefined : node.value;
  }

  #peek(path: string): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const name of path.split("/")) {
      if (name !== "") node = node?.children?.get(name);
    }
    return node;
  }

  /** Puts a new node in its place, and makes the directories above it. */
  #insert(
    action: "create" | "set",
    path: string,
    value: string | undefined,
    expiry: Expiry | undefined,
  ): StoreEvent {
    const clean = cleanPath(path);
    if (READ_ONLY.has(clean)) throw this.#error(V2_CODE.rootReadOnly, "/");
    const directory = this.#directoryFor(clean, action);
    const name = nameOf(clean);
    const nowMs = this.#nowMs();
    const existing = directory.children?.get(name);
    let previous: NodeView | undefined;
    if (existing !== undefined) {
      if (action === "create") throw this.#error(V2_CODE.keyExists, clean);
      if (existing.isDirectory) throw this.#error(V2_CODE.notFile, clean);
      previous = previousOf(existing, nowMs);
      this.#expiring.remove(existing);
    }
    const index = ++this.#index;
    const end = expiry !== undefined && isPlausible(expiry) ? expiry : undefined;
    const node = new Node(clean, index, value ?? new Map(), end);
    node.parent = directory;
    directory.children?.set(name, node);
    this.#queueEnd(node);
    const view: NodeView = {
      key: clean,
      ...(value === undefined ? {} : { value }),
      isDirectory: value === undefined,
      ...endOf(node, nowMs),
      modifiedIndex: index,
      createdIndex: index,
    };
    return { action, node: view, previous, storeIndex: index };
  }

  /** The directory of a path's last name. Missing ones get the index of what they are made for. */
  #directoryFor(clean: string, action: "create" | "set"): Node {
    const names = clean.split("/");
    let node = this.#root;
    for (let i = 1; i < names.length - 1; i++) {
      const name = names[i] ?? "";
      let child = node.children?.get(name);
      if (child === undefined) {
        child = new Node(childPath(node, name), this.#index + 1, new Map());
        child.parent = node;
        node.children?.set(name, child);
      } else if (!child.isDirectory) {
        if (action === "create") {
          // As in etcd, counted here and by the operation.
          this.#statistics.setsFail++;
          this.#countWrite(action);
        }
        throw this.#error(V2_CODE.notDirectory, child.path);
      }
      node = child;
    }
    return node;
  }

  #find(path: string): Node {
    const clean = cleanPath(path);
    let node = this.#root;
    if (clean === "/") return node;
    for (const name of clean.slice(1).split("/")) {
      if (node.children === undefined) throw this.#error(V2_CODE.notDirectory, node.path);
      const child = node.children.get(name);
      if (child === undefined) throw this.#error(V2_CODE.keyNotFound, childPath(node, name));
      node = child;
    }
    return node;
  }

  /** Into the history, and to who waits. */
  #announce(event: StoreEvent, { isRefresh }: Lifetime = FOREVER): StoreEvent {
    if (isRefresh) {
      const silent: StoreEvent = { ...event, isRefresh: true };
      this.#history.add(silent);
      return silent;
    }
    this.#history.add(event);
    this.#hub.notify(event);
    return event;
  }

  #countWrite(action: Action): void {
    this.#counters?.writes.of(action).add();
  }

  #error(code: V2ErrorCode, reason: string): V2Error {
    return new V2Error(code, reason, this.#index);
  }

  /**
   * Counts an operation. What is thrown by `refuse` counts as done: so etcd counts some refusals, and
   * the statistics stand in the document.
   */
  #counted(
    done: keyof Statistics,
    failed: keyof Statistics,
    operation: (refuse: Refuse) => StoreEvent,
  ): StoreEvent {
    let counts: keyof Statistics = failed;
    try {
      const event = operation((code, reason, index = this.#index) => {
        counts = done;
        return new V2Error(code, reason, index);
      });
      counts = done;
      return event;
    } finally {
      this.#statistics[counts]++;
    }
  }
}

type Refuse = (code: V2ErrorCode, reason: string, index?: number) => V2Error;

function lifetimeOf({ Expiration, Refresh }: Request): Lifetime {
  if (Expiration === 0n && Refresh !== true) return FOREVER;
  return { expiry: expiryOfNanoseconds(Expiration), isRefresh: Refresh === true };
}

/** What speaks against a comparison, in etcd's words; an empty value and 0 match everything. */
function differenceOf(node: Node, value: string, index: bigint): string | undefined {
  const differences: string[] = [];
  if (value !== "" && value !== node.value) differences.push(`[${value} != ${node.value}]`);
  if (index !== 0n && index !== BigInt(node.modifiedIndex)) {
    differences.push(`[${index} != ${node.modifiedIndex}]`);
  }
  return differences.length === 0 ? undefined : differences.join(" ");
}

function emptyContent(): StoreContent {
  const root = new Node("/", 0, new Map());
  for (const path of [CLUSTER_ROOT, KEYS_ROOT]) {
    const node = new Node(path, 0, new Map());
    node.parent = root;
    root.children?.set(nameOf(path), node);
  }
  return { root, index: 0, history: new EventHistory(), statistics: newStatistics() };
}
