/** Bytes that entries take: encoded, for message and apply limits; payload, for backpressure. */
import type { Entry } from "../api/gen/raft.ts";

/** Encoded size of one entry: type, term and index always, data when there is any. */
export function entryBytes(entry: Entry): number {
  const length = entry.data.length;
  const bytes = 4 + varintBytes(entry.term) + varintBytes(entry.index);
  return length === 0 ? bytes : bytes + 1 + varintBytes(length) + length;
}

export function entriesBytes(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entryBytes(entry);
  return bytes;
}

export function payloadBytes(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entry.data.length;
  return bytes;
}

/** The longest prefix within `maxBytes`, but at least one entry; the array itself if all fit. */
export function limitEntries(entries: Entry[], maxBytes: number): Entry[] {
  if (entries.length <= 1 || maxBytes === Number.POSITIVE_INFINITY) return entries;
  let bytes = 0;
  for (let i = 0; i < entries.length; i++) {
    bytes += entryBytes(entries[i] as Entry);
    if (bytes > maxBytes && i > 0) return entries.slice(0, i);
  }
  return entries;
}

function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  if (value < 0x1000_0000) return 4;
  let bytes = 5;
  for (let rest = value / 0x8_0000_0000; rest >= 1; rest /= 128) bytes++;
  return bytes;
}
