import assert from "node:assert/strict";
import test from "node:test";
import { Event, KeyValue } from "../../api/gen/kv.ts";
import { ResponseHeader, WatchResponse } from "../../api/gen/rpc.ts";
import { encodeWatchHead, watchFragments, watchMessage } from "./response.ts";

const headerMessage = ResponseHeader.create({ clusterId: 1n, revision: 9 });
const header = ResponseHeader.encode(headerMessage);

function eventSlices(count: number, valueBytes: number): { slices: Uint8Array[]; events: Event[] } {
  const events = Array.from({ length: count }, (_, i) => {
    const kv = KeyValue.create({ key: Buffer.from(`k${i}`), value: Buffer.alloc(valueBytes, i) });
    return Event.create({ kv: { ...kv, modRevision: i + 2, createRevision: 2, version: 1 } });
  });
  const slices = events.map((event) =>
    WatchResponse.encode(WatchResponse.create({ events: [event] })),
  );
  return { slices, events };
}

test("heads equal the generated codec's encoding", () => {
  const table: [Parameters<typeof encodeWatchHead>[0], Partial<WatchResponse>][] = [
    [{ header, watchID: 0, created: true }, { created: true }],
    [
      { header, watchID: 300, canceled: true },
      { watchId: 300, canceled: true },
    ],
    [
      { header, watchID: -1, created: true, canceled: true, cancelReason: "because" },
      { watchId: -1, created: true, canceled: true, cancelReason: "because" },
    ],
    [
      { header, watchID: 1, canceled: true, compactRevision: 2 ** 40 },
      { watchId: 1, canceled: true, compactRevision: 2 ** 40 },
    ],
    [
      { header, watchID: 5, fragment: true },
      { watchId: 5, fragment: true },
    ],
  ];
  for (const [head, fields] of table) {
    const message = WatchResponse.create({ header: headerMessage, ...fields });
    assert.deepEqual(encodeWatchHead(head), WatchResponse.encode(message));
  }
});

test("a message is its head and the events, unchanged", () => {
  const { slices, events } = eventSlices(3, 10);
  const { parts, size } = watchMessage(header, 7, slices);
  const bytes = Buffer.concat(parts);
  assert.equal(bytes.length, size);
  const expected = WatchResponse.create({ header: headerMessage, watchId: 7, events });
  assert.deepEqual(bytes, WatchResponse.encode(expected));
  assert.equal(parts[1], slices[0]);
});

test("fragments stay below the limit, keep the order, and all but the last say so", () => {
  const { slices, events } = eventSlices(20, 100);
  for (const maxBytes of [1, 250, 400, 1000, 2400, 1 << 20]) {
    const messages = watchFragments(header, 7, slices, maxBytes);
    const decoded = messages.map(({ parts, size }) => {
      const bytes = Buffer.concat(parts);
      assert.equal(bytes.length, size);
      return WatchResponse.decode(bytes);
    });
    decoded.forEach((message, i) => {
      assert.equal(message.fragment, i < decoded.length - 1);
      assert.equal(message.watchId, 7);
      assert.ok(message.events.length === 1 || (messages[i]?.size ?? 0) < maxBytes);
      assert.ok(message.events.length > 0);
    });
    const revisions = decoded.flatMap((message) => message.events.map((e) => e.kv?.modRevision));
    assert.deepEqual(
      revisions,
      events.map((event) => event.kv?.modRevision),
    );
  }
});

test("a single event is never divided", () => {
  const { slices } = eventSlices(1, 5000);
  const [only, ...rest] = watchFragments(header, 7, slices, 100);
  assert.equal(rest.length, 0);
  assert.equal(WatchResponse.decode(Buffer.concat(only?.parts ?? [])).fragment, false);
});
