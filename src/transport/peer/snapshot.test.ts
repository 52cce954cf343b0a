/** Databases between members: whole or not at all, no faster than they are taken. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Message, MessageType } from "../../api/gen/raft.ts";
import type { DatabaseImage } from "../../env/peers.ts";
import { VirtualClock } from "../../env/testing/index.ts";
import { GuardedBody } from "./guarded-body.ts";
import { SNAPSHOT_BURST_BYTES, SNAPSHOT_REST_MS } from "./limits.ts";
import { connect, image, message, snapshotTo, startMember } from "./testing/peer-world.ts";
import { startProxy } from "./testing/raw-peers.ts";
import { PATIENCE_MS } from "../../base/testing/patience.ts";

const LIMIT = { timeout: PATIENCE_MS };
const MIB = 1_048_576;

async function pair() {
  const a = await startMember(0xan);
  const b = await startMember(0xbn);
  const proxy = await startProxy(b.url);
  a.network.addPeer(0xbn, [proxy.url]);
  b.network.addPeer(0xan, [a.url]);
  await a.watched.until(() => a.network.activeSinceMs(0xbn) !== undefined);
  return {
    a,
    b,
    proxy,
    async [Symbol.asyncDispose]() {
      await a[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
      await b[Symbol.asyncDispose]();
    },
  };
}
type Pair = Awaited<ReturnType<typeof pair>>;

test("databases of any size arrive byte for byte", LIMIT, async () => {
  await using world = await pair();
  const { a, b } = world;
  for (const sizeBytes of [0, 1, 65_535, 65_536, 65_537, 5 * MIB + 7]) {
    const sent = image(sizeBytes);
    const snap = snapshotTo(0xan, 0xbn);
    const reports = a.node.snapshotReports.length;
    a.network.sendSnapshot(snap, sent.database);
    await a.watched.until(() => a.node.snapshotReports.length === reports + 1);
    assert.deepEqual(a.node.snapshotReports.at(-1), { id: 0xbn, ok: true });
    assert.equal(sent.closed, 1);
    const got = b.node.snapshots.at(-1);
    assert.deepEqual(got?.message, snap);
    assert.ok(got?.database.equals(sent.content), `${sizeBytes} bytes`);
  }
  const text = a.registry.render();
  assert.ok(text.includes('etcd_network_snapshot_send_success{To="b"} 6'));
  assert.ok(text.includes('etcd_network_snapshot_send_inflights_total{To="b"} 0'));
  assert.ok(b.registry.render().includes('etcd_network_snapshot_receive_success{From="a"} 6'));
  assert.ok(a.logger.messages().includes("sent database snapshot"));
  assert.ok(b.logger.messages().includes("received and saved database snapshot"));
});

/** What may happen when half a database has gone over. */
const INTERRUPTIONS: readonly {
  readonly what: string;
  readonly interrupt: (world: Pair) => unknown;
}[] = [
  { what: "the connection breaks", interrupt: ({ proxy }) => proxy.cut() },
  { what: "the sender stops", interrupt: ({ a }) => void a.network.stop() },
  { what: "the sender removes the peer", interrupt: ({ a }) => a.network.removePeer(0xbn) },
  { what: "the receiver stops", interrupt: ({ b }) => void b.network.stop() },
  {
    what: "the receiver cannot save",
    interrupt: () => {
      throw new Error("no space left on device");
    },
  },
];

test("an interrupted database is reported once, and nothing of it counts", LIMIT, async () => {
  for (const { what, interrupt } of INTERRUPTIONS) {
    for (const atBytes of [1, 4 * MIB, 16 * MIB]) {
      await using world = await pair();
      const { a, b } = world;
      let done = false;
      b.node.onChunk = (bytes) => {
        if (done || bytes < atBytes) return;
        done = true;
        interrupt(world);
      };
      const sent = image(16 * MIB + 1);
      // One byte is missing, so the last interruption comes before the end.
      a.network.sendSnapshot(
        snapshotTo(0xan, 0xbn),
        withHold(sent.database, () => done),
      );
      await a.watched.until(() => a.node.snapshotReports.length > 0);
      await b.watched.until(() => b.node.failedSnapshots.length > 0);
      assert.deepEqual(a.node.snapshotReports, [{ id: 0xbn, ok: false }], `${what} ${atBytes}`);
      assert.equal(sent.closed, 1, what);
      assert.deepEqual(b.node.snapshots, [], what);
      assert.deepEqual(b.node.received, [], what);
      assert.equal(b.node.failedSnapshots.length, 1, what);
    }
  }
});

/** Withholds the last chunk until `go` is true. */
function withHold(database: DatabaseImage, go: () => boolean): DatabaseImage {
  return {
    ...database,
    async *chunks(chunkBytes) {
      let held: Uint8Array | undefined;
      for await (const chunk of database.chunks(chunkBytes)) {
        if (held !== undefined) yield held;
        held = chunk;
      }
      while (!go()) await new Promise((resolve) => setImmediate(resolve));
      // The interruption needs a turn of its own to be noticed.
      for (let turns = 0; turns < 50; turns++) await new Promise((next) => setImmediate(next));
      if (held !== undefined) yield held;
    },
  };
}

