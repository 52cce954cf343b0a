/**
 * Codec throughput against protobufjs (reflection-built static code), on messages of the hot
 * paths. `node dist/benchmarks/codec.js [filter]`: only cases whose name contains the filter run.
 * Every case runs in alternating rounds; the best round counts.
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";
import { KeyValue } from "../src/api/gen/kv.ts";
import { Entry, Message, MessageType as RaftType } from "../src/api/gen/raft.ts";
import { InternalRaftRequest, RequestHeader } from "../src/api/gen/raft-internal.ts";
import {
  Compare,
  PutRequest,
  RangeResponse,
  RequestOp,
  ResponseHeader,
  TxnRequest,
} from "../src/api/gen/rpc.ts";
import type { MessageType } from "../src/api/message-type.ts";

const ROUNDS = 5;
const ROUND_MS = 150;

interface Case {
  readonly name: string;
  readonly type: MessageType<unknown>;
  readonly message: unknown;
}

function corpus(): Case[] {
  const key = Buffer.from("registry/pods/default/web-0001");
  const value = Buffer.alloc(256, "v");
  const put = PutRequest.create({ key, value });
  const header = ResponseHeader.create({
    clusterId: 0xcdf818194e3a8c32n,
    memberId: 0x8e9e05c52164694dn,
    revision: 1_234_567,
    raftTerm: 3,
  });
  const kv = KeyValue.create({
    key,
    value,
    createRevision: 1_000_000,
    modRevision: 1_234_567,
    version: 12,
    lease: 0x694d7f3a2b1c0d0en,
  });
  const raftHeader = RequestHeader.create({ ID: 0x694d7f3a2b1c0d0en });
  const proposal = InternalRaftRequest.create({ header: raftHeader, put });
  const thousand = new Array<KeyValue>(1000).fill(kv);
  const range = (kvs: KeyValue[]): RangeResponse =>
    RangeResponse.create({ header, kvs, count: kvs.length });
  return [
    { name: "PutRequest 290 B", type: PutRequest, message: put },
    { name: "PutResponse header", type: ResponseHeader, message: header },
    { name: "KeyValue 300 B", type: KeyValue, message: kv },
    { name: "InternalRaftRequest put", type: InternalRaftRequest, message: proposal },
    { name: "TxnRequest compare+put", type: TxnRequest, message: comparePut(put) },
    { name: "RangeResponse 1 kv", type: RangeResponse, message: range([kv]) },
    { name: "RangeResponse 1000 kvs", type: RangeResponse, message: range(thousand) },
    { name: "raft MsgApp 16 entries", type: Message, message: append(proposal) },
  ];
}

function comparePut(put: PutRequest): TxnRequest {
  const targetUnion = { case: "modRevision", value: 7 } as const;
  const compare = [Compare.create({ key: put.key, target: 2, targetUnion })];
  const success = [RequestOp.create({ request: { case: "requestPut", value: put } })];
  return TxnRequest.create({ compare, success });
}

function append(proposal: InternalRaftRequest): Message {
  const data = InternalRaftRequest.encode(proposal);
  return Message.create({
    type: RaftType.MsgApp,
    to: 0x8211f1d0f64f3269n,
    from: 0x91bc3c398fb3c146n,
    term: 3,
    logTerm: 3,
    index: 999_999,
    commit: 999_990,
    entries: Array.from({ length: 16 }, (_, i) =>
      Entry.create({ term: 3, index: 1_000_000 + i, data }),
    ),
  });
}

function loadPeer(): protobuf.Root {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  const root = new protobuf.Root();
  for (const name of readdirSync(join(folder, "proto"))) {
    if (name === "codegen.proto") continue;
    const text = readFileSync(join(folder, "proto", name), "utf8");
    protobuf.parse(text, root, { keepCase: true });
  }
  root.resolveAll();
  return root;
}

/** Keeps results alive, so that the work cannot be optimised away. */
let sink = 0;

/** Operations per second of one round. */
function round(work: () => number): number {
  let operations = 0;
  const start = performance.now();
  let elapsed = 0;
  while (elapsed < ROUND_MS) {
    for (let i = 0; i < 200; i++) sink += work();
    operations += 200;
    elapsed = performance.now() - start;
  }
  return (operations * 1000) / elapsed;
}

function perSecond(rate: number): string {
  return rate >= 1e6 ? `${(rate / 1e6).toFixed(2)} M` : `${(rate / 1e3).toFixed(1)} k`;
}

function main(): void {
  const peerRoot = loadPeer();
  const filter = process.argv[2] ?? "";
  console.log(`node ${process.version}; operations per second, ours / protobufjs`);
  for (const { name, type, message } of corpus().filter((one) => one.name.includes(filter))) {
    const bytes = type.encode(message);
    const peer = peerRoot.lookupType(type.typeName);
    const peerMessage = peer.decode(bytes);
    const works = [
      () => type.encode(message).length,
      () => peer.encode(peerMessage).finish().length,
      () => (type.decode(bytes) === undefined ? 0 : 1),
      () => (peer.decode(bytes) === undefined ? 0 : 1),
    ];
    const best = works.map(() => 0);
    for (let i = 0; i < ROUNDS; i++) {
      works.forEach((work, index) => {
        best[index] = Math.max(best[index] ?? 0, round(work));
      });
    }
    const [encode = 0, peerEncode = 0, decode = 0, peerDecode = 0] = best;
    const part = (label: string, ours: number, theirs: number): string =>
      `${label} ${perSecond(ours)}/s ${perSecond(theirs)}/s ${(ours / theirs).toFixed(1)}x`;
    const head = `${name} (${bytes.length} B)`.padEnd(34);
    console.log(
      `${head} ${part("encode", encode, peerEncode).padEnd(38)} ${part("decode", decode, peerDecode)}`,
    );
  }
  if (sink === 0) console.log("nothing ran");
}

main();
