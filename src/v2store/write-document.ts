/**
 * The document of a v2 store, byte for byte as etcd writes it. In slices, as a store may be large: until
 * the end nothing of it may change.
 */
import { bytesFromUtf8 } from "../base/bytes.ts";
import { ENDLESS, finish, type Slice, type Steps } from "../base/slice.ts";
import { sortByBytes } from "./byte-order.ts";
import { type EventHistory, HISTORY_CAPACITY } from "./event-history.ts";
import { expiryText, NEVER_TEXT } from "./expiry.ts";
import { jsonText } from "./json-text.ts";
import type { StoreContent } from "./key-store.ts";
import { nameOf, type Node } from "./node.ts";
import { nodeJSON, type StoreEvent } from "./views.ts";

/** Version of the format, as etcd writes it. */
const CURRENT_VERSION = 2;

/** Characters that are made bytes at a time. */
const PART_LENGTH = 65_536;

/** Text that becomes bytes part by part. */
class Output {
  readonly #parts: Uint8Array[] = [];
  #text = "";

  write(text: string): void {
    this.#text += text;
    if (this.#text.length >= PART_LENGTH) this.#flush();
  }

  bytes(): Uint8Array {
    this.#flush();
    return Buffer.concat(this.#parts);
  }

  #flush(): void {
    this.#parts.push(bytesFromUtf8(this.#text));
    this.#text = "";
  }
}

/** In UTF-8, without a pause. */
export function writeDocument(content: StoreContent): Uint8Array {
  return finish(writeDocumentInSteps(content, ENDLESS));
}

/** The same, with a pause when the slice is used up; a node or an event is one unit. */
export function* writeDocumentInSteps(
  { root, index, history, statistics }: StoreContent,
  slice: Slice,
): Steps<Uint8Array> {
  const output = new Output();
  output.write('{"Root":');
  yield* writeNode(root, output, slice);
  output.write(',"WatcherHub":{"EventHistory":');
  yield* writeHistory(history, output, slice);
  output.write(`},"CurrentIndex":${index},"Stats":${JSON.stringify(statistics)},`);
  output.write(`"CurrentVersion":${CURRENT_VERSION}}`);
  return output.bytes();
}

function* writeNode(node: Node, output: Output, slice: Slice): Steps<void> {
  const { path, createdIndex, modifiedIndex, expiry, value, children } = node;
  const end = expiry === undefined ? NEVER_TEXT : expiryText(expiry);
  output.write(
    `{"Path":${jsonText(path)},"CreatedIndex":${createdIndex},"ModifiedIndex":${modifiedIndex},` +
      `"ExpireTime":"${end}","Value":${jsonText(value)},"Children":`,
  );
  if (--slice.left <= 0) yield;
  if (children === undefined) {
    output.write("null}");
    return;
  }
  let before = "{";
  for (const child of sortByBytes([...children.values()], ({ path: childPath }) => childPath)) {
    output.write(`${before}${jsonText(nameOf(child.path))}:`);
    yield* writeNode(child, output, slice);
    before = ",";
  }
  output.write(before === "{" ? "{}}" : "}}");
}

function* writeHistory(history: EventHistory, output: Output, slice: Slice): Steps<void> {
  const { events, size, front, back, startIndex, lastIndex } = history;
  let before = '{"Queue":{"Events":[';
  for (const event of events) {
    output.write(before + (event === null ? "null" : eventText(event)));
    before = ",";
    if (--slice.left <= 0) yield;
  }
  output.write(
    `],"Size":${size},"Front":${front},"Back":${back},"Capacity":${HISTORY_CAPACITY}},` +
      `"StartIndex":${startIndex},"LastIndex":${lastIndex}}`,
  );
}

function eventText({ action, node, previous, isRefresh }: StoreEvent): string {
  const before = previous === undefined ? "" : `,"prevNode":${nodeJSON(previous, "")}`;
  const refresh = isRefresh === true ? ',"refresh":true' : "";
  return `{"action":"${action}","node":${nodeJSON(node, "")}${before}${refresh}}`;
}
