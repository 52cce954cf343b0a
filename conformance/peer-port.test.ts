/**
 * What strangers, removed members and broken senders get from a member's peer port: the same
 * status codes and texts as from a reference etcd. Afterwards the cluster is as it was.
 */
import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { ConfState, Entry, Message, MessageType, Snapshot } from "../src/api/gen/raft.ts";
import { compare, etcdctl, idOf, type Lab, leaderOf, type Seen, until } from "./cluster-lab.ts";
import type { EtcdProcess } from "./harness.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

interface Question {
  readonly method?: string;
  readonly path: string;
  /** Undefined leaves a header out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: Uint8Array;
  /** Ends the connection in the middle of the body. */
  readonly isCut?: boolean;
}

/** Who is spoken to, as whom. */
interface Talk {
  readonly member: EtcdProcess;
  readonly good: Readonly<Record<string, string>>;
}

/** "status content-type body", or how the connection ended. */
function ask({ member, good }: Talk, question: Question): Promise<string> {
  const { method = "GET", path, body, isCut = false } = question;
  const length = body === undefined || isCut ? undefined : String(body.length);
  const merged = Object.entries({ ...good, "content-length": length, ...question.headers });
  const headers = Object.fromEntries(
    merged.filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  return new Promise((resolve) => {
    const request = httpRequest(member.peerUrl + path, { method, headers, agent: false });
    request.setTimeout(PATIENCE_MS, () => {
      resolve("no answer");
      request.destroy();
    });
    request.on("error", (error) => resolve(`error ${(error as NodeJS.ErrnoException).code}`));
    // After an answer that was cut; what was resolved before stays.
    request.on("close", () => resolve("closed"));
    request.on("response", (response) => {
      response.on("error", () => undefined);
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => {
        const type = response.headers["content-type"] ?? "no type";
        resolve(`${response.statusCode} ${type}: ${inOrder(text)}`);
        request.destroy();
      });
    });
    if (isCut && body !== undefined) request.write(body, () => request.destroy());
    else request.end(body);
  });
}

/** Ids differ from run to run, and with them the order of members. */
function inOrder(text: string): string {
  const members = text.match(/\{"id":.*?\]\}/g) ?? [];
  const sorted = members.map((member) => member.replace(/\d{10,}/, "ID")).sort();
  return text.replace(/\{"id":.*\]\}/, sorted.join()).replace(/\b\d{15,20}\b/g, "ID");
}

/** The first line that comes back for bytes that are no HTTP. */
function shout(member: EtcdProcess, bytes: Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(Number(new URL(member.peerUrl).port), "127.0.0.1");
    socket.setTimeout(PATIENCE_MS, () => socket.destroy());
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(text.split("\r\n")[0] ?? ""));
    socket.end(bytes);
  });
}

/** A message with its length in front, and what follows it. */
function frame(message: Message, ...rest: readonly Uint8Array[]): Buffer {
  const encoded = Message.encode(message);
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(encoded.length));
  return Buffer.concat([length, encoded, ...rest]);
}

/** What must not change, as every member has it. */
async function stateOf(members: readonly EtcdProcess[]): Promise<unknown> {
  const states = await Promise.all(
    members.map(async (member) => {
      // Linearizable: behind it, the member has everything.
      const keys = (await etcdctl(member, ["get", "--prefix", ""])).output;
      const { hash, compact_revision: compacted } = await member.call("/v3/maintenance/hash");
      const list = (await etcdctl(member, ["member", "list"])).output;
      const health = (await etcdctl(member, ["endpoint", "health"])).code;
      assert.ok(hash);
      return { list, health, keys, hash, compacted };
    }),
  );
  for (const state of states) assert.deepEqual(state, states[0]);
  return states[0];
}

