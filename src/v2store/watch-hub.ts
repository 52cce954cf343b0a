/**
 * Who waits for changes of the v2 store, by path. A waiter hears of one event and is done; one of a
 * stream hears of all that follow.
 */
import type { EventHistory } from "./event-history.ts";
import type { StoreEvent } from "./views.ts";

export interface WatchOptions {
  readonly isRecursive: boolean;
  readonly isStream: boolean;
  /** The first event that counts; 0 is the next. */
  readonly sinceIndex: number;
}

/** Is told in the stretch in which the store changes: it must not change the store. */
export type WatchListener = (event: StoreEvent) => void;

export interface Watcher {
  /** The store's index when the watch began. */
  readonly startIndex: number;
  /** An event of the past, of which the listener is not told: the watch is over with it. */
  readonly past: StoreEvent | undefined;
  /** Ends the watch. May be called again. */
  remove(): void;
}

interface Waiting {
  readonly isRecursive: boolean;
  readonly isStream: boolean;
  readonly sinceIndex: number;
  readonly listener: WatchListener;
}

export class WatchHub {
  readonly #waiting = new Map<string, Set<Waiting>>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Throws `V2Error` when events from `sinceIndex` on are gone. */
  watch(
    path: string,
    options: WatchOptions,
    at: { readonly history: EventHistory; readonly storeIndex: number },
    listener: WatchListener,
  ): Watcher {
    const { isRecursive, isStream } = options;
    const { history, storeIndex: startIndex } = at;
    const sinceIndex = options.sinceIndex === 0 ? startIndex + 1 : options.sinceIndex;
    const past = history.find(path, isRecursive, sinceIndex, startIndex);
    if (past !== undefined) return { startIndex, past, remove: () => undefined };
    const waiting = { isRecursive, isStream, sinceIndex, listener };
    const others = this.#waiting.get(path);
    if (others === undefined) this.#waiting.set(path, new Set([waiting]));
    else others.add(waiting);
    this.#count++;
    return { startIndex, past: undefined, remove: () => this.#remove(path, waiting) };
  }

  /** Tells who waits at the event's path, and above it. */
  notify(event: StoreEvent): void {
    if (this.#count === 0) return;
    const { key } = event.node;
    this.notifyAt("/", event, false);
    for (let end = key.indexOf("/", 1); end > 0; end = key.indexOf("/", end + 1)) {
      this.notifyAt(key.slice(0, end), event, false);
    }
    if (key !== "/") this.notifyAt(key, event, false);
  }

  /** Tells who waits at a path; `isGone` if it went with the event's node. */
  notifyAt(path: string, event: StoreEvent, isGone: boolean): void {
    const all = this.#waiting.get(path);
    if (all === undefined) return;
    const { key, modifiedIndex } = event.node;
    const isOwnPath = key === path;
    if (!isOwnPath && isHiddenFrom(path, key)) return;
    for (const waiting of all) {
      if (!waiting.isRecursive && !isOwnPath && !isGone) continue;
      if (modifiedIndex < waiting.sinceIndex) continue;
      if (!waiting.isStream) this.#remove(path, waiting);
      waiting.listener(event);
    }
  }

  #remove(path: string, waiting: Waiting): void {
    const all = this.#waiting.get(path);
    if (all?.delete(waiting) !== true) return;
    this.#count--;
    if (all.size === 0) this.#waiting.delete(path);
  }
}

/** Whether a key below the watched path is hidden, or in a hidden directory. */
function isHiddenFrom(watched: string, key: string): boolean {
  if (watched.length > key.length) return false;
  return `/${key.slice(watched.length)}`.includes("/_");
}
