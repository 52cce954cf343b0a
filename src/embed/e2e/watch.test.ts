/** The Watch service, as a client sees it. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WatchCreateRequest_FilterType } from "../../api/gen/rpc.ts";
import { TestMember } from "./harness.ts";
import {
  deleteOp,
  eventTexts,
  FROM_KEY,
  prefixEnd,
  putOp,
  type RpcClient,
  text,
  type WatchClient,
  withShortLease,
} from "./rpc-client.ts";

const MAX_REQUEST_BYTES = 200_000;
let member: TestMember;
let client: RpcClient;

before(async () => {
  member = await TestMember.start({
    "max-request-bytes": MAX_REQUEST_BYTES,
    "watch-progress-notify-interval": "100ms",
  });
  client = member.client;
});
after(() => member.remove());

async function put(key: string, value = ""): Promise<number> {
  return (await client.put(key, value)).header?.revision ?? 0;
}

test("WATCH-01 watches of a key, a prefix, a range, from a key on, and of everything", async () => {
  const watch = client.watch();
  const ranges: readonly (readonly [string, Uint8Array | string])[] = [
    ["w01/b", ""],
    ["w01/", prefixEnd("w01/")],
    ["w01/b", "w01/d"],
    ["w01/c", FROM_KEY],
    ["", FROM_KEY],
  ];
  for (const [index, [key, rangeEnd]] of ranges.entries()) {
    const created = await watch.create(key, { rangeEnd: Buffer.from(rangeEnd) });
    assert.equal(created.created, true);
    assert.equal(created.canceled, false);
    assert.equal(created.watchId, index);
    assert.equal(created.header?.revision, await client.revision());
    assert.deepEqual(created.events, []);
  }
  const seen = async (key: string) => {
    const revision = await put(key);
    await client.put("w01/marker");
    const ids = new Set<number>();
    for (;;) {
      const message = await watch.next();
      const [event] = message.events;
      if (text(event?.kv?.key) === "w01/marker") {
        if (message.watchId === 4) break;
        continue;
      }
      assert.equal(event?.kv?.modRevision, revision);
      ids.add(message.watchId);
    }
    return [...ids].sort();
  };
  assert.deepEqual(await seen("w01/a"), [1, 4]);
  assert.deepEqual(await seen("w01/b"), [0, 1, 2, 4]);
  assert.deepEqual(await seen("w01/c"), [1, 2, 3, 4]);
  assert.deepEqual(await seen("w01/d"), [1, 3, 4]);
  assert.deepEqual(await seen("other"), [4]);
  watch.close();
});

test("WATCH-02 ids are counted up from 0, may be chosen, and are refused when taken", async () => {
  const watch = client.watch();
  const id = async (watchId: number) => (await watch.create("w02", { watchId })).watchId;
  assert.equal(await id(0), 0);
  assert.equal(await id(1), 1);
  assert.equal(await id(77), 77);
  assert.equal(await id(0), 2, "ids in use are passed over");
  const refused = await watch.create("w02", { watchId: 77 });
  assert.equal(refused.watchId, -1);
  assert.deepEqual([refused.created, refused.canceled], [true, true]);
  assert.equal(refused.cancelReason, "mvcc: duplicate watch ID provided on the WatchStream");
  const revision = await put("w02", "v");
  const ids = new Set<number>();
  for (let i = 0; i < 4; i++) {
    const message = await watch.next();
    assert.deepEqual(eventTexts(message), [`PUT w02=v@${revision}`]);
    ids.add(message.watchId);
  }
  assert.deepEqual([...ids].sort(), [0, 1, 2, 77]);
  watch.close();
});

test("WATCH-03 a watch from a past revision replays history, then goes on", async () => {
  const first = await put("w03", "1");
  await put("w03-other");
  const second = await put("w03", "2");
  const { header } = await client.deleteRange("w03");
  const third = header?.revision ?? 0;
  const watch = client.watch();
  await watch.create("w03", { startRevision: first });
  const last = await put("w03", "3");
  assert.deepEqual(await watch.events(4), [
    `PUT w03=1@${first}`,
    `PUT w03=2@${second}`,
    `DELETE w03@${third}`,
    `PUT w03=3@${last}`,
  ]);
  watch.close();
});

test("WATCH-04 a watch from a future revision shows nothing before it", async () => {
  const revision = await client.revision();
  const watch = client.watch();
  await watch.create("w04", { startRevision: revision + 3 });
  await put("w04", "1");
  await put("w04", "2");
  const third = await put("w04", "3");
  assert.deepEqual(await watch.events(1), [`PUT w04=3@${third}`]);
  watch.close();
});

test("WATCH-05 a compacted start revision cancels the watch and names the compaction", async () => {
  const first = await put("w05", "1");
  const second = await put("w05", "2");
  await client.compact(second);
  const watch = client.watch();
  const created = await watch.create("w05", { startRevision: first });
  assert.deepEqual([created.created, created.canceled], [true, false]);
  const canceled = await watch.next();
  assert.equal(canceled.canceled, true);
  assert.equal(canceled.created, false);
  assert.equal(canceled.compactRevision, second);
  assert.equal(canceled.watchId, created.watchId);
  const again = await watch.create("w05", { startRevision: second });
  assert.deepEqual([again.created, again.canceled], [true, false]);
  assert.deepEqual(await watch.events(1), [`PUT w05=2@${second}`]);
  watch.close();
});

test("WATCH-06 a negative start revision is refused", async () => {
  const watch = client.watch();
  const refused = await watch.create("w06", { startRevision: -1 });
  assert.deepEqual([refused.created, refused.canceled, refused.watchId], [true, true, -1]);
  assert.equal(refused.cancelReason, "etcdserver: mvcc: required revision has been compacted");
  watch.close();
});

test("WATCH-07 a cancelled watch is told so and sends no more", async () => {
  const watch = client.watch();
  await watch.create("w07");
  await watch.create("w07");
  watch.cancel(99);
  watch.cancel(0);
  const canceled = await watch.next();
  assert.deepEqual([canceled.watchId, canceled.canceled, canceled.created], [0, true, false]);
  await put("w07", "v");
  const event = await watch.next();
  assert.equal(event.watchId, 1);
  watch.cancel(1);
  assert.equal((await watch.next()).canceled, true);
  watch.cancel(1);
  const created = await watch.create("w07");
  assert.equal(created.created, true);
  assert.equal(watch.stream.inbox.size, 0);
  watch.close();
});

test("WATCH-08 filters leave out puts or deletes", async () => {
  const { NOPUT, NODELETE } = WatchCreateRequest_FilterType;
  const watch = client.watch();
  await watch.create("w08", { filters: [NOPUT] });
  await watch.create("w08", { filters: [NODELETE] });
  await watch.create("w08", { filters: [NOPUT, NODELETE] });
  await watch.create("w08");
  const first = await put("w08", "1");
  const { header } = await client.deleteRange("w08");
  const second = header?.revision ?? 0;
  const byWatch = new Map<number, string[]>();
  for (let i = 0; i < 4; i++) {
    const message = await watch.next();
    const known = byWatch.get(message.watchId) ?? [];
    byWatch.set(message.watchId, [...known, ...eventTexts(message)]);
  }
  const [putEvent, deleteEvent] = [`PUT w08=1@${first}`, `DELETE w08@${second}`];
  assert.deepEqual(byWatch.get(0), [deleteEvent]);
  assert.deepEqual(byWatch.get(1), [putEvent]);
  assert.equal(byWatch.get(2), undefined);
  assert.deepEqual(byWatch.get(3), [putEvent, deleteEvent]);
  watch.close();
});

test("WATCH-09 prev_kv shows what was replaced or deleted, unless compacted", async () => {
  const watch = client.watch();
  await watch.create("w09", { prevKv: true });
  const revisions = [await put("w09", "1"), await put("w09", "2")];
  await client.deleteRange("w09");
  const previous: string[] = [];
  while (previous.length < 3) {
    for (const event of (await watch.next()).events) {
      previous.push(event.prevKv === undefined ? "none" : text(event.prevKv.value));
    }
  }
  assert.deepEqual(previous, ["none", "1", "2"]);
  await client.compact(revisions[1] ?? 0);
  const late = client.watch();
  await late.create("w09", { prevKv: true, startRevision: revisions[1] ?? 0 });
  const again: string[] = [];
  while (again.length < 2) {
    for (const event of (await late.next()).events) {
      again.push(event.prevKv === undefined ? "none" : text(event.prevKv.value));
    }
  }
  assert.deepEqual(again, ["none", "2"]);
  watch.close();
  late.close();
});

test("WATCH-10 progress is told periodically to idle watches that ask for it", async () => {
  const watch = client.watch();
  await watch.create("w10", { progressNotify: true });
  await watch.create("w10-silent");
  const revision = await put("w10-elsewhere");
  for (;;) {
    const progress = await watch.next();
    assert.equal(progress.watchId, 0);
    assert.deepEqual(progress.events, []);
    assert.deepEqual([progress.created, progress.canceled], [false, false]);
    if (progress.header?.revision === revision) break;
  }
  watch.close();
});

test("WATCH-11 progress on request speaks for the whole stream", async () => {
  const watch = client.watch();
  await watch.create("w11");
  await watch.create("w11-other");
  const revision = await put("w11-elsewhere");
  watch.requestProgress();
  const progress = await watch.next();
  assert.equal(progress.watchId, -1);
  assert.equal(progress.header?.revision, revision);
  assert.deepEqual(progress.events, []);
  watch.close();
});

test("WATCH-12 a response over the message limit comes in fragments if asked for", async () => {
  const value = "x".repeat(150_000);
  const start = (await client.revision()) + 1;
  for (let i = 0; i < 12; i++) await put(`w12/${i % 3}`, value);
  const end = await client.revision();
  const fragments = client.watch();
  await fragments.create("w12/", {
    rangeEnd: prefixEnd("w12/"),
    startRevision: start,
    fragment: true,
  });
  const revisions: number[] = [];
  const flags: boolean[] = [];
  while (revisions.length < 12) {
    const message = await fragments.next();
    assert.ok(message.events.length * value.length < MAX_REQUEST_BYTES + 512 * 1024);
    revisions.push(...message.events.map((event) => event.kv?.modRevision ?? 0));
    flags.push(message.fragment);
  }
  assert.deepEqual(
    revisions,
    Array.from({ length: end - start + 1 }, (_, i) => start + i),
  );
  assert.ok(flags.length > 1, "several fragments");
  assert.equal(flags.at(-1), false);
  assert.ok(flags.slice(0, -1).includes(true));
  fragments.close();
  const whole = client.watch();
  await whole.create("w12/", { rangeEnd: prefixEnd("w12/"), startRevision: start });
  let count = 0;
  while (count < 12) {
    const message = await whole.next();
    assert.equal(message.fragment, false);
    count += message.events.length;
  }
  whole.close();
});

test("WATCH-13 a thousand watches on one stream each see their own key", async () => {
  const watch = client.watch();
  for (let i = 0; i < 1000; i++) watch.request(`w13/${i}`);
  for (let i = 0; i < 1000; i++) {
    const created = await watch.next();
    assert.deepEqual([created.created, created.watchId], [true, i]);
  }
  await Promise.all(Array.from({ length: 1000 }, (_, i) => client.put(`w13/${i}`, `${i}`)));
  const seen = new Set<number>();
  while (seen.size < 1000) {
    const message = await watch.next();
    for (const event of message.events) {
      assert.equal(text(event.kv?.key), `w13/${message.watchId}`);
      assert.equal(seen.has(message.watchId), false, "told twice");
      seen.add(message.watchId);
    }
  }
  watch.close();
});

test("WATCH-13 a thousand watches of one key all see each change once", async () => {
  const watch = client.watch();
  for (let i = 0; i < 1000; i++) watch.request("w13-one");
  for (let i = 0; i < 1000; i++) await watch.next();
  const revisions = [await put("w13-one", "1"), await put("w13-one", "2")];
  const seen = Array.from({ length: 1000 }, (): number[] => []);
  let events = 0;
  while (events < 2000) {
    const message = await watch.next();
    for (const event of message.events) {
      seen[message.watchId]?.push(event.kv?.modRevision ?? 0);
      events++;
    }
  }
  for (const each of seen) assert.deepEqual(each, revisions);
  watch.close();
});

test("WATCH-14 the events of one transaction come together, in its order", async () => {
  await put("w14/gone", "x");
  const watch = client.watch();
  await watch.create("w14/", { rangeEnd: prefixEnd("w14/") });
  const { header } = await client.txn({
    success: [putOp("w14/b", "1"), deleteOp("w14/gone"), putOp("w14/a", "2")],
  });
  const revision = header?.revision;
  const message = await watch.next();
  assert.equal(message.header?.revision, revision);
  assert.deepEqual(eventTexts(message), [
    `PUT w14/b=1@${revision}`,
    `DELETE w14/gone@${revision}`,
    `PUT w14/a=2@${revision}`,
  ]);
  const past = client.watch();
  await past.create("w14/", { rangeEnd: prefixEnd("w14/"), startRevision: revision ?? 0 });
  assert.deepEqual(eventTexts(await past.next()), eventTexts(message));
  watch.close();
  past.close();
});

test("WATCH-15 a delete event holds the key and its revision, nothing else", async () => {
  await put("w15", "value");
  const watch = client.watch();
  await watch.create("w15");
  const { header } = await client.deleteRange("w15");
  const [event] = (await watch.next()).events;
  assert.equal(event?.type, 1);
  const { kv } = event ?? {};
  assert.equal(text(kv?.key), "w15");
  assert.equal(kv?.modRevision, header?.revision);
  assert.deepEqual([kv?.createRevision, kv?.version, kv?.value.length, kv?.lease], [0, 0, 0, 0n]);
  assert.equal(event?.prevKv, undefined);
  watch.close();
});

test("WATCH-17 an empty range is refused", async () => {
  const watch = client.watch();
  for (const rangeEnd of ["w17", "w16"]) {
    const refused = await watch.create("w17", { rangeEnd: Buffer.from(rangeEnd) });
    assert.deepEqual([refused.created, refused.canceled, refused.watchId], [true, true, -1]);
    assert.equal(refused.cancelReason, "mvcc: watcher range is empty");
  }
  watch.close();
});

test("WATCH-21 the expiry of a lease shows as deletions, together", async () => {
  const { lease, reply } = await withShortLease(client, (ID) =>
    client.txn({ success: [putOp("w21/b", "", { lease: ID }), putOp("w21/a", "", { lease: ID })] }),
  );
  const watch = client.watch();
  const startRevision = (reply.header?.revision ?? 0) + 1;
  await watch.create("w21/", { rangeEnd: prefixEnd("w21/"), startRevision, prevKv: true });
  const message = await watch.next();
  const revision = message.header?.revision;
  assert.deepEqual(eventTexts(message), [`DELETE w21/a@${revision}`, `DELETE w21/b@${revision}`]);
  assert.equal(message.events[0]?.prevKv?.lease, lease);
  watch.close();
});

test("a client that has sent its last request goes on receiving events", async () => {
  const watch = client.watch();
  watch.request("half");
  watch.stream.raw.halfClose();
  assert.equal((await watch.next()).created, true);
  const revision = await put("half", "1");
  assert.deepEqual(await watch.events(1), [`PUT half=1@${revision}`]);
  watch.close();
});

test("an empty watch request changes nothing", async () => {
  const watch = client.watch();
  watch.stream.send({ requestUnion: undefined });
  const created = await watch.create("empty");
  assert.equal(created.watchId, 0);
  watch.close();
});

/** All revisions that a watch shows up to `last`. */
async function revisionsUpTo(watch: WatchClient, last: number): Promise<number[]> {
  const revisions: number[] = [];
  while (revisions.at(-1) !== last) {
    const message = await watch.next();
    revisions.push(...message.events.map((event) => event.kv?.modRevision ?? 0));
  }
  return revisions;
}

