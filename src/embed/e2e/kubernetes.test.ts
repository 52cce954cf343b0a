/**
 * What kube-apiserver asks of etcd, request by request: conditional writes that read on failure,
 * lists in pages of one revision, the transaction of its compactor, watches that tell of progress,
 * and one lease for many objects.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { TxnResponse, WatchResponse } from "../../api/gen/rpc.ts";
import { OTHER_BINARY, TestMember } from "./harness.ts";
import {
  compare,
  deleteOp,
  eventTexts,
  keys,
  prefixEnd,
  putOp,
  rangeOp,
  type RpcClient,
  text,
  type WatchClient,
} from "./rpc-client.ts";

const COMPACT_REV_KEY = "compact_rev_key";
/** Every watch of kube-apiserver asks for a member that has a leader. */
const REQUIRE_LEADER = { metadata: { hasleader: "true" } };
const COMPACTED = { code: 11, message: "etcdserver: mvcc: required revision has been compacted" };

let member: TestMember;
let client: RpcClient;

before(async () => {
  member = await TestMember.start({ "watch-progress-notify-interval": "100ms" });
  client = member.client;
});
after(() => member.remove());

/** Writes when the key was last changed at `expected` (0: is not there); reads it otherwise. */
function putAt(key: string, expected: number, value: string, lease = 0n): Promise<TxnResponse> {
  return client.txn({
    compare: [compare(key, { case: "modRevision", value: expected }, "=")],
    success: [putOp(key, value, { lease })],
    failure: [rangeOp(key)],
  });
}

function deleteAt(key: string, expected: number): Promise<TxnResponse> {
  return client.txn({
    compare: [compare(key, { case: "modRevision", value: expected }, "=")],
    success: [deleteOp(key)],
    failure: [rangeOp(key)],
  });
}

function revisionOf(reply: {
  readonly header?: { readonly revision: number } | undefined;
}): number {
  return reply.header?.revision ?? 0;
}

/** What the read of a refused write found: "value@revision", or "nothing". */
function found(reply: TxnResponse): string {
  assert.equal(reply.succeeded, false);
  const [first] = reply.responses;
  assert.equal(first?.response?.case, "responseRange");
  const [kv] = first.response.value.kvs;
  return kv === undefined ? "nothing" : `${text(kv.value)}@${kv.modRevision}`;
}

async function create(prefix: string, count: number, lease = 0n): Promise<number[]> {
  const names = Array.from({ length: count }, (_, i) => `${prefix}${String(i).padStart(4, "0")}`);
  const replies = await Promise.all(names.map((name) => putAt(name, 0, "0", lease)));
  assert.ok(replies.every((reply) => reply.succeeded));
  return replies.map(revisionOf);
}

test("of writers that saw the same object one succeeds, and the others read what it wrote", async () => {
  const key = "/registry/configmaps/a/one";
  const created = await putAt(key, 0, "created");
  assert.equal(created.succeeded, true);
  assert.equal(found(await putAt(key, 0, "again")), `created@${revisionOf(created)}`);
  const replies = await Promise.all(
    Array.from({ length: 20 }, (_, i) => putAt(key, revisionOf(created), `writer ${i}`)),
  );
  const winners = replies.filter((reply) => reply.succeeded);
  assert.equal(winners.length, 1);
  const revision = revisionOf(winners[0] as TxnResponse);
  const winner = `writer ${replies.findIndex((reply) => reply.succeeded)}@${revision}`;
  assert.equal(revision, revisionOf(created) + 1);
  for (const reply of replies.filter((one) => !one.succeeded)) assert.equal(found(reply), winner);
  assert.equal(found(await deleteAt(key, revisionOf(created))), winner);
  assert.equal((await deleteAt(key, revision)).succeeded, true);
  assert.equal(found(await deleteAt(key, revision)), "nothing");
  assert.equal(found(await putAt(key, revision, "late")), "nothing");
});

