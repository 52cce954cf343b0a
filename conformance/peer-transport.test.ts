/**
 * Our peer transport against a real etcd: a member of which only the raft core and the transport
 * are ours makes one cluster with it, follows, leads, and exchanges databases.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Message, MessageType } from "../src/api/gen/raft.ts";
import { formatID } from "../src/base/ids.ts";
import { emptyConfState, newSnapshot } from "../src/raft/index.ts";
import { EtcdProcess, missing } from "./harness.ts";
import { type Pair, startPair, Voter } from "./peer-voter.ts";
import { freePorts } from "../src/base/testing/free-ports.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const OPTIONS = { skip: missing("reference"), timeout: 3 * PATIENCE_MS };

const base64 = (text: string): string => Buffer.from(text).toString("base64");

async function putMany(go: EtcdProcess, count: number, bytes: number): Promise<void> {
  const value = base64("v".repeat(bytes));
  for (let i = 0; i < count; ) {
    const batch = Array.from({ length: Math.min(20, count - i) }, () => i++);
    await Promise.all(batch.map((n) => go.call("/v3/kv/put", { key: base64(`key-${n}-`), value })));
  }
}

test("a Go leader elects and commits with a follower behind our transport", OPTIONS, async () => {
  await using pair = await startPair("go");
  const { go, voter } = pair;
  await putMany(go, 200, 300);
  await go.call("/v3/kv/put", { key: base64("large"), value: base64("x".repeat(1_400_000)) });
  await voter.until(() => voter.appliedWith("large") === 1);
  for (let i = 0; i < 200; i++) assert.equal(voter.appliedWith(`key-${i}-`), 1, `key-${i}-`);
  assert.equal(formatID(voter.raft.basicStatus().lead), formatID(voter.otherID));
  const read = await go.call("/v3/kv/range", { key: base64("key-7-") });
  assert.equal(read.count, "1");
  for (const type of [MessageType.MsgApp, MessageType.MsgHeartbeat]) {
    assert.ok(voter.kinds.has(type), `message type ${type}`);
  }
  assertStreams(pair);
});

test("a leader behind our transport serves a Go follower's clients", OPTIONS, async () => {
  await using pair = await startPair("voter");
  const { go, voter } = pair;
  assert.equal(voter.raft.basicStatus().state, "StateLeader");
  await putMany(go, 200, 300);
  await go.call("/v3/kv/put", { key: base64("large"), value: base64("x".repeat(1_400_000)) });
  // A linearizable read: MsgReadIndex and its answer.
  const read = await go.call("/v3/kv/range", { key: base64("key-"), range_end: base64("key.") });
  assert.equal(read.count, "200");
  for (const type of [MessageType.MsgProp, MessageType.MsgAppResp, MessageType.MsgReadIndex]) {
    assert.ok(voter.kinds.has(type), `message type ${type}`);
  }
  assertStreams(pair);
});

test("a database reaches a Go member, which answers when it has it", OPTIONS, async () => {
  await using pair = await startPair("go");
  const { go, voter } = pair;
  // Of an old term, so that Go's raft ignores it once the file is there.
  const message = Message.create({
    type: MessageType.MsgSnap,
    from: voter.memberID,
    to: voter.otherID,
    term: 1,
    snapshot: newSnapshot(77, 1, { ...emptyConfState(), voters: [1n] }, new Uint8Array(0)),
  });
  const database = Buffer.alloc(20_000_001, "database");
  let closed = false;
  voter.sendSnapshot(message, {
    sizeBytes: database.length,
    async *chunks(chunkBytes) {
      for (let at = 0; at < database.length; at += chunkBytes) {
        yield database.subarray(at, at + chunkBytes);
      }
    },
    close: () => {
      closed = true;
    },
  });
  await voter.until(() => voter.snapshotReports.length === 1);
  assert.deepEqual(voter.snapshotReports, [true]);
  assert.ok(closed);
  const files = readdirSync(join(go.dataDir, "member", "snap"));
  assert.ok(files.includes("000000000000004d.snap.db"), files.join(" "));
});

test(
  "a Go leader brings a member that is far behind up to date with its database",
  OPTIONS,
  async () => {
    const ports = await freePorts(5);
    const [ours = 0, ...others] = ports;
    const url = (port = 0): string => `http://127.0.0.1:${port}`;
    const peerUrls = [url(ours), url(others[0]), url(others[1])];
    const flags = [
      `--initial-cluster=ours=${peerUrls[0]},m1=${peerUrls[1]},m2=${peerUrls[2]}`,
      "--initial-cluster-token=etcd-cluster",
      "--snapshot-count=100",
    ];
    const kind = "reference" as const;
    await using m1 = new EtcdProcess({ kind, name: "m1", flags }, others[2] ?? 0, others[0] ?? 0);
    await using m2 = new EtcdProcess({ kind, name: "m2", flags }, others[3] ?? 0, others[1] ?? 0);
    await Promise.all([m1.start(), m2.start()]);
    // etcd keeps 5,000 entries behind a snapshot for members that lag.
    await putMany(m1, 5_300, 10);
    await using voter = new Voter({ peerUrls, port: ours, electionTicks: 10_000 });
    await voter.start(ours);
    await voter.until(() => voter.snapshots.length > 0 && voter.applied.length > 0);
    const { message, bytes, head } = voter.snapshots[0] as (typeof voter.snapshots)[0];
    assert.ok((message.snapshot?.metadata.index ?? 0) > 5_000);
    // The pages of a bolt file, with its magic number in the first.
    assert.equal(bytes % 4_096, 0);
    assert.equal(head.readUInt32LE(16), 0xed0cdaed);
    await putMany(m1, 1, 10);
    await voter.until(() => voter.appliedWith("key-0-") === 1);
  },
);

test(
  "streams to a Go member come back after it was killed, and after it hung",
  OPTIONS,
  async () => {
    await using pair = await startPair("go");
    const { go, voter } = pair;
    const established = (): number =>
      voter.logger.lines.filter(
        ({ message }) => message === "established TCP streaming connection with remote peer",
      ).length;
    await voter.until(() => established() >= 4);
    await go.kill();
    await voter.until(() => voter.network.activeSinceMs(voter.otherID) === undefined);
    await go.start();
    await voter.until(() => established() >= 8);
    await putMany(go, 5, 10);
    // Nothing is closed, nothing is said: only the timeout can tell.
    process.kill(go.pid as number, "SIGSTOP");
    const timedOut = (): boolean =>
      voter.logger.lines.some(({ fields }) => fields.error === "read: i/o timeout");
    await voter.until(timedOut);
    process.kill(go.pid as number, "SIGCONT");
    await voter.until(() => established() >= 10);
    await putMany(go, 5, 10);
  },
);

function assertStreams({ go, voter }: Pair): void {
  const established = "established TCP streaming connection with remote peer";
  for (const kind of ["stream MsgApp v2", "stream Message"]) {
    for (const end of ["stream-reader-type", "stream-writer-type"]) {
      const found = voter.logger.lines.some(
        ({ message, fields }) => message === established && fields[end] === kind,
      );
      assert.ok(found, `${end} ${kind}`);
    }
  }
  const problems = go.log.filter(({ msg }) =>
    /lost (the )?TCP|cluster ID mismatch|incompatible|failed to process Raft|dropped/.test(msg),
  );
  assert.deepEqual(problems, []);
  const own = voter.logger.lines.filter(({ message }) => /lost TCP|dropped/.test(message));
  assert.deepEqual(own, []);
}
