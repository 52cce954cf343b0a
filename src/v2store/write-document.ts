/** The document of a v2 store, byte for byte as etcd writes it. */
import { bytesFromUtf8 } from "../base/bytes.ts";
import { sortByBytes } from "./byte-order.ts";
import { HISTORY_CAPACITY, type EventHistory } from "./event-history.ts";
import { expiryText, NEVER_TEXT } from "./expiry.ts";
import { jsonText } from "./json-text.ts";
import type { StoreContent } from "./key-store.ts";
import { nameOf, type Node } from "./node.ts";
import { nodeJSON, type StoreEvent } from "./views.ts";

/** Version of the format, as etcd writes it. */
const CURRENT_VERSION = 2;

/** In UTF-8. */
export function writeDocument({ root, index, history, statistics }: StoreContent): Uint8Array {
  return bytesFromUtf8(
    `{"Root":${nodeText(root)},"WatcherHub":{"EventHistory":${historyText(history)}},` +
      `"CurrentIndex":${index},"Stats":${JSON.stringify(statistics)},` +
      `"CurrentVersion":${CURRENT_VERSION}}`,
  );
}

function nodeText(node: Node): string {
  const { path, createdIndex, modifiedIndex, expiry, value } = node;
  const end = expiry === undefined ? NEVER_TEXT : expiryText(expiry);
  return (
    `{"Path":${jsonText(path)},"CreatedIndex":${createdIndex},"ModifiedIndex":${modifiedIndex},` +
    `"ExpireTime":"${end}","Value":${jsonText(value)},"Children":${childrenText(node)}}`
  );
}

function childrenText({ children }: Node): string {
  if (children === undefined) return "null";
  const sorted = sortByBytes([...children.values()], ({ path }) => path);
  return `{${sorted.map((child) => `${jsonText(nameOf(child.path))}:${nodeText(child)}`).join(",")}}`;
}

function historyText({ events, size, front, back, startIndex, lastIndex }: EventHistory): string {
  const texts = events.map((event) => (event === null ? "null" : eventText(event)));
  return (
    `{"Queue":{"Events":[${texts.join(",")}],"Size":${size},"Front":${front},"Back":${back},` +
    `"Capacity":${HISTORY_CAPACITY}},"StartIndex":${startIndex},"LastIndex":${lastIndex}}`
  );
}

function eventText({ action, node, previous, isRefresh }: StoreEvent): string {
  const before = previous === undefined ? "" : `,"prevNode":${nodeJSON(previous, "")}`;
  const refresh = isRefresh === true ? ',"refresh":true' : "";
  return `{"action":"${action}","node":${nodeJSON(node, "")}${before}${refresh}}`;
}
