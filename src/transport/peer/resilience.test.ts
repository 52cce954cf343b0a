/** Connections that break, peers that stall or talk rubbish, and what the others notice: nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MessageType } from "../../api/gen/raft.ts";
import { MAX_QUEUED_PEER_BYTES, MAX_QUEUED_PEER_MESSAGES } from "./limits.ts";
import {
  append,
  connect,
  establishedStreams,
  message,
  startMember,
  type TestMember,
} from "./testing/peer-world.ts";
import { dialStream, startProxy, startStreamServer } from "./testing/raw-peers.ts";
import { PATIENCE_MS } from "../../base/testing/patience.ts";

const LIMIT = { timeout: PATIENCE_MS };
const LOST = "lost TCP streaming connection with remote peer";
const DROPPED = "dropped internal Raft message since sending buffer is full";

const count = (member: TestMember, text: string): number =>
  member.logger.messages().filter((line) => line === text).length;

const reasons = (member: TestMember): string[] =>
  member.logger.lines
    .filter(({ message: text, fields }) => text === LOST && "error" in fields)
    .map(({ fields }) => String(fields.error));

test("broken connections come back by themselves, and messages flow again", LIMIT, async () => {
  await using a = await startMember(0xan);
  await using b = await startMember(0xbn);
  await using toA = await startProxy(a.url);
  await using toB = await startProxy(b.url);
  a.network.addPeer(0xbn, [toB.url]);
  b.network.addPeer(0xan, [toA.url]);
  let streams = 0;
  for (let round = 1; round <= 3; round++) {
    streams += 4;
    for (const { watched, logger } of [a, b]) {
      await watched.until(() => establishedStreams(logger) >= streams);
    }
    a.network.send([append(0xan, 0xbn, round, [100])]);
    b.network.send([message({ type: MessageType.MsgAppResp, from: 0xbn, to: 0xan, index: round })]);
    await b.watched.until(() => b.node.received.some(({ index }) => index === round));
    await a.watched.until(() => a.node.received.some(({ index }) => index === round));
    assert.notEqual(a.network.activeSinceMs(0xbn), undefined);
    streams = Math.max(establishedStreams(a.logger), establishedStreams(b.logger));
    toA.cut();
    toB.cut();
  }
  await a.watched.until(() => count(a, LOST) > 0);
});

test("a peer whose first URL is dead is reached by its second", LIMIT, async () => {
  await using a = await startMember(0xan);
  await using b = await startMember(0xbn);
  // Lists are sorted, so this one comes first.
  const dead = "http://127.0.0.1:1";
  a.network.addPeer(0xbn, [b.url, dead]);
  b.network.addPeer(0xan, [a.url, dead]);
  for (const { watched, logger } of [a, b]) {
    await watched.until(() => establishedStreams(logger) >= 4);
  }
});

test("a peer that moves to other URLs is followed there", LIMIT, async () => {
  await using a = await startMember(0xan);
  await using b = await startMember(0xbn);
  a.network.addPeer(0xbn, ["http://127.0.0.1:1"]);
  b.network.addPeer(0xan, [a.url]);
  a.network.updatePeer(0xbn, [b.url]);
  for (const { watched, logger } of [a, b]) {
    await watched.until(() => establishedStreams(logger) >= 4);
  }
});

test("what a slow peer does not take waits within limits and is then dropped", LIMIT, async () => {
  await using a = await startMember(0xan);
  await using c = await startMember(0xcn);
  await connect(a, c);
  a.network.addPeer(0xbn, ["http://127.0.0.1:1"]);
  const slow = dialStream(a.url, "msgapp", 0xbn, 0xan);
  const before = establishedStreams(a.logger);
  await a.watched.until(() => establishedStreams(a.logger) > before);
  slow.pause();
  // Far more than the sockets' buffers and the queue hold together.
  const bytes = 1_000_000;
  const rounds = (2 * MAX_QUEUED_PEER_BYTES) / bytes;
  for (let i = 0; i < rounds; i++) {
    const others = [append(0xan, 0xbn, 1, [bytes]), append(0xan, 0xcn, i, [10])];
    a.network.send(others);
    await c.watched.until(() => c.node.received.length === i + 1);
  }
  await a.watched.until(() => a.node.unreachable.includes(0xbn));
  assert.ok(count(a, DROPPED) >= 1);
  const line = a.logger.lines.find(({ message: text }) => text === DROPPED);
  assert.equal(line?.fields["message-type"], "MsgApp");
  assert.equal(line?.fields["remote-peer-name"], "streamMsgAppV2");
  assert.equal(a.node.unreachable.includes(0xcn), false);
  slow.destroy();
});

test("many small messages are limited by their number", LIMIT, async () => {
  await using a = await startMember(0xan);
  a.network.addPeer(0xbn, ["http://127.0.0.1:1"]);
  const fast = dialStream(a.url, "message", 0xbn, 0xan);
  await a.watched.until(() => establishedStreams(a.logger) === 1);
  const some = (length: number) =>
    Array.from({ length }, () => message({ type: MessageType.MsgHeartbeat, from: 0xan, to: 0xbn }));
  a.network.send(some(MAX_QUEUED_PEER_MESSAGES));
  await Promise.resolve();
  assert.deepEqual(a.node.unreachable, []);
  a.network.send(some(MAX_QUEUED_PEER_MESSAGES + 1));
  await a.watched.until(() => a.node.unreachable.length === 1);
  fast.destroy();
});

test("a peer that takes nothing for the timeout loses its stream", LIMIT, async () => {
  await using a = await startMember(0xan, { readTimeoutMs: 2_400, writeTimeoutMs: 240 });
  a.network.addPeer(0xbn, ["http://127.0.0.1:1"]);
  const stuck = dialStream(a.url, "msgapp", 0xbn, 0xan);
  await a.watched.until(() => establishedStreams(a.logger) === 1);
  stuck.pause();
  a.network.send(Array.from({ length: 40 }, (_, i) => append(0xan, 0xbn, i, [1_000_000])));
  await a.watched.until(() => count(a, LOST) === 1);
  await a.watched.until(() => a.node.unreachable.includes(0xbn));
  assert.equal(a.network.activeSinceMs(0xbn), undefined);
  stuck.destroy();
});

test("a stream that is silent for the timeout is dialed anew", LIMIT, async () => {
  await using a = await startMember(0xan, { readTimeoutMs: 240 });
  await using silent = await startStreamServer(() => {});
  a.network.addPeer(0xbn, [silent.url]);
  await a.watched.until(() => establishedStreams(a.logger) >= 4);
  assert.ok(
    reasons(a).every((reason) => reason === "read: i/o timeout"),
    reasons(a).join(),
  );
  assert.deepEqual(a.node.received, []);
});

test("link heartbeats keep streams open that have nothing to say", LIMIT, async () => {
  await using a = await startMember(0xan, { readTimeoutMs: 240 });
  await using b = await startMember(0xbn, { readTimeoutMs: 240 });
  await connect(a, b);
  a.network.addPeer(0xcn, ["http://127.0.0.1:1"]);
  // A third party sees as many heartbeats as three timeouts have.
  const observer = dialStream(a.url, "msgapp", 0xcn, 0xan);
  await new Promise<void>((resolve) => {
    let heartbeats = 0;
    observer.on("data", (chunk) => {
      heartbeats += chunk.filter((byte) => byte === 0).length;
      if (heartbeats >= 9) resolve();
    });
  });
  observer.destroy();
  const toEachOther = [a, b].flatMap(({ logger }) =>
    logger.lines.filter(
      ({ message: text, fields }) => text === LOST && fields["remote-peer-id"] !== "c",
    ),
  );
  assert.deepEqual(toEachOther, []);
  assert.deepEqual([...a.node.received, ...b.node.received], []);
});

const RUBBISH: readonly { readonly what: string; readonly bytes: Buffer; readonly why: RegExp }[] =
  [
    {
      what: "unknown kind",
      bytes: Buffer.from("hello"),
      why: /failed to parse type 104 in msgappv2 stream|message size/,
    },
    {
      what: "huge length",
      bytes: Buffer.alloc(64, 0xff),
      why: /type 255|message size of Infinity/,
    },
    {
      what: "no protobuf",
      bytes: Buffer.from("020000000000000004ffffffff", "hex"),
      why: /.+/,
    },
  ];

test("rubbish on a stream ends that connection with a line that says so", LIMIT, async () => {
  for (const { what, bytes, why } of RUBBISH) {
    await using a = await startMember(0xan);
    await using c = await startMember(0xcn);
    await connect(a, c);
    await using rubbish = await startStreamServer((response) => response.write(bytes));
    a.network.addPeer(0xbn, [rubbish.url]);
    await a.watched.until(() => reasons(a).length >= 2);
    assert.match(reasons(a)[0] ?? "", why, what);
    a.network.send([append(0xan, 0xcn, 1, [1])]);
    await c.watched.until(() => c.node.received.length === 1);
    assert.deepEqual(a.node.received, [], what);
  }
});

test("a peer of another cluster, or one that is too old, is not listened to", LIMIT, async () => {
  const valid = Buffer.concat([
    Buffer.from([0, 0, 0, 0, 0, 0, 0, 4]),
    Buffer.from("08081001", "hex"),
  ]);
  for (const headers of [{ "X-Etcd-Cluster-ID": "c2" }, { "X-Server-Version": "2.0.9" }]) {
    await using a = await startMember(0xan);
    await using wrong = await startStreamServer((response) => response.write(valid), headers);
    a.network.addPeer(0xbn, [wrong.url]);
    await a.watched.until(() => count(a, "peer deactivated again") >= 2);
    assert.equal(establishedStreams(a.logger), 0);
    assert.deepEqual(a.node.received, []);
  }
});

test("a removed peer is cut off both ways", LIMIT, async () => {
  await using a = await startMember(0xan);
  await using b = await startMember(0xbn);
  await connect(a, b);
  a.network.removePeer(0xbn);
  a.node.removed.add(0xbn);
  a.network.send([append(0xan, 0xbn, 1, [1])]);
  await b.watched.until(() => count(b, LOST) >= 2 && b.node.removedSelf > 0);
  b.network.send([message({ type: MessageType.MsgVote, from: 0xbn, to: 0xan })]);
  await b.watched.until(() => b.node.unreachable.length > 0);
  assert.deepEqual([...a.node.received, ...b.node.received], []);
  for (const line of ["stopped remote peer", "removed remote peer"])
    assert.equal(count(a, line), 1);
});

test("after the stop nothing is delivered, and all connections end", LIMIT, async () => {
  await using a = await startMember(0xan);
  await using b = await startMember(0xbn);
  await connect(a, b);
  const streaming = append(0xan, 0xbn, 1, [100_000]);
  a.network.send(Array.from({ length: 100 }, () => streaming));
  await b.watched.until(() => b.node.received.length > 0);
  await b.network.stop();
  const { length } = b.node.received;
  await a.watched.until(() => count(a, LOST) >= 2);
  assert.equal(b.node.received.length, length);
  b.network.send([message({ type: MessageType.MsgVote, from: 0xbn, to: 0xan })]);
  assert.equal(b.network.activeSinceMs(0xan), undefined);
});

test("metrics and log lines tell of peers, traffic and failures", LIMIT, async () => {
  const a = await startMember(0xan);
  await using b = await startMember(0xbn);
  await connect(a, b);
  a.network.send([append(0xan, 0xbn, 1, [1_000])]);
  await b.watched.until(() => b.node.received.length === 1);
  const value = (member: TestMember, series: string): number => {
    const line = member.registry
      .render()
      .split("\n")
      .find((each) => each.startsWith(`${series} `));
    return Number(line?.slice(series.length + 1) ?? Number.NaN);
  };
  assert.equal(value(a, 'etcd_network_active_peers{Local="a",Remote="b"}'), 1);
  assert.ok(value(a, 'etcd_network_peer_sent_bytes_total{To="b"}') > 1_000);
  assert.ok(value(b, 'etcd_network_peer_received_bytes_total{From="a"}') > 1_000);
  await a[Symbol.asyncDispose]();
  b.network.send([message({ type: MessageType.MsgAppResp, from: 0xbn, to: 0xan })]);
  await b.watched.until(() => b.node.unreachable.length > 0);
  assert.equal(value(b, 'etcd_network_active_peers{Local="b",Remote="a"}'), 0);
  assert.ok(value(b, 'etcd_network_disconnected_peers_total{Local="b",Remote="a"}') >= 1);
  assert.ok(value(b, 'etcd_network_peer_sent_failures_total{To="a"}') >= 1);
  for (const text of [
    "starting remote peer",
    "started remote peer",
    "added remote peer",
    "peer became active",
    "peer became inactive (message send to peer failed)",
  ]) {
    assert.ok(b.logger.messages().includes(text), text);
  }
  for (const text of ["stopping remote peer", "stopped remote peer"]) {
    assert.ok(a.logger.messages().includes(text), text);
  }
});
