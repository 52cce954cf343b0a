/** The whole content of a v2 store's document, whoever wrote it. */
import { utf8FromBytes } from "../base/bytes.ts";
import { EventHistory, HISTORY_CAPACITY } from "./event-history.ts";
import { expiryOfText } from "./expiry.ts";
import type { StoreContent } from "./key-store.ts";
import { Node } from "./node.ts";
import { statisticsOf } from "./statistics.ts";
import type { Action, NodeView, StoreEvent } from "./views.ts";

/** Throws `SyntaxError` when it is no document. */
export function readContent(document: Uint8Array): StoreContent {
  const raw = record(JSON.parse(utf8FromBytes(document)));
  const hub = record(raw["WatcherHub"]);
  return {
    root: nodeOf(record(raw["Root"]), "/", undefined),
    index: index(raw["CurrentIndex"]),
    history: historyOf(record(hub["EventHistory"])),
    statistics: statisticsOf(raw["Stats"]),
  };
}

type Raw = Readonly<Record<string, unknown>>;

function nodeOf(raw: Raw, path: string, parent: Node | undefined): Node {
  const { Children, Value, ExpireTime } = raw;
  const isFile = Children === null || Children === undefined;
  const node = new Node(
    path,
    index(raw["CreatedIndex"]),
    isFile ? text(Value) : new Map<string, Node>(),
    expiryOfText(text(ExpireTime)),
  );
  node.modifiedIndex = index(raw["ModifiedIndex"]);
  node.parent = parent;
  if (isFile) return node;
  const prefix = path === "/" ? path : `${path}/`;
  for (const [name, child] of Object.entries(record(Children))) {
    node.children?.set(name, nodeOf(record(child), prefix + name, node));
  }
  return node;
}

function historyOf(raw: Raw): EventHistory {
  const queue = record(raw["Queue"]);
  const { Events } = queue;
  if (!Array.isArray(Events)) throw malformed("its history is no list");
  const history = new EventHistory();
  const size = index(queue["Size"]);
  const front = index(queue["Front"]);
  // Once more in their order; what is not in the ring any more is not needed.
  for (let offset = 0; offset < size; offset++) {
    history.add(eventOf(record(Events[(front + offset) % Events.length])));
  }
  if (Events.length !== HISTORY_CAPACITY || index(queue["Capacity"]) !== HISTORY_CAPACITY) {
    return history;
  }
  return placed(history, front);
}

/** The same events at the places of the ring where they were, so that a document stays as it is. */
function placed(history: EventHistory, front: number): EventHistory {
  const { size } = history;
  const events = history.events.slice(0, size);
  history.events.fill(null);
  events.forEach((event, i) => {
    history.events[(front + i) % HISTORY_CAPACITY] = event;
  });
  history.front = front;
  history.back = (front + size) % HISTORY_CAPACITY;
  return history;
}

function eventOf(raw: Raw): StoreEvent {
  const node = viewOf(record(raw["node"]));
  const { prevNode } = raw;
  const previous = prevNode === undefined ? undefined : viewOf(record(prevNode));
  const action = text(raw["action"]) as Action;
  const event = { action, node, previous, storeIndex: node.modifiedIndex };
  return raw["refresh"] === true ? { ...event, isRefresh: true } : event;
}

function viewOf(raw: Raw): NodeView {
  const { value, nodes, expiration } = raw;
  return {
    key: text(raw["key"]),
    ...(value === undefined ? {} : { value: text(value) }),
    isDirectory: raw["dir"] === true,
    expiry: expiration === undefined ? undefined : expiryOfText(text(expiration)),
    ttl: index(raw["ttl"]),
    ...(Array.isArray(nodes) ? { nodes: nodes.map((node) => viewOf(record(node))) } : {}),
    modifiedIndex: index(raw["modifiedIndex"]),
    createdIndex: index(raw["createdIndex"]),
  };
}

function record(value: unknown): Raw {
  if (typeof value !== "object" || value === null) throw malformed("a part of it is no object");
  return value as Raw;
}

/** Missing is "", as in Go. */
function text(value: unknown): string {
  if (value === undefined) return "";
  if (typeof value !== "string") throw malformed("a text in it is none");
  return value;
}

/** Missing is 0, as in Go. A TTL may be negative. */
function index(value: unknown): number {
  if (value === undefined) return 0;
  if (!Number.isSafeInteger(value)) throw malformed("a number in it is none");
  return value as number;
}

function malformed(what: string): SyntaxError {
  return new SyntaxError(`it is no v2 store: ${what}`);
}