test("an image that fails, or is not as long as it said, makes no snapshot", LIMIT, async () => {
  const bytes = Buffer.alloc(100_000, 1);
  const images: [string, () => AsyncGenerator<Uint8Array>][] = [
    [
      "fails",
      async function* () {
        yield bytes;
        throw new Error("read error");
      },
    ],
    [
      "short",
      async function* () {
        yield bytes;
      },
    ],
    [
      "long",
      async function* () {
        for (let i = 0; i < 10; i++) yield bytes;
      },
    ],
  ];
  for (const [what, chunks] of images) {
    await using world = await pair();
    const { a, b } = world;
    let closed = 0;
    const close = () => {
      closed++;
    };
    a.network.sendSnapshot(snapshotTo(0xan, 0xbn), { sizeBytes: 300_000, chunks, close });
    await a.watched.until(() => a.node.snapshotReports.length > 0);
    assert.deepEqual(a.node.snapshotReports, [{ id: 0xbn, ok: false }], what);
    assert.equal(closed, 1, what);
    assert.deepEqual(b.node.snapshots, [], what);
  }
});

test("a snapshot for nobody, or for a dead peer, fails and closes its image", LIMIT, async () => {
  await using a = await startMember(0xan);
  a.network.addPeer(0xcn, ["http://127.0.0.1:1"]);
  for (const to of [0xbn, 0xcn]) {
    const sent = image(100);
    const reports = a.node.snapshotReports.length;
    a.network.sendSnapshot(snapshotTo(0xan, to), sent.database);
    await a.watched.until(() => a.node.snapshotReports.length > reports);
    assert.deepEqual(a.node.snapshotReports.at(-1), { id: to, ok: false });
    assert.equal(sent.closed, 1);
  }
});

test("a refusal ends the transfer, and the image is not read to its end", LIMIT, async () => {
  await using a = await startMember(0xan);
  await using b = await startMember(0xbn);
  await connect(a, b);
  b.node.removed.add(0xan);
  const produced: number[] = [];
  const sent = image(256 * MIB, (at) => produced.push(at));
  a.network.sendSnapshot(snapshotTo(0xan, 0xbn), sent.database);
  await a.watched.until(() => a.node.snapshotReports.length === 1);
  assert.deepEqual(a.node.snapshotReports, [{ id: 0xbn, ok: false }]);
  assert.ok((produced.at(-1) ?? 0) < 128 * MIB, `${produced.at(-1)} bytes were read`);
  assert.equal(sent.closed, 1);
});

test("a receiver that is slow slows the sender down", LIMIT, async () => {
  await using world = await pair();
  const { a, b } = world;
  let release: () => void = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  b.node.onChunk = () => held;
  let produced = 0;
  const sent = image(128 * MIB, (at) => {
    produced = at;
  });
  a.network.sendSnapshot(snapshotTo(0xan, 0xbn), sent.database);
  // Until the sender has stood still for many of its rests.
  for (let last = -1, still = 0; still < 50; last = produced) {
    await new Promise((resolve) => setTimeout(resolve, 2 * SNAPSHOT_REST_MS));
    still = produced > 0 && produced === last ? still + 1 : 0;
  }
  assert.ok(produced < 64 * MIB, `${produced} bytes are under way`);
  release();
  await a.watched.until(() => a.node.snapshotReports.length === 1);
  assert.deepEqual(a.node.snapshotReports, [{ id: 0xbn, ok: true }]);
  assert.ok(b.node.snapshots[0]?.database.equals(sent.content));
});

test("a sender rests after every burst", LIMIT, async () => {
  const clock = new VirtualClock();
  await using a = await startMember(0xan, { clock });
  await using b = await startMember(0xbn);
  a.network.addPeer(0xbn, [b.url]);
  b.network.addPeer(0xan, [a.url]);
  await a.watched.until(() => a.network.activeSinceMs(0xbn) !== undefined);
  let produced = 0;
  const sent = image(MIB, (at) => {
    produced = at;
  });
  const timers = clock.pendingTimers;
  a.network.sendSnapshot(snapshotTo(0xan, 0xbn), sent.database);
  let rests = 0;
  while (a.node.snapshotReports.length === 0) {
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(produced <= (rests + 1) * SNAPSHOT_BURST_BYTES, `${produced} after ${rests} rests`);
    if (clock.pendingTimers === timers) continue;
    rests++;
    await clock.advanceAsync(SNAPSHOT_REST_MS);
  }
  assert.deepEqual(a.node.snapshotReports, [{ id: 0xbn, ok: true }]);
  assert.ok(rests >= MIB / SNAPSHOT_BURST_BYTES - 1, `${rests} rests`);
});

test("a body that stands still fails, one that is only read slowly does not", async () => {
  const clock = new VirtualClock();
  async function* stuck(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("a");
    yield Buffer.from("b");
    await new Promise(() => {});
  }
  const body = new GuardedBody(stuck(), clock, 1_000);
  assert.equal((await body.next()).done, false);
  // The reader takes its time.
  await clock.advanceAsync(10_000);
  assert.equal((await body.next()).done, false);
  const failed = assert.rejects(body.next(), /i\/o timeout/);
  await clock.advanceAsync(2_000);
  await failed;
  await assert.rejects(body.next(), /i\/o timeout/);
  assert.equal(clock.pendingTimers, 0);
});

test("a MsgSnap never takes another way than with its database", LIMIT, async () => {
  await using a = await startMember(0xan);
  await using b = await startMember(0xbn);
  await connect(a, b);
  const after: Message = message({ type: MessageType.MsgVote, from: 0xan, to: 0xbn });
  a.network.send([snapshotTo(0xan, 0xbn), after]);
  await b.watched.until(() => b.node.received.length > 0);
  assert.deepEqual(b.node.received, [after]);
  assert.ok(b.logger.messages("warn").includes("unexpected Raft message type"));
});
