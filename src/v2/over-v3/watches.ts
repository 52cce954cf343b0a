/**
 * Waiting for changes of the v2 tree over v3 keys. All keys of a change have one revision; the key
 * that says what was done is among them. Of the others, the longest is the node that was set (the
 * rest are directories made for it), and the shortest the one that was deleted.
 */
import type { Event, KeyValue } from "../../api/gen/kv.ts";
import type { WatchResponse } from "../../api/gen/rpc.ts";
import { utf8FromBytes } from "../../base/bytes.ts";
import {
  type Action,
  type NodeView,
  type StoreEvent,
  V2_CODE,
  V2Error,
  type Watcher,
  type WatchListener,
  type WatchOptions,
} from "../../v2store/index.ts";
import { indexOf, revisionOf, viewOf } from "./node-views.ts";
import type { V3Paths } from "./paths.ts";
import type { V3Calls } from "./v3-calls.ts";

export interface WatchDeps {
  readonly calls: V3Calls;
  readonly paths: V3Paths;
}

/**
 * `onEnd`: the member ends the watch. Rejects with `V2Error` when events from the asked index on are
 * gone.
 */
export async function watchNode(
  { calls, paths }: WatchDeps,
  path: string,
  options: WatchOptions,
  listener: WatchListener,
  onEnd: () => void,
): Promise<Watcher> {
  const { isRecursive, isStream, sinceIndex } = options;
  const startRevision = revisionOf(sinceIndex);
  if (startRevision > 0 && (await calls.isCompacted(startRevision))) {
    const reason = `the requested history has been cleared [0/${sinceIndex}]`;
    throw new V2Error(V2_CODE.eventIndexCleared, reason);
  }
  return new Promise((resolve, reject) => {
    let isOver = false;
    const remove = (): void => {
      isOver = true;
      stop();
    };
    const take = (response: WatchResponse): void => {
      if (response.created) {
        const startIndex = indexOf(response.header?.revision ?? 0);
        resolve({ startIndex, past: undefined, remove });
      }
      for (const event of eventsOf(response, paths)) {
        if (isOver || !concerns(event, path, isRecursive)) continue;
        if (!isStream) remove();
        listener(event);
      }
      if (response.canceled) end();
    };
    const end = (): void => {
      // What it says to a watch that has begun is lost.
      reject(new V2Error(V2_CODE.raftInternal, path));
      if (!isOver) onEnd();
      isOver = true;
    };
    const request = { ...paths.everything, startRevision, prevKv: true };
    const stop = calls.watch(request, { onResponse: take, onEnd: end });
  });
}

const ACTIONS: ReadonlySet<string> = new Set<Action>([
  "set",
  "update",
  "create",
  "delete",
  "compareAndSwap",
  "compareAndDelete",
]);

/** The changes in a response, in their order. */
function eventsOf({ header, events }: WatchResponse, paths: V3Paths): StoreEvent[] {
  const found: StoreEvent[] = [];
  const storeIndex = indexOf(header?.revision ?? 0);
  for (let at = 0; at < events.length; ) {
    const revision = events[at]?.kv?.modRevision;
    const begin = at;
    while (at < events.length && events[at]?.kv?.modRevision === revision) at++;
    const event = changeOf(events.slice(begin, at), paths);
    if (event !== undefined) found.push({ ...event, storeIndex });
  }
  return found;
}

/** Undefined for what was written by others than the v2 API. */
function changeOf(
  events: readonly Event[],
  paths: V3Paths,
): Omit<StoreEvent, "storeIndex"> | undefined {
  let action: string | undefined;
  const nodes: { readonly kv: KeyValue; readonly prevKv: KeyValue | undefined }[] = [];
  for (const { kv, prevKv } of events) {
    if (kv === undefined) continue;
    if (utf8FromBytes(kv.key) === paths.actionText) action = utf8FromBytes(kv.value);
    else nodes.push({ kv, prevKv });
  }
  if (!isAction(action)) return undefined;
  const isTaken = action === "delete";
  const [first, ...others] = nodes;
  if (first === undefined) return undefined;
  let chosen = first;
  for (const other of others) {
    const isLonger = other.kv.key.length > chosen.kv.key.length;
    if (isTaken ? other.kv.key.length < chosen.kv.key.length : isLonger) chosen = other;
  }
  const { kv, prevKv } = chosen;
  const node: NodeView = viewOf(kv, paths);
  return { action, node, previous: prevKv === undefined ? undefined : viewOf(prevKv, paths) };
}

function isAction(text: string | undefined): text is Action {
  return text !== undefined && ACTIONS.has(text);
}

function concerns({ action, node }: StoreEvent, path: string, isRecursive: boolean): boolean {
  const { key } = node;
  if (key === path) return true;
  // What was below a directory is gone with it.
  if (action === "delete" && node.isDirectory && path.startsWith(`${key}/`)) return true;
  if (!isRecursive || !key.startsWith(`${path}/`)) return false;
  return !key.slice(path.length).includes("/_");
}