test("WATCH-16 a client that does not read holds up nobody, and misses nothing", async () => {
  const slowClient = await member.connect();
  const slow = slowClient.watch();
  await slow.create("w16");
  slow.stream.raw.pauseReceiving();
  const quick = client.watch();
  await quick.create("w16");
  const value = "x".repeat(100_000);
  const revisions: number[] = [];
  for (let i = 0; i < 90; i++) {
    revisions.push(await put("w16", value));
    quick.stream.inbox.drain();
  }
  const last = await put("w16", "last");
  revisions.push(last);
  await revisionsUpTo(quick, last);
  slow.stream.raw.resumeReceiving();
  assert.deepEqual(await revisionsUpTo(slow, last), revisions);
  slow.close();
  quick.close();
});

test("WATCH-16 nothing is kept for a client that does not read: it meets the compaction", async () => {
  const slowClient = await member.connect();
  const slow = slowClient.watch();
  await slow.create("w16-lost");
  slow.stream.raw.pauseReceiving();
  const value = "x".repeat(150_000);
  let last = 0;
  for (let i = 0; i < 100; i++) last = await put("w16-lost", value);
  await client.compact(last);
  slow.stream.raw.resumeReceiving();
  for (;;) {
    const message = await slow.next();
    if (!message.canceled) continue;
    assert.equal(message.compactRevision, last);
    break;
  }
  slow.close();
});