async function abuse(lab: Lab): Promise<Seen> {
  const all = await lab.cluster(3);
  const [member, peer, gone] = all;
  assert.ok(member && peer && gone);
  const [self, from, removed] = await Promise.all([member, peer, gone].map(idOf));
  assert.ok(self && from && removed);
  await until("one is removed", async () => {
    const { code, output } = await etcdctl(member, ["member", "remove", removed]);
    return code === 0 || output;
  });
  await until(`${lab.kind} ends`, () => !gone.running || gone.logText.slice(-3000));
  const left = [member, peer];
  await leaderOf(left);
  for (let i = 0; i < 20; i++) await etcdctl(left, ["put", `k${i}`, "v".repeat(i)]);
  const status = await member.call("/v3/maintenance/status");
  const term = Number(status.raftTerm);
  const { cluster_id: cluster = "" } = status.header as Record<string, string>;
  const before = await stateOf(left);

  const good = {
    "x-server-from": from,
    "x-server-version": lab.kind === "ours" ? "3.6.0" : "3.4.23",
    "x-min-cluster-version": "3.0.0",
    "x-etcd-cluster-id": BigInt(cluster).toString(16),
    "x-raft-to": self,
  };
  const talk: Talk = { member, good };
  const id = (text: string): bigint => BigInt(`0x${text}`);
  const message = (init: Partial<Message>): Message =>
    Message.create({ type: MessageType.MsgHeartbeatResp, to: id(self), from: id(from), ...init });
  const post = (path: string, body: Uint8Array): Question => ({ method: "POST", path, body });
  const stream = "/raft/stream/message";
  const snapshot = Snapshot.create({
    data: new Uint8Array(0),
    metadata: {
      index: 1,
      term: 1,
      confState: ConfState.create({ voters: [id(self), id(from)] }),
    },
  });
  const snap = message({ type: MessageType.MsgSnap, term: 1, snapshot });
  const rubbish = Buffer.alloc(70_000, "no database");

  const questions: Record<string, Question> = {
    "another cluster's stream": {
      path: `${stream}/${from}`,
      headers: { "x-etcd-cluster-id": "1234" },
    },
    "another cluster's message": {
      ...post("/raft", Message.encode(message({}))),
      headers: { "x-etcd-cluster-id": "1234" },
    },
    "another cluster's database": {
      ...post("/raft/snapshot", frame(snap, rubbish)),
      headers: { "x-etcd-cluster-id": "1234" },
    },
    "no cluster": { path: `${stream}/${from}`, headers: { "x-etcd-cluster-id": undefined } },
    "no versions": {
      path: `${stream}/${from}`,
      headers: { "x-server-version": undefined, "x-min-cluster-version": undefined },
    },
    "an old version": { path: `${stream}/${from}`, headers: { "x-server-version": "2.3.0" } },
    "a version to come": {
      path: `${stream}/${from}`,
      headers: { "x-server-version": "9.0.0", "x-min-cluster-version": "9.0.0" },
    },
    "a message from an old version": {
      ...post("/raft", Message.encode(message({}))),
      headers: { "x-server-version": "2.3.0", "x-min-cluster-version": "2.3.0" },
    },
    "a removed member's stream": {
      path: `${stream}/${removed}`,
      headers: { "x-server-from": removed },
    },
    "a removed member's message": {
      ...post("/raft", Message.encode(message({ from: id(removed), term }))),
      headers: { "x-server-from": removed },
    },
    "a removed member's call for votes": {
      ...post(
        "/raft",
        Message.encode(message({ type: MessageType.MsgVote, from: id(removed), term: term + 9 })),
      ),
      headers: { "x-server-from": removed },
    },
    "a stranger's stream": { path: `${stream}/77`, headers: { "x-server-from": "77" } },
    "a stream for another": { path: `${stream}/${from}`, headers: { "x-raft-to": "77" } },
    "a stream of another kind": { path: `/raft/stream/msgappv9/${from}` },
    "a stream from nobody": { path: `${stream}/` },
    "a stream from no id": { path: `${stream}/xyz` },
    "a stream by POST": post(`${stream}/${from}`, new Uint8Array(0)),
    "a message by GET": { path: "/raft" },
    "a database by GET": { path: "/raft/snapshot" },
    "a message of rubbish": post("/raft", Buffer.from("rubbish")),
    "a database in a message": post("/raft", Message.encode(snap)),
    "a database without one": post("/raft/snapshot", new Uint8Array(0)),
    "a database that is too long": post("/raft/snapshot", Buffer.alloc(64, 0xff)),
    "a message as a database": post("/raft/snapshot", frame(message({}))),
    "a cut message before a database": post("/raft/snapshot", frame(snap).subarray(0, 20)),
    members: { path: "/members" },
    "members by POST": post("/members", new Uint8Array(0)),
    "below members": { path: "/members/x" },
    "promotion by GET": { path: `/members/promote/${removed}` },
    "promotion of nobody": post("/members/promote/zz", new Uint8Array(0)),
    "promotion of a removed one": post(`/members/promote/${removed}`, new Uint8Array(0)),
    "promotion of a voter": post(`/members/promote/${from}`, new Uint8Array(0)),
    "a hash of rubbish": { path: "/members/hashkv", body: Buffer.from("rubbish") },
    "a hash of another cluster": {
      path: "/members/hashkv",
      headers: { "x-etcd-cluster-id": "1234" },
      body: Buffer.from("{}"),
    },
    "a hash by POST": post("/members/hashkv", Buffer.from("{}")),
    "leases by GET": { path: "/leases" },
    "leases of rubbish": post("/leases", Buffer.from("rubbish")),
    "a lease that is not there": post("/leases", Buffer.from([0x08, 0x07])),
    "lease details by GET": { path: "/leases/internal" },
    "lease details of rubbish": post("/leases/internal", Buffer.from("rubbish")),
    "version by POST": post("/version", new Uint8Array(0)),
    "another path": { path: "/nothing" },
    "the root": { path: "/" },
    "a client's path": { path: "/v3/kv/range" },
  };
  const seen: Record<string, unknown> = {};
  for (const [what, question] of Object.entries(questions)) {
    // Leadership may move while other tests keep the machine busy.
    const asked = question.path === "/leases" ? await leaderOf(left) : member;
    seen[what] = await ask({ member: asked, good }, question);
  }
  seen["bytes of chance"] = await shout(member, Buffer.from("\u0000\u0001rubbish\r\n\r\n"));
  seen["a TLS greeting"] = await shout(member, Buffer.from("16030100c8010000c40303", "hex"));
  seen["half a request"] = await shout(member, Buffer.from("POST /raft HTTP/1.1\r\nHost"));
  // The reference would take these in, and some would be its end.
  if (lab.kind === "ours") {
    const high = { ...snap, term: term + 5 };
    const far = {
      ...high,
      snapshot: {
        ...snapshot,
        metadata: { ...snapshot.metadata, index: 90_000, term: term + 4 },
      },
    };
    const own: Record<string, Question> = {
      "rubbish in place of a database": post("/raft/snapshot", frame(far, rubbish)),
      "nothing in place of a database": post("/raft/snapshot", frame(far)),
      "a database in a message that is news": post("/raft", Message.encode(far)),
      "a database for another": post("/raft/snapshot", frame({ ...far, to: 0x77n }, rubbish)),
      "a message for another": post("/raft", Message.encode(message({ to: 0x77n }))),
      "a removed member's database": post(
        "/raft/snapshot",
        frame({ ...far, from: id(removed) }, rubbish),
      ),
      "a cut database": { ...post("/raft/snapshot", frame(far, rubbish)), isCut: true },
      "a hole in the log": post(
        "/raft",
        Message.encode(
          message({
            type: MessageType.MsgApp,
            term,
            index: 80_000,
            logTerm: term,
            entries: [Entry.create({ index: 80_001, term, data: Buffer.from("rubbish") })],
          }),
        ),
      ),
    };
    const answers: Record<string, string> = {};
    for (const [what, question] of Object.entries(own)) answers[what] = await ask(talk, question);
    seen.own = answers;
  }
  assert.deepEqual(await stateOf(left), before);
  seen["a write afterwards"] = await lab.ctl(left, "put", "after", "all");
  return seen;
}

