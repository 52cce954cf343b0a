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
import { EtcdProcess, freePorts, missing } from "./harness.ts";
import { Voter } from "./peer-voter.ts";

const OPTIONS = { skip: missing("reference"), timeout: 60_000 };

interface Pair extends AsyncDisposable {
  readonly go: EtcdProcess;
  readonly voter: Voter;
}

/** One cluster of a Go member and a voter of ours. */
async function startPair(leader: "go" | "voter"): Promise<Pair> {
  const [client = 0, peer = 0, ours = 0] = await freePorts(3);
  const url = (port: number): string => `http://127.0.0.1:${port}`;
  const goElectionMs = leader === "go" ? 1_000 : 20_000;
  const go = new EtcdProcess(
    {
      kind: "reference",
      name: "go",
      flags: [
        `--initial-cluster=go=${url(peer)},ours=${url(ours)}`,
        `--initial-cluster-token=etcd-cluster`,
        `--election-timeout=${goElectionMs}`,
        "--heartbeat-interval=100",
      ],
    },
    client,
    peer,
  );
  const voter = new Voter({
    peerUrls: [url(peer), url(ours)],
    port: ours,
    electionTicks: leader === "go" ? 10_000 : 10,
  });
  go.launch();
  await voter.start(ours);
  await go.waitForLog(/ready to serve client requests|serving client traffic/);
  return {
    go,
    voter,
    async [Symbol.asyncDispose]() {
      await voter[Symbol.asyncDispose]();
      await go[Symbol.asyncDispose]();
    },
  };
}

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
