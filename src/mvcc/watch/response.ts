/**
 * WatchResponse messages as lists of parts: a small head made for the stream, followed by event
 * bytes that are shared with other streams and not copied.
 */

import { EMPTY_BYTES } from "../../base/bytes.ts";
import type { Revision } from "../../base/ids.ts";
import * as wire from "../../base/wire.ts";
import type { MessageSeries } from "../../env/rpc.ts";
import type { WatchID, WatchInfo } from "./watcher.ts";

export interface WatchResponseHead {
  /** The encoded ResponseHeader message. */
  readonly header: Uint8Array;
  readonly watchID: WatchID;
  readonly created?: boolean;
  readonly canceled?: boolean;
  readonly compactRevision?: Revision;
  readonly cancelReason?: string;
  readonly fragment?: boolean;
}

/** One message; its encoding is the concatenation of `parts`, `size` bytes long. */
export interface WatchMessage {
  readonly parts: readonly Uint8Array[];
  readonly size: number;
}

const HEADER_TAG = 0x0a;
const WATCH_ID_TAG = 0x10;
const CREATED_TAG = 0x18;
const CANCELED_TAG = 0x20;
const COMPACT_REVISION_TAG = 0x28;
const CANCEL_REASON_TAG = 0x32;
const FRAGMENT_TAG = 0x38;

/** Everything of a WatchResponse but its events, which may follow as they are. */
export function encodeWatchHead(head: WatchResponseHead): Uint8Array {
  const reason = head.cancelReason ?? "";
  const compactRevision = head.compactRevision ?? 0;
  const size = sizeHead(head, reason, compactRevision);
  const bytes = Buffer.allocUnsafe(size);
  let at = size;
  if (head.fragment === true) at = prependTrue(bytes, at, FRAGMENT_TAG);
  if (reason !== "") {
    at = wire.prependString(bytes, at, reason);
    bytes[--at] = CANCEL_REASON_TAG;
  }
  if (compactRevision !== 0) {
    at = wire.prependNumber(bytes, at, compactRevision);
    bytes[--at] = COMPACT_REVISION_TAG;
  }
  if (head.canceled === true) at = prependTrue(bytes, at, CANCELED_TAG);
  if (head.created === true) at = prependTrue(bytes, at, CREATED_TAG);
  if (head.watchID !== 0) {
    at = wire.prependNumber(bytes, at, head.watchID);
    bytes[--at] = WATCH_ID_TAG;
  }
  at = wire.prependBytes(bytes, at, head.header);
  bytes[at - 1] = HEADER_TAG;
  return bytes;
}

let lastHeader: Uint8Array | undefined;
let lastWatchID: WatchID = 0;
let lastHead: Uint8Array = EMPTY_BYTES;

/**
 * A message with events. Keeps `header`: it must not be changed afterwards. Streams that give the same `header` object for the same revision share
 * the head as well: most have one watch, number 0.
 */
export function watchMessage(
  header: Uint8Array,
  watchID: WatchID,
  events: readonly Uint8Array[],
): WatchMessage {
  const head = eventsHead(header, watchID);
  return { parts: [head, ...events], size: head.length + totalLength(events) };
}

function eventsHead(header: Uint8Array, watchID: WatchID): Uint8Array {
  if (header !== lastHeader || watchID !== lastWatchID) {
    lastHead = encodeWatchHead({ header, watchID });
    lastHeader = header;
    lastWatchID = watchID;
  }
  return lastHead;
}

/** Numbers up to here have a field that is encoded once. */
const SHARED_ID_FIELDS = 1024;
const idFields: Uint8Array[] = [EMPTY_BYTES];

/** The `watch_id` of a WatchResponse. */
function watchIDField(watchID: WatchID): Uint8Array {
  const known = idFields[watchID];
  if (known !== undefined) return known;
  const size = 1 + wire.sizeNumber(watchID);
  const field = Buffer.allocUnsafeSlow(size);
  field[wire.prependNumber(field, size, watchID) - 1] = WATCH_ID_TAG;
  if (watchID > 0 && watchID < SHARED_ID_FIELDS) idFields[watchID] = field;
  return field;
}

/** The messages of `watchMessage` for watches [from, to), which differ in their number alone. */
export function watchSeries(
  header: Uint8Array,
  watches: readonly WatchInfo[],
  from: number,
  to: number,
  event: Uint8Array,
): MessageSeries {
  const between: Uint8Array[] = [];
  for (let i = from; i < to; i++) between.push(watchIDField((watches[i] as WatchInfo).id));
  return { before: eventsHead(header, 0), between, after: event };
}

/**
 * The same in messages below `maxBytes` where the events allow it (one event is never divided).
 * All but the last have `fragment` set. etcd's `maxBytes` is max-request-bytes plus 512 KiB.
 */
export function watchFragments(
  header: Uint8Array,
  watchID: WatchID,
  events: readonly Uint8Array[],
  maxBytes: number,
): WatchMessage[] {
  const whole = watchMessage(header, watchID, events);
  if (whole.size < maxBytes || events.length < 2) return [whole];
  const head = encodeWatchHead({ header, watchID, fragment: true });
  const messages: WatchMessage[] = [];
  let first = 0;
  let size = head.length;
  for (let i = 0; i < events.length; i++) {
    const length = (events[i] as Uint8Array).length;
    if (i > first && size + length >= maxBytes) {
      messages.push({ parts: [head, ...events.slice(first, i)], size });
      first = i;
      size = head.length;
    }
    size += length;
  }
  messages.push(watchMessage(header, watchID, events.slice(first)));
  return messages;
}

function sizeHead(head: WatchResponseHead, reason: string, compactRevision: Revision): number {
  let size = 1 + wire.sizeDelimited(head.header.length);
  if (head.watchID !== 0) size += 1 + wire.sizeNumber(head.watchID);
  if (head.created === true) size += 2;
  if (head.canceled === true) size += 2;
  if (compactRevision !== 0) size += 1 + wire.sizeNumber(compactRevision);
  if (reason !== "") size += 1 + wire.sizeDelimited(wire.sizeString(reason));
  return head.fragment === true ? size + 2 : size;
}

function prependTrue(bytes: Buffer, end: number, tag: number): number {
  bytes[end - 1] = 1;
  bytes[end - 2] = tag;
  return end - 2;
}

function totalLength(list: readonly Uint8Array[]): number {
  let total = 0;
  for (const bytes of list) total += bytes.length;
  return total;
}