const FROM_REMOVED =
  '403 application/json: {"message":"cannot process message from removed member"}';
const FOR_ANOTHER = '403 application/json: {"message":"cannot process message to mismatch member"}';
const WRONG_TYPE = "400 text/plain; charset=utf-8: wrong raft message type\n";

/** Where the reference says nothing at all, or takes in what is wrong, or is less clear. */
const OWN: Readonly<Record<string, string>> = {
  "a removed member's message": FROM_REMOVED,
  "a removed member's call for votes": FROM_REMOVED,
};

compare("the peer port refuses in etcd's words, and nothing changes", abuse, {
  own: [...Object.keys(OWN), "own"],
  // It does not look at the cluster.
  unlike34: ["a hash of another cluster"],
  check: (seen) => {
    for (const [what, answer] of Object.entries(OWN)) assert.equal(seen[what], answer, what);
    const own = seen.own as Record<string, string>;
    assert.match(own["rubbish in place of a database"] ?? "", /^500 .*failed to save KV snapshot/);
    assert.match(own["nothing in place of a database"] ?? "", /^500 .*failed to save KV snapshot/);
    assert.equal(own["a database in a message that is news"], WRONG_TYPE);
    assert.equal(own["a database for another"], FOR_ANOTHER);
    assert.equal(own["a message for another"], FOR_ANOTHER);
    assert.equal(own["a removed member's database"], FROM_REMOVED);
  },
});
