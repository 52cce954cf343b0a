/**
 * All watches that share one stream. After a break every watch is created again where it stopped.
 *
 * The server answers create requests in order, one "created" response each, refused ones included
 * (whose id is -1); so the oldest request under way is the one that is answered.
 */
import { StatusCode } from "../../api/errors.ts";
import { WatchRequest, type WatchResponse } from "../../api/gen/rpc.ts";
import type { Caller } from "../caller.ts";
import { EtcdClientError, kindOfReason } from "../errors.ts";
import { METHODS } from "../methods.ts";
import type { CallOptions } from "../options.ts";
import { ResilientStream } from "../resilient-stream.ts";
import { asksForNewToken, USERS_CHANGED } from "../token-source.ts";
import type { WatchState } from "./watch-state.ts";

/** What the hub tells the owner of a watch. */
export interface WatchOwner {
  readonly state: WatchState;
  onCreated(): void;
  /** The server that had it is gone; another will be asked. */
  onBroken(error: Error | undefined): void;
  onEnded(error: EtcdClientError): void;
}

export class WatchHub {
  readonly #caller: Caller;
  readonly #onEmpty: () => void;
  readonly #stream: ResilientStream<WatchRequest, WatchResponse>;
  readonly #owners = new Set<WatchOwner>();
  /** Create requests under way; undefined: its owner has left. */
  #asked: (WatchOwner | undefined)[] = [];
  readonly #active = new Map<number, WatchOwner>();
  #started = false;

  /** `onEmpty`: the last watch has left, and the stream is closed. */
  constructor(caller: Caller, options: CallOptions, onEmpty: () => void) {
    this.#caller = caller;
    this.#onEmpty = onEmpty;
    this.#stream = new ResilientStream(caller, METHODS.watch, options, {
      onOpen: () => this.#onOpen(),
      onMessage: (message, bytes) => this.#onMessage(message, bytes),
      onBroken: (error) => this.#onBroken(error),
      onFatal: (error) => this.#onFatal(error),
    });
  }

  add(owner: WatchOwner): void {
    this.#owners.add(owner);
    if (!this.#started) {
      this.#started = true;
      this.#stream.start();
    } else if (this.#stream.isOpen) {
      this.#ask(owner);
    }
  }

  /** The owner wants no more. */
  remove(owner: WatchOwner): void {
    if (!this.#owners.delete(owner)) return;
    this.#cancelAtServer(owner);
    if (this.#owners.size > 0) return;
    this.#stream.stop();
    this.#onEmpty();
  }

  /** The owner's reader has taken something. */
  onTaken(owner: WatchOwner): void {
    const { state } = owner;
    if (state.phase !== "suspended" || !state.hasRoom || !this.#owners.has(owner)) return;
    state.phase = "absent";
    if (this.#stream.isOpen) this.#ask(owner);
  }

  /** Asks for a progress notice to all watches. */
  requestProgress(): void {
    this.#stream.send(
      WatchRequest.create({ requestUnion: { case: "progressRequest", value: {} } }),
    );
  }

  #ask(owner: WatchOwner): void {
    owner.state.phase = "asked";
    this.#asked.push(owner);
    const value = owner.state.createRequest();
    this.#stream.send(WatchRequest.create({ requestUnion: { case: "createRequest", value } }));
  }

  #cancelAtServer(owner: WatchOwner): void {
    const { state } = owner;
    if (state.phase === "asked") {
      const at = this.#asked.indexOf(owner);
      if (at >= 0) this.#asked[at] = undefined;
    } else if (state.phase === "active") {
      this.#active.delete(state.id);
      this.#sendCancel(state.id);
    }
  }

  #sendCancel(watchId: number): void {
    this.#stream.send(
      WatchRequest.create({ requestUnion: { case: "cancelRequest", value: { watchId } } }),
    );
  }

  #onOpen(): void {
    for (const owner of this.#owners) {
      if (owner.state.phase === "absent") this.#ask(owner);
    }
  }

  #onBroken(error: Error | undefined): void {
    this.#asked = [];
    const attached = [...this.#active.values()];
    this.#active.clear();
    for (const { state } of this.#owners) {
      if (state.phase !== "suspended") state.detached("absent");
    }
    for (const owner of attached) owner.onBroken(error);
  }

  #onFatal(error: EtcdClientError): void {
    const owners = [...this.#owners];
    this.#owners.clear();
    for (const owner of owners) owner.onEnded(error);
    this.#onEmpty();
  }

  #onMessage(message: WatchResponse, bytes: number): void {
    if (message.created) this.#onCreated(message);
    else if (message.canceled) this.#onCanceled(message, this.#active.get(message.watchId));
    else if (message.watchId === -1) this.#onSharedProgress(message);
    else this.#onEvents(message, bytes);
  }

  #onCreated(message: WatchResponse): void {
    const owner = this.#asked.shift();
    if (message.canceled) {
      this.#onCanceled(message, owner);
    } else if (owner === undefined) {
      this.#sendCancel(message.watchId);
    } else {
      this.#active.set(message.watchId, owner);
      owner.state.created(message.watchId, message.header?.revision ?? 0);
      owner.onCreated();
    }
  }

  #onCanceled(message: WatchResponse, owner: WatchOwner | undefined): void {
    if (owner === undefined) return;
    this.#active.delete(owner.state.id);
    const error = cancelError(message);
    const isStale = asksForNewToken(error.kind) && this.#caller.hasCredentials;
    if (isStale || error.kind === USERS_CHANGED) {
      // Token and users belong to the stream: all watches move to a new one.
      owner.state.detached("absent");
      this.#caller.invalidateToken();
      this.#stream.breakOff(error);
      return;
    }
    this.#owners.delete(owner);
    owner.onEnded(error);
    if (this.#owners.size === 0) {
      this.#stream.stop();
      this.#onEmpty();
    }
  }

  #onSharedProgress(message: WatchResponse): void {
    const revision = message.header?.revision ?? 0;
    for (const { state } of this.#active.values()) state.acceptSharedProgress(revision);
  }

  #onEvents(message: WatchResponse, bytes: number): void {
    const owner = this.#active.get(message.watchId);
    if (owner === undefined) return;
    const { state } = owner;
    state.accept(message, bytes);
    if (!state.isFull) return;
    // Nobody else on this stream shall wait for a slow reader, and memory shall not grow: the
    // server forgets this watch, and is asked again from `nextRevision` on.
    this.#cancelAtServer(owner);
    state.detached("suspended");
  }
}

function cancelError(message: WatchResponse): EtcdClientError {
  const { compactRevision, cancelReason } = message;
  const kind = compactRevision > 0 ? "compacted" : kindOfReason(cancelReason);
  let text = cancelReason === "" ? "the server cancelled the watch" : cancelReason;
  if (kind === "compacted") {
    text = "etcdserver: mvcc: required revision has been compacted";
    if (compactRevision > 0) text += `; the oldest that is left is ${compactRevision}`;
  }
  return new EtcdClientError(text, {
    code: kind === "compacted" ? StatusCode.OUT_OF_RANGE : StatusCode.CANCELLED,
    kind,
    compactRevision,
  });
}
