/** How calls fail: unknown methods, malformed messages, deadlines, cancellation; a foreign client. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as grpc from "@grpc/grpc-js";
import {
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  StatusResponse,
  TxnRequest,
  WatchRequest,
  WatchResponse,
} from "../../api/gen/rpc.ts";
import { HashKVResponse } from "../../api/gen/rpc.ts";
import type { MessageType } from "../../api/message-type.ts";
import { OTHER_BINARY, TestMember } from "./harness.ts";
import { bytes, deleteOp, eventTexts, pairs, putOp, type RpcClient, text } from "./rpc-client.ts";
import { Inbox, until, within } from "./wait.ts";

let member: TestMember;
let client: RpcClient;

before(async () => {
  member = await TestMember.start();
  client = member.client;
});
after(() => member.remove());

async function fingerprint(): Promise<string> {
  const body = await client.connection.unary("/etcdserverpb.Maintenance/HashKV", new Uint8Array(0));
  const { hash, header } = HashKVResponse.decode(body);
  return `${hash} at ${header?.revision}`;
}

async function failure(path: string, body: Uint8Array): Promise<{ code: number; message: string }> {
  try {
    await within(client.connection.unary(path, body), path);
  } catch (error) {
    return error as { code: number; message: string };
  }
  throw new Error(`${path} was answered`);
}

test("unknown methods and services are UNIMPLEMENTED", async () => {
  const nothing = new Uint8Array(0);
  for (const [path, message] of [
    ["/etcdserverpb.KV/Nope", "unknown method Nope for service etcdserverpb.KV"],
    ["/etcdserverpb.Nope/Range", "unknown service etcdserverpb.Nope"],
    [
      "/grpc.reflection.v1.ServerReflection/X",
      "unknown service grpc.reflection.v1.ServerReflection",
    ],
    ["/nonsense", 'malformed method name: "/nonsense"'],
  ] as const) {
    const error = await failure(path, nothing);
    assert.deepEqual([error.code, error.message], [12, message]);
  }
});

/** Field 1 with length 5, but only 2 bytes; a field of number 0; an endless varint. */
const MALFORMED: readonly Uint8Array[] = [
  Uint8Array.of(0x0a, 5, 1, 2),
  Uint8Array.of(0x00, 1),
  Uint8Array.of(0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
  Uint8Array.of(0x0c),
];

test("a malformed message is an error of its call alone, and changes nothing", async () => {
  const before = await fingerprint();
  for (const path of [
    "/etcdserverpb.KV/Put",
    "/etcdserverpb.KV/Range",
    "/etcdserverpb.KV/DeleteRange",
    "/etcdserverpb.KV/Txn",
    "/etcdserverpb.KV/Compact",
    "/etcdserverpb.Lease/LeaseGrant",
    "/etcdserverpb.Lease/LeaseRevoke",
    "/etcdserverpb.Lease/LeaseTimeToLive",
    "/etcdserverpb.Maintenance/Alarm",
    "/etcdserverpb.Maintenance/HashKV",
    "/etcdserverpb.Cluster/MemberList",
    "/grpc.health.v1.Health/Check",
  ]) {
    for (const body of MALFORMED) {
      const error = await failure(path, body);
      assert.equal(error.code, 13, `${path} ${Buffer.from(body).toString("hex")}`);
      assert.match(error.message, /^grpc: error unmarshalling request: /);
    }
  }
  assert.equal(await fingerprint(), before);
});

test("a malformed message ends its stream alone", async () => {
  const good = client.watch();
  await good.create("calls/watched");
  for (const path of [
    "/etcdserverpb.Watch/Watch",
    "/etcdserverpb.Lease/LeaseKeepAlive",
    "/etcdserverpb.Maintenance/Snapshot",
    "/etcdserverpb.KV/RangeStream",
    "/grpc.health.v1.Health/Watch",
  ] as const) {
    if (OTHER_BINARY !== undefined && path.endsWith("RangeStream")) continue;
    const stream = client.open(path);
    stream.raw.send(Uint8Array.of(0x0a, 5, 1, 2));
    stream.raw.halfClose();
    const error = await stream.failure();
    assert.equal(error?.code, 13, path);
    assert.match(error.message, /unmarshal/);
  }
  const { header } = await client.put("calls/watched", "1");
  assert.deepEqual(await good.events(1), [`PUT calls/watched=1@${header?.revision}`]);
  good.close();
});

test("unknown fields are skipped", async () => {
  const request = PutRequest.encode(PutRequest.create({ key: bytes("calls/extra") }));
  const unknown = Uint8Array.of(0xa2, 0x06, 3, 1, 2, 3);
  await client.connection.unary("/etcdserverpb.KV/Put", Buffer.concat([request, unknown]));
  assert.equal((await client.range("calls/extra")).count, 1);
});

test("a deadline that has passed ends the call", async () => {
  const deadlineMs = client.connection.nowMs() - 1;
  await assert.rejects(
    client.call("/etcdserverpb.KV/Put", { key: bytes("late") }, { deadlineMs }),
    {
      code: 4,
      message: "context deadline exceeded",
    },
  );
  assert.equal((await client.range("late")).count, 0);
});

test("a client that asks for a leader is served by a member that has one", async () => {
  const metadata = { hasleader: "true", "client-api-version": "3.5" };
  const fields = { key: bytes("calls/leader") };
  await client.call("/etcdserverpb.KV/Put", fields, { metadata });
  const watch = client.watch({ metadata });
  assert.equal((await watch.create("calls/leader")).created, true);
  watch.close();
});

test("a watch ends at its deadline", async () => {
  const deadlineMs = client.connection.nowMs() + 50;
  const watch = client.watch({ deadlineMs });
  watch.request("calls/deadline");
  const error = await watch.stream.failure();
  // The member may notice first, and etcd calls that a cancellation.
  assert.ok([1, 4].includes(error?.code ?? 0));
});

test("an aborted call rejects with the reason of its signal; the connection goes on", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const calls = Array.from({ length: 50 }, (_, i) =>
    client.call("/etcdserverpb.KV/Put", { key: bytes(`abort/${i}`) }, { signal }),
  );
  controller.abort(new Error("no more"));
  for (const outcome of await Promise.allSettled(calls)) {
    assert.equal(outcome.status, "rejected");
    if (outcome.status === "rejected") assert.equal(outcome.reason.message, "no more");
  }
  await client.put("abort/after");
});

