/**
 * Changes of the v2 tree over v3 keys: each is one transaction, so one revision, which also says what
 * was done. Codes and texts of refusals are those of etcd 3.5 in this mode, also where its own v2
 * store has others.
 */
import type { Request } from "../../api/gen/etcdserver.ts";
import type { Compare, RequestOp, TxnResponse } from "../../api/gen/rpc.ts";
import { bytesFromUtf8, EMPTY_BYTES, utf8FromBytes } from "../../base/bytes.ts";
import {
  type Action,
  cleanPath,
  type NodeView,
  type StoreEvent,
  V2_CODE,
  V2Error,
  type V2ErrorCode,
} from "../../v2store/index.ts";
import { type NodeState, nodeState } from "./node-state.ts";
import { indexOf, viewOf } from "./node-views.ts";
import {
  deletionOf,
  exists,
  hasValue,
  isMissing,
  keyOf,
  putOf,
  rangeOf,
  wasModifiedAt,
} from "./operations.ts";
import { isRoot, MAX_DEPTH, type V3Paths } from "./paths.ts";
import type { V3Calls } from "./v3-calls.ts";

/** Digits of the name that a key gets from its index. */
const IN_ORDER_NAME_DIGITS = 20;

/** All of it rejects with `V2Error`. */
export class V3Changes {
  readonly #calls: V3Calls;
  readonly #paths: V3Paths;

  constructor(calls: V3Calls, paths: V3Paths) {
    this.#calls = calls;
    this.#paths = paths;
  }

  /** Does what a request of the v2 API asks for. */
  apply(request: Request): Promise<StoreEvent> {
    const { Method, PrevValue, PrevIndex, PrevExist } = request;
    const isCompared = PrevIndex > 0n || PrevValue !== "";
    switch (Method) {
      case "POST":
        return this.#create(request, true);
      case "PUT":
        if (PrevExist === false) return this.#create(request, false);
        if (isCompared) return this.#compareAndSwap(request);
        return PrevExist === true ? this.#update(request) : this.#set(request);
      case "DELETE":
        return isCompared ? this.#compareAndDelete(request) : this.#delete(request);
      default:
        throw new V2Error(V2_CODE.raftInternal, "etcdserver: unknown method");
    }
  }

  async #set(request: Request): Promise<StoreEvent> {
    refuseLifetime(request);
    refuseRoot(request);
    const { Path: path, Dir, Val } = request;
    for (;;) {
      const state = await this.#stateOf(path);
      const { node } = state;
      const missing = missingAbove(state, path);
      if (Dir && node.file !== undefined) throw refusal(V2_CODE.notDirectory, path, state);
      if (!Dir && node.directory !== undefined) throw refusal(V2_CODE.notFile, path, state);
      const key = Dir ? node.directoryKey : node.fileKey;
      const previous = Dir ? node.directory : node.file;
      const revision = await this.#write("set", state, [...missing, putOf(key, utf8(Val))]);
      if (revision === undefined) continue;
      const createdAt = previous?.createRevision ?? revision;
      return {
        action: "set",
        node: nodeAfter(path, Dir ? undefined : Val, revision, createdAt),
        previous: previous === undefined ? undefined : viewOf(previous, this.#paths),
        storeIndex: indexOf(revision),
      };
    }
  }

  async #update(request: Request): Promise<StoreEvent> {
    refuseRoot(request);
    refuseLifetime(request);
    const { Path: path, Val } = request;
    for (;;) {
      const state = await this.#stateOf(path);
      const { file, directory, fileKey } = state.node;
      // As in etcd, of this one also a missing key is no file.
      if (directory !== undefined || file === undefined) {
        throw refusal(V2_CODE.notFile, path, state);
      }
      const revision = await this.#write("update", state, [putOf(fileKey, utf8(Val))]);
      if (revision === undefined) continue;
      return {
        action: "update",
        node: nodeAfter(path, Val, revision, file.createRevision),
        previous: viewOf(file, this.#paths),
        storeIndex: indexOf(revision),
      };
    }
  }