/** All pages of a list: the first at the revision of now, the others at that of the first. */
async function listPages(prefix: string, limit: number, between: () => Promise<unknown>) {
  const rangeEnd = prefixEnd(prefix);
  const seen: string[] = [];
  const left: number[] = [];
  let start = prefix;
  let revision = 0;
  for (;;) {
    const page = await client.range(start, { rangeEnd, limit, revision });
    if (revision === 0) revision = revisionOf(page);
    left.push(page.count);
    seen.push(...page.kvs.map((kv) => `${text(kv.key)}=${text(kv.value)}`));
    assert.equal(page.more, page.kvs.length < page.count);
    if (!page.more) return { revision, seen, left };
    start = `${keys(page.kvs).at(-1)}\0`;
    await between();
  }
}

test("the pages of a list are of one revision, and each counts what is left", async () => {
  const prefix = "/registry/configmaps/pages/";
  await create(prefix, 25);
  const name = (i: number) => `${prefix}${String(i).padStart(4, "0")}`;
  let written = 0;
  const list = await listPages(prefix, 10, async () => {
    await client.put(name(24 - written), "changed");
    await client.put(`${prefix}new-${written}`);
    await client.deleteRange(name(22 - written));
    written++;
  });
  assert.deepEqual(
    list.seen,
    Array.from({ length: 25 }, (_, i) => `${name(i)}=0`),
  );
  assert.deepEqual(list.left, [25, 15, 5]);
  const counted = await client.range(prefix, { rangeEnd: prefixEnd(prefix), countOnly: true });
  assert.deepEqual([counted.count, counted.kvs.length], [25, 0]);
});

const onlyHere = OTHER_BINARY === undefined ? {} : { skip: "RangeStream is etcd 3.7's" };

test("a streamed list is what its pages are", onlyHere, async () => {
  const prefix = "/registry/configmaps/stream/";
  await create(prefix, 250);
  const { revision, seen } = await listPages(prefix, 100, async () => undefined);
  await client.put(`${prefix}0000`, "changed");
  const collect = async (limit: number) => {
    const stream = client.openWith("/etcdserverpb.KV/RangeStream", {
      key: Buffer.from(prefix),
      rangeEnd: prefixEnd(prefix),
      revision,
      limit,
    });
    assert.equal(await stream.failure(), undefined);
    const pieces = stream.inbox.drain().map((piece) => piece.rangeResponse);
    const kvs = pieces.flatMap((piece) => piece?.kvs ?? []);
    const last = pieces.at(-1);
    const pairs = kvs.map((kv) => `${text(kv.key)}=${text(kv.value)}`);
    return { pairs, count: last?.count, more: last?.more, revision: revisionOf(last ?? {}) };
  };
  const now = revision + 1;
  assert.deepEqual(await collect(0), { pairs: seen, count: 250, more: false, revision: now });
  const cut = { pairs: seen.slice(0, 120), count: 250, more: true, revision: now };
  assert.deepEqual(await collect(120), cut);
});

/** The transaction by which one of several compactors takes its turn. */
async function takeTurn(time: number, revision: number) {
  const reply = await client.txn({
    compare: [compare(COMPACT_REV_KEY, { case: "version", value: time }, "=")],
    success: [putOp(COMPACT_REV_KEY, String(revision))],
    failure: [rangeOp(COMPACT_REV_KEY)],
  });
  if (reply.succeeded) return { won: true, time: time + 1, now: revisionOf(reply) };
  const answer = reply.responses[0]?.response;
  assert.equal(answer?.case, "responseRange");
  return { won: false, time: answer.value.kvs[0]?.version ?? 0, now: revisionOf(reply) };
}

