import assert from "node:assert/strict";
import test from "node:test";
import { Event, KeyValue } from "../../api/gen/kv.ts";
import { ResponseHeader, WatchResponse } from "../../api/gen/rpc.ts";
import { encodeWatchHead, watchFragments, watchMessage, watchSeries } from "./response.ts";

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

test("the messages of a series are those of each watch alone", () => {
  const [event] = eventSlices(1, 10).slices;
  assert.ok(event !== undefined);
  const ids = [0, 1, 127, 128, 1023, 1024, 99_999, -3, 1];
  const watches = ids.map((id) => ({ id, fragment: false }));
  const { before, between, after } = watchSeries(header, watches, 1, ids.length, event);
  assert.equal(after, event);
  assert.deepEqual(
    between.map((middle) => Buffer.concat([before, middle, after])),
    ids.slice(1).map((id) => Buffer.concat(watchMessage(header, id, [event]).parts)),
  );
  // The field of a small number is made once; of others there could be any number.
  const again = watchSeries(header, watches, 1, ids.length, event).between;
  assert.deepEqual(
    between.map((middle, i) => middle === again[i]),
    ids.slice(1).map((id) => id > 0 && id < 1024),
  );
  const first = watchSeries(header, watches, 0, 1, event);
  assert.deepEqual(
    Buffer.concat([first.before, first.between[0] as Uint8Array, event]),
    Buffer.concat(watchMessage(header, 0, [event]).parts),
  );
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