test("a client that goes away leaves nothing behind but what was acknowledged", async () => {
  const other = await member.connect();
  const watch = other.watch();
  await watch.create("gone");
  const puts = Array.from({ length: 200 }, (_, i) => other.put(`gone/${i}`, "x"));
  await puts[0];
  other.close();
  const outcomes = await Promise.allSettled(puts);
  for (const [i, outcome] of outcomes.entries()) {
    if (outcome.status === "fulfilled") assert.equal((await client.range(`gone/${i}`)).count, 1);
  }
});

test("a client that renews leases by a stream for each renewal keeps its connection", async () => {
  const { ID } = await client.grant(100);
  const other = await member.connect();
  for (let i = 0; i < 600; i++) {
    const stream = other.open("/etcdserverpb.Lease/LeaseKeepAlive");
    stream.send({ ID });
    assert.equal((await stream.next()).TTL, 100);
    stream.raw.cancel();
  }
  await other.put("still connected");
});

/** A method for grpc-js with our codecs as serializers. */
function method<Q, R>(
  path: string,
  request: MessageType<Q>,
  response: MessageType<R>,
  streams: boolean,
): grpc.MethodDefinition<Q, R> {
  return {
    path,
    requestStream: streams,
    responseStream: streams,
    requestSerialize: (message) => Buffer.from(request.encode(message)),
    requestDeserialize: (body) => request.decode(body),
    responseSerialize: (message) => Buffer.from(response.encode(message)),
    responseDeserialize: (body) => response.decode(body),
  };
}

class GrpcJsClient {
  readonly #client: grpc.Client;

  constructor(port: number, options: grpc.ClientOptions = {}) {
    this.#client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), options);
  }

