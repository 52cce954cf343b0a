/**
 * The last events, for those who watch from an index on. A ring, of which the document shows every
 * place. Indexes of events are consecutive.
 */
import { V2_CODE, V2Error } from "./errors.ts";
import type { StoreEvent } from "./views.ts";

/** Events that can be watched afterwards, as in etcd: part of the format of the document. */
export const HISTORY_CAPACITY = 1000;

export class EventHistory {
  readonly events: (StoreEvent | null)[] = new Array<StoreEvent | null>(HISTORY_CAPACITY).fill(
    null,
  );
  size = 0;
  front = 0;
  back = 0;
  /** Index of the oldest event, 0 without one. */
  startIndex = 0;
  lastIndex = 0;

  add(event: StoreEvent): void {
    this.events[this.back] = event;
    this.back = (this.back + 1) % HISTORY_CAPACITY;
    if (this.size === HISTORY_CAPACITY) this.front = (this.front + 1) % HISTORY_CAPACITY;
    else this.size++;
    this.lastIndex = event.node.modifiedIndex;
    this.startIndex = this.events[this.front]?.node.modifiedIndex ?? 0;
  }

  /**
   * The first event from `index` on that concerns the path. Throws `V2Error` when events of that
   * time are gone; `storeIndex` is for its text.
   */
  find(
    path: string,
    isRecursive: boolean,
    index: number,
    storeIndex: number,
  ): StoreEvent | undefined {
    if (index < this.startIndex) {
      const reason = `the requested history has been cleared [${this.startIndex}/${index}]`;
      throw new V2Error(V2_CODE.eventIndexCleared, reason, storeIndex);
    }
    if (index > this.lastIndex) return undefined;
    for (let offset = index - this.startIndex; offset < this.size; offset++) {
      const event = this.events[(this.front + offset) % HISTORY_CAPACITY];
      if (event != null && concerns(event, path, isRecursive)) return event;
    }
    return undefined;
  }
}

function concerns(event: StoreEvent, path: string, isRecursive: boolean): boolean {
  if (event.isRefresh === true) return false;
  const { key } = event.node;
  if (key === path) return true;
  if (isRecursive && key.startsWith(path === "/" ? path : `${path}/`)) return true;
  const isEnd = event.action === "delete" || event.action === "expire";
  // As in etcd, a directory's end concerns whatever begins with its path.
  return isEnd && event.previous?.isDirectory === true && path.startsWith(event.previous.key);
}
