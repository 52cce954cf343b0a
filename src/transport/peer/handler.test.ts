/** Every way in which the peer port refuses, with status, text and headers as etcd gives them. */
import assert from "node:assert/strict";
import { type IncomingHttpHeaders, request as httpRequest } from "node:http";
import { test } from "node:test";
import { Message, MessageType } from "../../api/gen/raft.ts";
import { SERVER_VERSION } from "../../api/version.ts";
import { VirtualClock } from "../../env/testing/index.ts";
import { MessageEncoder } from "./message-codec.ts";
import { connect, message, startMember, type TestMember } from "./testing/peer-world.ts";
import { startStreamServer } from "./testing/raw-peers.ts";
import { PATIENCE_MS } from "../../base/testing/patience.ts";

const LIMIT = { timeout: PATIENCE_MS };
const SELF = 0xbn;

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Question {
  readonly method?: string;
  readonly path: string;
  /** Undefined leaves a header out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: Uint8Array;
}

/** What a good peer with id c sends. */
const GOOD = {
  "x-server-from": "c",
  "x-server-version": "3.4.23",
  "x-min-cluster-version": "3.0.0",
  "x-etcd-cluster-id": "c1",
  "x-raft-to": "b",
};

function ask(member: TestMember, question: Question): Promise<Answer> {
  const { method = "GET", path, body } = question;
  const merged = { ...GOOD, ...question.headers };
  const headers = Object.fromEntries(
    Object.entries(merged).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  return new Promise((resolve, reject) => {
    const request = httpRequest(member.url + path, { method, headers, agent: false });
    request.on("error", reject);
    request.on("response", (response) => {
      const parts: Buffer[] = [];
      response.on("data", (chunk: Buffer) => parts.push(chunk));
      response.on("end", () => {
        const status = response.statusCode ?? 0;
        resolve({ status, headers: response.headers, body: Buffer.concat(parts).toString() });
      });
      response.on("error", reject);
    });
    request.end(body);
  });
}

const STREAM = "/raft/stream/message/c";
const heartbeat = (init: Partial<Message> = {}): Uint8Array =>
  Message.encode(message({ type: MessageType.MsgHeartbeat, from: 0xcn, to: SELF, ...init }));
const snapshotBody = (init: Partial<Message>): Buffer => {
  const metadata = {
    index: 1,
    term: 1,
    confState: {
      voters: [],
      learners: [],
      votersOutgoing: [],
      learnersNext: [],
      autoLeave: false,
    },
  };
  const snapshot = { data: Buffer.from("x"), metadata };
  const sent = message({ type: MessageType.MsgSnap, from: 0xcn, to: SELF, snapshot, ...init });
  return Buffer.concat([new MessageEncoder().encode([sent]), Buffer.from("database")]);
};
const forbidden = (text: string): string => JSON.stringify({ message: text });
const tooLong = Buffer.alloc(8, 0xff);

interface Row extends Question {
  readonly what: string;
  readonly status: number;
  readonly text: string;
  readonly log?: string;
}

const ROWS: readonly Row[] = [
  ...[
    { path: "/raft", method: "POST" },
    { path: "/raft/snapshot", method: "POST" },
    { path: STREAM },
  ].flatMap(({ path, method = "GET" }): Row[] => [
    {
      what: `${path}: another cluster`,
      path,
      method,
      headers: { "x-etcd-cluster-id": "c2" },
      status: 412,
      text: "cluster ID mismatch\n",
      log: "request cluster ID mismatch",
    },
    {
      what: `${path}: no cluster`,
      path,
      method,
      headers: { "x-etcd-cluster-id": undefined },
      status: 412,
      text: "cluster ID mismatch\n",
    },
    {
      what: `${path}: too old`,
      path,
      method,
      headers: { "x-server-version": "2.3.8" },
      status: 412,
      text: "incompatible version\n",
      log: "failed version compatibility check",
    },
    {
      what: `${path}: no version`,
      path,
      method,
      headers: { "x-server-version": undefined, "x-min-cluster-version": undefined },
      status: 412,
      text: "incompatible version\n",
    },
    {
      what: `${path}: too new`,
      path,
      method,
      headers: { "x-server-version": "9.1.0", "x-min-cluster-version": "9.0.0" },
      status: 412,
      text: "incompatible version\n",
    },
    {
      what: `${path}: a version that is none`,
      path,
      method,
      headers: { "x-server-version": "three" },
      status: 412,
      text: "incompatible version\n",
    },
  ]),
  { what: "stream kind", path: "/raft/stream/msgappv3/c", status: 404, text: "invalid path\n" },
  { what: "stream depth", path: "/raft/stream/x/msgapp/c", status: 404, text: "invalid path\n" },
  { what: "no id", path: "/raft/stream/message/", status: 404, text: "invalid from\n" },
  { what: "no hex", path: "/raft/stream/message/xyz", status: 404, text: "invalid from\n" },
  {
    what: "an id of 65 bits",
    path: "/raft/stream/message/10000000000000000",
    status: 404,
    text: "invalid from\n",
    log: "failed to parse path into ID",
  },
  {
    what: "removed dialer",
    path: "/raft/stream/msgapp/dead",
    status: 410,
    text: "removed member\n",
    log: "rejected stream from remote peer because it was removed",
  },
  {
    what: "unknown dialer",
    path: "/raft/stream/msgapp/77",
    status: 404,
    text: "error sender not found\n",
    log: "failed to find remote peer in cluster",
  },
  {
    what: "a stream for somebody else",
    path: STREAM,
    headers: { "x-raft-to": "e" },
    status: 412,
    text: "to field mismatch\n",
    log: "ignored streaming request; ID mismatch",
  },
  {
    what: "a stream for nobody",
    path: STREAM,
    headers: { "x-raft-to": undefined },
    status: 412,
    text: "to field mismatch\n",
  },
  {
    what: "a message that is none",
    path: "/raft",
    method: "POST",
    body: Buffer.from("rubbish"),
    status: 400,
    text: "error unmarshalling raft message\n",
    log: "failed to unmarshal Raft message",
  },
  {
    what: "a message of a removed member",
    path: "/raft",
    method: "POST",
    body: heartbeat({ from: 0xdeadn }),
    status: 403,
    text: forbidden("cannot process message from removed member"),
    log: "rejected Raft message from removed member",
  },
  {
    what: "a message for somebody else",
    path: "/raft",
    method: "POST",
    body: heartbeat({ to: 0xen }),
    status: 403,
    text: forbidden("cannot process message to mismatch member"),
    log: "rejected Raft message to mismatch member",
  },
  {
    what: "a snapshot without its database",
    path: "/raft",
    method: "POST",
    body: heartbeat({ type: MessageType.MsgSnap }),
    status: 400,
    text: "wrong raft message type\n",
  },
  {
    what: "a snapshot that is another message",
    path: "/raft/snapshot",
    method: "POST",
    body: snapshotBody({ type: MessageType.MsgApp }),
    status: 400,
    text: "wrong raft message type\n",
    log: "unexpected Raft message type",
  },
  {
    what: "a snapshot that ends in its message",
    path: "/raft/snapshot",
    method: "POST",
    body: snapshotBody({}).subarray(0, 20),
    status: 400,
    text: "failed to decode raft message (unexpected EOF)\n",
    log: "failed to decode Raft message",
  },
  {
    what: "a snapshot with a message beyond the limit",
    path: "/raft/snapshot",
    method: "POST",
    body: tooLong,
    status: 400,
    text: "failed to decode raft message (rafthttp: error limit exceeded)\n",
  },
  {
    what: "a snapshot of a removed member",
    path: "/raft/snapshot",
    method: "POST",
    body: snapshotBody({ from: 0xdeadn }),
    status: 403,
    text: forbidden("cannot process message from removed member"),
  },
  {
    what: "a snapshot for somebody else",
    path: "/raft/snapshot",
    method: "POST",
    body: snapshotBody({ to: 0xen }),
    status: 403,
    text: forbidden("cannot process message to mismatch member"),
  },
  { what: "another path", path: "/raft/other", status: 404, text: "404 page not found\n" },
];

test("refusals have etcd's status, text and headers, and nothing is delivered", LIMIT, async () => {
  await using b = await startMember(SELF);
  b.network.addPeer(0xcn, ["http://127.0.0.1:1"]);
  b.node.removed.add(0xdeadn);
  for (const { what, status, text, log, ...question } of ROWS) {
    b.logger.lines.length = 0;
    const answer = await ask(b, question);
    assert.deepEqual([answer.status, answer.body], [status, text], what);
    const isJson = status === 403;
    const type = isJson ? "application/json" : "text/plain; charset=utf-8";
    assert.equal(answer.headers["content-type"], type, what);
    if (!isJson) assert.equal(answer.headers["x-content-type-options"], "nosniff", what);
    if (question.path !== "/raft/other") {
      assert.equal(answer.headers["x-etcd-cluster-id"], "c1", what);
    }
    if (question.path.startsWith("/raft/stream/")) {
      assert.equal(answer.headers["x-server-version"], SERVER_VERSION, what);
    }
    if (log !== undefined) assert.ok(b.logger.messages("warn").includes(log), `${what}: ${log}`);
  }
  assert.deepEqual(b.node.received, []);
  assert.deepEqual(b.node.snapshots, []);
});

test(
  "other methods are refused before anything else, and told which one is right",
  LIMIT,
  async () => {
    await using b = await startMember(SELF);
    for (const [path, allow] of [
      ["/raft", "POST"],
      ["/raft/snapshot", "POST"],
      [STREAM, "GET"],
    ] as const) {
      for (const method of ["GET", "POST", "PUT", "DELETE"].filter((each) => each !== allow)) {
        const answer = await ask(b, { path, method, headers: { "x-etcd-cluster-id": "c2" } });
        assert.deepEqual([answer.status, answer.body], [405, "Method Not Allowed\n"]);
        assert.equal(answer.headers.allow, allow);
        assert.equal(answer.headers["x-etcd-cluster-id"], undefined);
      }
    }
  },
);

test(
  "a message in a POST is delivered, whoever sends it, and answered with 204",
  LIMIT,
  async () => {
    await using b = await startMember(SELF);
    const answer = await ask(b, { path: "/raft", method: "POST", body: heartbeat({ term: 9 }) });
    assert.deepEqual([answer.status, answer.body], [204, ""]);
    assert.equal(answer.headers["x-etcd-cluster-id"], "c1");
    assert.equal(b.node.received[0]?.term, 9);
  },
);

test(
  "a stranger's peer URLs are remembered, those of a removed member are not",
  LIMIT,
  async () => {
    await using b = await startMember(SELF);
    b.node.removed.add(0xdeadn);
    const remotes = (): number =>
      b.logger.messages().filter((text) => text === "added new remote peer").length;
    const from = (id: string, urls: string) =>
      ask(b, {
        path: "/raft",
        method: "POST",
        headers: { "x-server-from": id, "x-peerurls": urls },
        body: heartbeat(),
      });
    await from("dead", "http://127.0.0.1:1");
    await from("b", "http://127.0.0.1:1");
    await from("c", "no url");
    await from("zz", "http://127.0.0.1:1");
    assert.equal(remotes(), 0);
    await from("c", "http://127.0.0.1:1,http://127.0.0.1:2");
    await from("c", "http://127.0.0.1:1");
    assert.equal(remotes(), 1);
    await ask(b, { path: "/raft/stream/msgapp/d", headers: { "x-peerurls": "http://[::1]:1" } });
    assert.equal(remotes(), 2);
  },
);

test(
  "a dialer that is refused says why, and one that was removed tells its node",
  LIMIT,
  async () => {
    await using a = await startMember(0xan);
    await using b = await startMember(SELF);
    await using other = await startMember(0xdn, { clusterID: 0xc2n });
    b.node.removed.add(0xan);
    a.network.addPeer(SELF, [b.url]);
    await a.watched.until(() => a.node.removedSelf > 0);
    a.network.addPeer(0xdn, [other.url]);
    const mismatch = "request sent was ignored by remote peer due to cluster ID mismatch";
    await a.watched.until(() => a.logger.messages("warn").includes(mismatch));
    assert.equal(a.network.activeSinceMs(SELF), undefined);
    // As a POST it is 403.
    const before = a.node.removedSelf;
    a.network.send([message({ type: MessageType.MsgVote, from: 0xan, to: SELF })]);
    await a.watched.until(() => a.node.removedSelf > before && a.node.unreachable.length > 0);
    assert.deepEqual(b.node.received, []);
  },
);

test("only the own cluster can say that this member was removed", LIMIT, async () => {
  for (const status of [410, 403]) {
    await using a = await startMember(0xan);
    const headers = { "X-Etcd-Cluster-ID": "c2" };
    await using other = await startStreamServer((response) => response.end(), headers, status);
    a.network.addPeer(SELF, [other.url]);
    a.network.send([message({ type: MessageType.MsgVote, from: 0xan, to: SELF })]);
    await a.watched.until(
      () =>
        a.node.unreachable.length > 0 &&
        a.logger.messages().filter((text) => text === "peer deactivated again").length > 2,
    );
    assert.equal(a.node.removedSelf, 0, String(status));
  }
});

test("before the start and after the stop, peers are told to come back later", LIMIT, async () => {
  const b = await startMember(SELF);
  await using a = await startMember(0xan);
  await connect(a, b);
  await b.network.stop();
  const answer = await ask(b, { path: "/raft", method: "POST", body: heartbeat() });
  assert.equal(answer.status, 503);
  assert.deepEqual(b.node.received, []);
  await b[Symbol.asyncDispose]();
});

test("a message that trickles in is given up after five minutes", LIMIT, async () => {
  const clock = new VirtualClock();
  await using b = await startMember(SELF, { clock });
  const request = httpRequest(`${b.url}/raft`, {
    method: "POST",
    headers: { ...GOOD, "content-length": "1000" },
    agent: false,
  });
  const answered = new Promise<number>((resolve, reject) => {
    request.on("error", reject);
    request.on("response", (response) => resolve(response.resume().statusCode ?? 0));
  });
  let status: number | undefined;
  void answered.then((value) => {
    status = value;
  });
  const passed = () => new Promise<void>((resolve) => request.write("x", () => resolve()));
  const startMs = clock.nowMs();
  while (status === undefined) {
    await passed();
    // The byte is read before time goes on.
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    if (clock.pendingTimers > 0) await clock.advanceAsync(5_000);
  }
  assert.equal(await answered, 400);
  const waitedMs = clock.nowMs() - startMs;
  assert.ok(waitedMs >= 300_000 && waitedMs < 360_000, `${waitedMs} ms`);
  await new Promise((resolve) => request.once("close", resolve));
  assert.deepEqual(b.node.received, []);
});