  unary<Q, R>(
    path: string,
    request: MessageType<Q>,
    response: MessageType<R>,
    body: Partial<Q>,
    options: grpc.CallOptions = {},
  ): Promise<R> {
    const { requestSerialize, responseDeserialize } = method(path, request, response, false);
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request.create(body),
        options,
        (error, reply) => {
          if (error !== null) reject(error);
          else resolve(reply as R);
        },
      );
    });
  }

  bidi<Q, R>(path: string, request: MessageType<Q>, response: MessageType<R>) {
    const { requestSerialize, responseDeserialize } = method(path, request, response, true);
    return this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  }

  close(): void {
    this.#client.close();
  }
}

test("grpc-js: puts, gets, errors with code and text, and many calls at once", async () => {
  const foreign = new GrpcJsClient(member.port);
  const put = (key: string, value: string, lease = 0n) =>
    foreign.unary("/etcdserverpb.KV/Put", PutRequest, PutResponse, {
      key: bytes(key),
      value: bytes(value),
      lease,
    });
  await Promise.all(Array.from({ length: 200 }, (_, i) => put(`js/${i}`, `${i}`)));
  const reply = await foreign.unary("/etcdserverpb.KV/Range", RangeRequest, RangeResponse, {
    key: bytes("js/"),
    rangeEnd: bytes("js0"),
  });
  assert.equal(reply.kvs.length, 200);
  await assert.rejects(put("", "x"), { code: 3, details: "etcdserver: key is not provided" });
  await assert.rejects(put("k", "x", 12345n), {
    code: 5,
    details: "etcdserver: requested lease not found",
  });
  foreign.close();
});

test("grpc-js: a watch stream sees events, and ends when it is cancelled", async () => {
  const foreign = new GrpcJsClient(member.port);
  const call = foreign.bidi("/etcdserverpb.Watch/Watch", WatchRequest, WatchResponse);
  const inbox = new Inbox<WatchResponse>("grpc-js watch");
  call.on("data", (message: WatchResponse) => inbox.push(message));
  const ended = new Promise<number>((resolve) => {
    call.on("error", () => undefined);
    call.on("status", (status) => resolve(status.code));
  });
  call.write(
    WatchRequest.create({
      requestUnion: {
        case: "createRequest",
        value: {
          key: bytes("js-watch"),
          rangeEnd: new Uint8Array(0),
          startRevision: 0,
          progressNotify: false,
          filters: [],
          prevKv: false,
          watchId: 0,
          fragment: false,
        },
      },
    }),
  );
  assert.equal((await inbox.next()).created, true);
  const { header } = await client.put("js-watch", "seen");
  assert.deepEqual(eventTexts(await inbox.next()), [`PUT js-watch=seen@${header?.revision}`]);
  call.cancel();
  assert.equal(await within(ended, "the status"), 1);
  foreign.close();
});

test("grpc-js: a keep-alive stream and a deadline", async () => {
  const { ID } = await client.grant(20);
  const foreign = new GrpcJsClient(member.port);
  const stream = foreign.bidi(
    "/etcdserverpb.Lease/LeaseKeepAlive",
    LeaseKeepAliveRequest,
    LeaseKeepAliveResponse,
  );
  const inbox = new Inbox<LeaseKeepAliveResponse>("grpc-js keep-alive");
  stream.on("data", (message: LeaseKeepAliveResponse) => inbox.push(message));
  stream.on("error", () => undefined);
  stream.write(LeaseKeepAliveRequest.create({ ID }));
  assert.equal((await inbox.next()).TTL, 20);
  stream.end();
  await assert.rejects(
    foreign.unary(
      "/etcdserverpb.Maintenance/Status",
      RangeRequest,
      StatusResponse,
      {},
      { deadline: Date.now() - 1 },
    ),
    { code: 4 },
  );
  foreign.close();
});