test("of two compactors one has its turn; lists and watches of before are told to begin anew", async () => {
  const first = await takeTurn(0, 0);
  assert.deepEqual(await takeTurn(0, 0), { won: false, time: 1, now: first.now });
  const prefix = "/registry/configmaps/compacted/";
  const [begin = 0] = await create(prefix, 20);
  const turns = await Promise.all([takeTurn(1, first.now), takeTurn(1, first.now)]);
  assert.deepEqual(turns.map((turn) => turn.time).sort(), [2, 2]);
  assert.equal(turns.filter((turn) => turn.won).length, 1);
  const now = Math.max(...turns.map((turn) => turn.now));
  await client.compact(now);
  const rangeEnd = prefixEnd(prefix);
  await assert.rejects(client.range(prefix, { rangeEnd, limit: 5, revision: begin }), COMPACTED);
  assert.equal((await client.range(prefix, { rangeEnd, limit: 5, revision: now })).count, 20);
  const watch = client.watch(REQUIRE_LEADER);
  await watch.create(prefix, { rangeEnd, startRevision: begin, prevKv: true });
  const end = await watch.next();
  assert.deepEqual([end.canceled, end.compactRevision], [true, now]);
  watch.close();
});

/** Responses up to the first answer to a request for progress, which comes with id -1. */
async function untilProgress(watch: WatchClient): Promise<WatchResponse[]> {
  const responses: WatchResponse[] = [];
  for (;;) {
    const response = await watch.next();
    responses.push(response);
    if (response.watchId === -1) return responses;
  }
}

test("progress that was asked for is behind every event before it, on watches with prev_kv", async () => {
  const prefix = "/registry/configmaps/watched/";
  const watch = client.watch(REQUIRE_LEADER);
  const rangeEnd = prefixEnd(prefix);
  const startRevision = (await client.revision()) + 1;
  await watch.create(prefix, { rangeEnd, startRevision, prevKv: true, progressNotify: true });
  const created = await create(prefix, 50);
  const updates = await Promise.all(
    created.map((revision, i) => putAt(`${prefix}${String(i).padStart(4, "0")}`, revision, "1")),
  );
  await client.put("/registry/elsewhere");
  const now = await client.revision();
  watch.requestProgress();
  const responses = await untilProgress(watch);
  const events = responses.flatMap((response) => response.events);
  assert.equal(events.length, 100, "all events are before the progress");
  const told = events.slice(50).map((event) => text(event.prevKv?.value));
  assert.deepEqual(
    told,
    Array.from({ length: 50 }, () => "0"),
  );
  assert.equal(events.at(-1)?.kv?.modRevision, Math.max(...updates.map(revisionOf)));
  assert.equal(revisionOf(responses.at(-1) ?? {}), now);
  const notified = responses.filter((response) => response.events.length === 0);
  for (const response of notified) assert.ok(revisionOf(response) <= now);
  // The next one comes by itself, after the interval, for the watch that asked for it.
  await client.put("/registry/elsewhere");
  for (;;) {
    const response = await watch.next();
    assert.deepEqual(eventTexts(response), []);
    if (revisionOf(response) === now + 1) break;
  }
  watch.close();
});

test("objects that share a lease go with it together, and the watch has what they were", async () => {
  const prefix = "/registry/events/default/";
  const { ID } = await client.grant(6);
  await create(prefix, 30, ID);
  const startRevision = revisionOf(await putAt(`${prefix}stays`, 0, "stays")) + 1;
  const rangeEnd = prefixEnd(prefix);
  const watch = client.watch(REQUIRE_LEADER);
  await watch.create(prefix, { rangeEnd, startRevision, prevKv: true });
  const { events } = await watch.next();
  assert.equal(events.length, 30);
  assert.deepEqual(new Set(events.map((event) => text(event.prevKv?.value))), new Set(["0"]));
  assert.equal(new Set(events.map((event) => event.kv?.modRevision)).size, 1);
  assert.deepEqual(keys((await client.range(prefix, { rangeEnd })).kvs), [`${prefix}stays`]);
  watch.close();
});