  /** `isInOrder`: a new node in the directory, whose name follows those of all before. */
  async #create(request: Request, isInOrder: boolean): Promise<StoreEvent> {
    refuseRoot(request);
    refuseLifetime(request);
    const { Dir, Val } = request;
    let revision = isInOrder ? (await this.#stateOf(request.Path)).revision : 0;
    for (;;) {
      const path = isInOrder ? inOrderPath(request.Path, revision) : request.Path;
      const state = await this.#stateOf(path);
      const { file, directory, fileKey, directoryKey } = state.node;
      const isTaken = file !== undefined || directory !== undefined;
      if (isTaken && !isInOrder) throw refusal(V2_CODE.keyExists, path, state);
      const missing = missingAbove(state, request.Path);
      const put = putOf(Dir ? directoryKey : fileKey, utf8(Val));
      const written = isTaken ? undefined : await this.#write("create", state, [...missing, put]);
      if (written === undefined) {
        revision = Math.max(revision + 1, state.revision);
        continue;
      }
      return {
        action: "create",
        node: nodeAfter(path, Dir ? undefined : Val, written, written),
        storeIndex: indexOf(written),
      };
    }
  }

  async #compareAndSwap(request: Request): Promise<StoreEvent> {
    refuseRoot(request);
    refuseLifetime(request);
    const { Path: path, Val } = request;
    const put = putOf(this.#paths.file(path), utf8(Val), true);
    const { response, previous } = await this.#ifEqual("compareAndSwap", request, put);
    const revision = revisionIn(response);
    return {
      action: "compareAndSwap",
      node: nodeAfter(path, Val, revision, revisionOfCreation(previous)),
      previous,
      storeIndex: indexOf(revision),
    };
  }