test("grpc-js: a compressed request is understood", async () => {
  const foreign = new GrpcJsClient(member.port, {
    "grpc.default_compression_algorithm": grpc.compressionAlgorithms.gzip,
  });
  const value = "compress me ".repeat(1000);
  await foreign.unary("/etcdserverpb.KV/Put", PutRequest, PutResponse, {
    key: bytes("js-gzip"),
    value: bytes(value),
  });
  assert.equal(text((await client.range("js-gzip")).kvs[0]?.value), value);
  foreign.close();
});

test("a transaction of the largest size and a value of the largest size pass", async () => {
  const ops = Array.from({ length: 128 }, (_, i) => putOp(`largest/${i}`, "v".repeat(11_000)));
  await client.txn({ success: ops });
  const more = Array.from({ length: 129 }, (_, i) => deleteOp(`largest/${i}`));
  await assert.rejects(client.txn({ success: more }), {
    code: 3,
    message: "etcdserver: too many operations in txn request",
  });
  await client.put("largest", "w".repeat(1_500_000));
  await assert.rejects(client.put("largest", "w".repeat(1_572_864)), {
    code: 3,
    message: "etcdserver: request is too large",
  });
});

test("a transaction nested too deeply is refused before it costs anything", async () => {
  const before = await fingerprint();
  let body = TxnRequest.encode(TxnRequest.create({ success: [putOp("deep")] }));
  for (let depth = 0; depth < 5000; depth++) {
    const inner = lengthDelimited(0x22, body);
    body = lengthDelimited(0x12, inner);
  }
  const error = await failure("/etcdserverpb.KV/Txn", body);
  assert.ok([3, 13].includes(error.code), `${error.code} ${error.message}`);
  assert.equal(await fingerprint(), before);
});

function lengthDelimited(tag: number, content: Uint8Array): Uint8Array {
  const head = [tag];
  let rest = content.length;
  while (rest > 127) {
    head.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 128);
  }
  head.push(rest);
  return Buffer.concat([Uint8Array.from(head), content]);
}

test("everything outlives a restart: keys, history, revisions, compaction", async () => {
  const own = await TestMember.start();
  try {
    for (let i = 0; i < 30; i++) await own.client.put(`keep/${i % 5}`, `${i}`);
    await own.client.deleteRange("keep/3");
    await own.client.compact(12, true);
    const seen = async () => {
      const hashes: number[] = [];
      for (const revision of [20, 25, 0]) {
        const reply = await own.client.call("/etcdserverpb.Maintenance/HashKV", { revision });
        hashes.push(reply.hash, reply.compactRevision, reply.header?.revision ?? 0);
      }
      const range = { rangeEnd: bytes("keep0") };
      const old = await own.client.range("keep/", { ...range, revision: 20 });
      const now = await own.client.range("keep/", range);
      const list = await own.client.call("/etcdserverpb.Cluster/MemberList", {});
      const { ID, name } = list.members[0] ?? {};
      return { hashes, old: pairs(old.kvs), now: pairs(now.kvs), ID, name };
    };
    const before = await seen();
    for (let round = 0; round < 2; round++) {
      await own.restart();
      assert.deepEqual(await seen(), before);
    }
    await assert.rejects(own.client.range("keep/1", { revision: 11 }), { code: 11 });
    const next = await own.client.put("keep/next");
    assert.equal(next.header?.revision, (before.hashes.at(-1) ?? 0) + 1);
  } finally {
    await own.remove();
  }
});

test(
  "a full log of snapshots and purges still restarts to the same state",
  { skip: OTHER_BINARY !== undefined && "tries our own settings" },
  async () => {
    const flags = { "snapshot-count": 50, "experimental-snapshot-catchup-entries": 10 };
    const own = await TestMember.start(flags);
    try {
      for (let i = 0; i < 260; i++) await own.client.put(`snap/${i % 40}`, `${i}`);
      await until(() => own.logged.includes("saved snapshot to disk"), "a snapshot");
      const hash = async () => (await own.client.call("/etcdserverpb.Maintenance/HashKV", {})).hash;
      const before = await hash();
      await own.restart(flags);
      assert.equal(await hash(), before);
    } finally {
      await own.remove();
    }
  },
);
