/**
 * What a load has to know of a WatchResponse, read from its outermost fields: decoding the events
 * would cost the generator more than sending them costs a server.
 */
import * as wire from "../../src/base/wire.ts";

const CREATED_TAG = 0x18;
const EVENTS_TAG = 0x5a;

export interface WatchNews {
  created: boolean;
  events: number;
}

const news: WatchNews = { created: false, events: 0 };

/** The answer is one object, which the next call changes. Throws `DecodeError` on malformed bytes. */
export function scanWatchResponse(bytes: Buffer, start: number, end: number): WatchNews {
  news.created = false;
  news.events = 0;
  for (let at = start; at < end; ) {
    const tag = wire.readTag(bytes, at, end);
    const value = wire.cursor.at;
    if (tag === CREATED_TAG) news.created = wire.readBool(bytes, value, end);
    if (tag === EVENTS_TAG) news.events++;
    at = wire.skipField(bytes, value, end, tag);
  }
  return news;
}