  async #compareAndDelete(request: Request): Promise<StoreEvent> {
    refuseRoot(request);
    const key = this.#paths.file(request.Path);
    const deletion = deletionOf({ key, prevKv: true });
    const { response, previous } = await this.#ifEqual("compareAndDelete", request, deletion);
    return deleted("compareAndDelete", request.Path, previous, revisionIn(response));
  }

  /** Does it to a key that is as the request says. */
  async #ifEqual(
    action: Action,
    request: Request,
    operation: RequestOp,
  ): Promise<{ readonly response: TxnResponse; readonly previous: NodeView }> {
    const { Path: path, PrevValue, PrevIndex } = request;
    const key = this.#paths.file(path);
    const compare = [exists(key)];
    if (PrevIndex !== 0n) compare.push(wasModifiedAt(key, Number(PrevIndex) + 1));
    if (PrevValue !== "") compare.push(hasValue(key, utf8(PrevValue)));
    const failure = [key, this.#paths.directory(path)].map(rangeOf);
    const success = [operation, this.#actionOf(action)];
    const response = await this.#calls.txn({ compare, success, failure });
    const previous = keyOf(response, 0);
    if (response.succeeded && previous !== undefined) {
      return { response, previous: viewOf(previous, this.#paths) };
    }
    throw compareFailure(request, response);
  }

  async #delete(request: Request): Promise<StoreEvent> {
    refuseRoot(request);
    if (request.Recursive) return this.#deleteTree(request.Path);
    return request.Dir ? this.#deleteEmptyDirectory(request.Path) : this.#deleteFile(request.Path);
  }

  async #deleteFile(path: string): Promise<StoreEvent> {
    const deletion = deletionOf({ key: this.#paths.file(path), prevKv: true });
    const compare = [isMissing(this.#paths.directory(path))];
    const whenNone = V2_CODE.keyNotFound;
    return this.#deleteIf(path, compare, [deletion], { unless: V2_CODE.notFile, whenNone });
  }

  async #deleteEmptyDirectory(path: string): Promise<StoreEvent> {
    const { key, rangeEnd } = this.#paths.level(path, 1);
    const deletion = deletionOf({ key: this.#paths.directory(path), prevKv: true });
    return this.#deleteIf(path, [isMissing(key, rangeEnd)], [deletion], {
      unless: V2_CODE.directoryNotEmpty,
      // As in etcd: what is missing is told as if it were there.
      whenNone: V2_CODE.keyExists,
    });
  }

  async #deleteTree(path: string): Promise<StoreEvent> {
    const key = this.#paths.directory(path);
    const deletions = [deletionOf({ key, prevKv: true })];
    for (let depth = 1; depth < MAX_DEPTH; depth++) {
      deletions.push(deletionOf(this.#paths.level(path, depth)));
    }
    const code = V2_CODE.keyExists;
    return this.#deleteIf(path, [exists(key)], deletions, { unless: code, whenNone: code });
  }

  /** The first of the deletions is that of the node. */
  async #deleteIf(
    path: string,
    compare: Compare[],
    deletions: readonly RequestOp[],
    codes: { readonly unless: V2ErrorCode; readonly whenNone: V2ErrorCode },
  ): Promise<StoreEvent> {
    const success = [...deletions, this.#actionOf("delete")];
    const response = await this.#calls.txn({ compare, success });
    const index = indexOf(revisionIn(response));
    if (!response.succeeded) throw new V2Error(codes.unless, path, index);
    const previous = keyOf(response, 0);
    if (previous === undefined) throw new V2Error(codes.whenNone, path, index);
    return deleted("delete", path, viewOf(previous, this.#paths), revisionIn(response));
  }

  #stateOf(path: string): Promise<NodeState> {
    return nodeState(this.#calls, this.#paths, path);
  }

  /** Undefined when the state is not as it was seen any more. */
  async #write(
    action: Action,
    { comparisons }: NodeState,
    operations: readonly RequestOp[],
  ): Promise<number | undefined> {
    const success = [...operations, this.#actionOf(action)];
    const response = await this.#calls.txn({ compare: [...comparisons], success });
    return response.succeeded ? revisionIn(response) : undefined;
  }

  #actionOf(action: Action): RequestOp {
    return putOf(this.#paths.action, utf8(action));
  }
}

const utf8 = bytesFromUtf8;

function revisionIn({ header }: TxnResponse): number {
  return header?.revision ?? 0;
}

function refuseRoot({ Path }: Request): void {
  if (isRoot(Path)) throw new V2Error(V2_CODE.rootReadOnly, Path);
}

function refuseLifetime({ Refresh, Expiration }: Request): void {
  if (Refresh !== true && Expiration === 0n) return;
  throw new V2Error(V2_CODE.raftInternal, "TTLs are unsupported");
}

function refusal(code: V2ErrorCode, path: string, { revision }: NodeState): V2Error {
  return new V2Error(code, path, indexOf(revision));
}

/** What makes the directories that are not there. Throws `V2Error` when one of them is a key. */
function missingAbove(state: NodeState, path: string): RequestOp[] {
  const made: RequestOp[] = [];
  for (const { file, directory, directoryKey } of state.above) {
    if (file !== undefined) throw refusal(V2_CODE.notDirectory, path, state);
    if (directory === undefined) made.push(putOf(directoryKey, EMPTY_BYTES));
  }
  return made;
}

/** The index that the node will have if nothing else changes meanwhile. */
function inOrderPath(path: string, revision: number): string {
  return cleanPath(`${path}/${String(revision).padStart(IN_ORDER_NAME_DIGITS, "0")}`);
}

/** Without a value a directory. */
function nodeAfter(
  key: string,
  value: string | undefined,
  revision: number,
  createRevision: number,
): NodeView {
  return {
    key,
    ...(value === undefined ? {} : { value }),
    isDirectory: value === undefined,
    ttl: 0,
    modifiedIndex: indexOf(revision),
    createdIndex: indexOf(createRevision),
  };
}

function revisionOfCreation({ createdIndex }: NodeView): number {
  return createdIndex + 1;
}

function deleted(action: Action, key: string, previous: NodeView, revision: number): StoreEvent {
  const { isDirectory, createdIndex } = previous;
  const modifiedIndex = indexOf(revision);
  return {
    action,
    node: { key, isDirectory, ttl: 0, modifiedIndex, createdIndex },
    previous,
    storeIndex: modifiedIndex,
  };
}

/** As in etcd, the text has the revision where the client gave an index. */
function compareFailure({ Path, PrevValue, PrevIndex }: Request, response: TxnResponse): V2Error {
  const index = indexOf(revisionIn(response));
  if (keyOf(response, 1) !== undefined) return new V2Error(V2_CODE.notFile, Path, index);
  const found = keyOf(response, 0);
  if (found === undefined) return new V2Error(V2_CODE.keyNotFound, Path, index);
  const value = utf8FromBytes(found.value);
  const isIndexEqual = PrevIndex === 0n || BigInt(found.modRevision) === PrevIndex;
  const isValueEqual = PrevValue === "" || value === PrevValue;
  const values = `[${PrevValue} != ${value}]`;
  const indexes = `[${PrevIndex} != ${found.modRevision}]`;
  let cause = `${values} ${indexes}`;
  if (isIndexEqual && !isValueEqual) cause = values;
  if (isValueEqual && !isIndexEqual) cause = indexes;
  return new V2Error(V2_CODE.compareFailed, cause, index);
}
