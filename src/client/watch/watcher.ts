/**
 * A watch for its user: an async iterator over what happens to a range of keys, without gaps or
 * repetitions for as long as the history is not compacted, whatever happens to connections.
 */
import type { Revision } from "../../base/ids.ts";
import { checkLimits } from "../arguments.ts";
import type { Caller } from "../caller.ts";
import { abortedError, deadlineError, type EtcdClientError, isErrorKind } from "../errors.ts";
import type { KeyPrefix } from "../namespace/key-prefix.ts";
import type { Bytes, CallOptions } from "../options.ts";
import { onAbort } from "../waiting.ts";
import type { WatchHub, WatchOwner } from "./watch-hub.ts";
import type { WatchEvent, WatchResponse } from "./watch-response.ts";
import { type WatchOptions, WatchState } from "./watch-state.ts";

/**
 * Iterate once, from one place. Leaving the loop cancels the watch. The loop ends by itself when
 * the watch is cancelled or the client is closed, and throws `EtcdClientError` when
 * - the history that it needs is compacted: kind "compacted", with `compactRevision`;
 * - the server refuses or cancels it: such as kind "permissionDenied";
 * - its signal fires: kind "aborted".
 */
export class Watcher implements AsyncIterableIterator<WatchResponse>, AsyncDisposable {
  /**
   * Settles when the server has the watch: every later change is yielded. The value is the first
   * revision that may be. Rejects with what ends the watch before that.
   */
  readonly created: Promise<Revision>;
  readonly #state: WatchState;
  readonly #hub: WatchHub;
  readonly #owner: WatchOwner;
  #resolveCreated: (revision: Revision) => void = () => undefined;
  #rejectCreated: (error: EtcdClientError) => void = () => undefined;
  #forget: () => void = () => undefined;

  /** See `EtcdClient.watch`. */
  constructor(
    caller: Caller,
    hub: WatchHub,
    key: Bytes,
    options: WatchOptions & CallOptions,
    prefix?: KeyPrefix,
  ) {
    this.#state = new WatchState(key, options, prefix);
    checkLimits(options);
    this.#hub = hub;
    this.#owner = {
      state: this.#state,
      onCreated: () => {
        this.#resolveCreated(this.#state.nextRevision);
        options.onAttached?.(this.#state.nextRevision);
      },
      onBroken: (error) => options.onDetached?.(error),
      onEnded: (error) => this.#finish(error, false),
    };
    this.created = new Promise((resolve, reject) => {
      this.#resolveCreated = resolve;
      this.#rejectCreated = reject;
    });
    // Whoever only iterates learns of the error there.
    this.created.catch(() => undefined);
    const { signal, timeoutMs } = options;
    if (signal?.aborted === true) {
      this.#finish(abortedError(signal.reason), true);
      return;
    }
    this.#bound(caller, signal, timeoutMs);
    hub.add(this.#owner);
  }

  /** Revision that the next event will have at least; resume here with another watch. */
  get nextRevision(): Revision {
    return this.#state.nextRevision;
  }

  /** Asks for a progress notice; it comes when this watch and its neighbours have caught up. */
  requestProgress(): void {
    this.#hub.requestProgress();
  }

  async next(): Promise<IteratorResult<WatchResponse, undefined>> {
    const value = await this.#state.take();
    if (value === undefined) return { done: true, value: undefined };
    this.#hub.onTaken(this.#owner);
    return { done: false, value };
  }

  async return(): Promise<IteratorResult<WatchResponse, undefined>> {
    this.cancel();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The events one by one, without progress notices. */
  async *events(): AsyncGenerator<WatchEvent, void, void> {
    for await (const response of this) yield* response.events;
  }

  /** Ends the watch and the iteration. What was not read yet is dropped. */
  cancel(): void {
    this.#hub.remove(this.#owner);
    this.#finish(undefined, true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cancel();
  }

  #bound(caller: Caller, signal: AbortSignal | undefined, timeoutMs: number | undefined): void {
    const end = (error: EtcdClientError): void => {
      this.#hub.remove(this.#owner);
      this.#finish(error, true);
    };
    const forget = onAbort(signal, () => end(abortedError(signal?.reason)));
    const timer =
      timeoutMs === undefined
        ? undefined
        : caller.clock.setTimer(timeoutMs, () => end(deadlineError()));
    if (timer !== undefined) {
      this.created.then(
        () => timer.cancel(),
        () => timer.cancel(),
      );
    }
    this.#forget = () => {
      timer?.cancel();
      forget();
    };
  }

  /** `now`: what is queued is not handed out any more. */
  #finish(error: EtcdClientError | undefined, now: boolean): void {
    this.#forget();
    const thrown = isErrorKind(error, "clientClosed") ? undefined : error;
    if (now) this.#state.drop(thrown);
    else this.#state.end(thrown);
    this.#rejectCreated(error ?? abortedError("the watch was cancelled"));
  }
}
