import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";
import { EMPTY_BYTES } from "../base/bytes.ts";
import { DecodeError } from "../base/wire.ts";
import * as auth from "./gen/auth.ts";
import * as election from "./gen/election.ts";
import * as etcdserver from "./gen/etcdserver.ts";
import * as health from "./gen/health.ts";
import * as kv from "./gen/kv.ts";
import * as lease from "./gen/lease.ts";
import * as lock from "./gen/lock.ts";
import * as membership from "./gen/membership.ts";
import * as profile from "./gen/profile.ts";
import * as raft from "./gen/raft.ts";
import * as raftInternal from "./gen/raft-internal.ts";
import * as rpc from "./gen/rpc.ts";
import * as snap from "./gen/snap.ts";
import * as trace from "./gen/trace.ts";
import * as wal from "./gen/wal.ts";
import type { FieldInfo, MessageType } from "./message-type.ts";

const SEED = Number(process.env["CODEC_SEED"] ?? 20261121);
const ROUNDS = Number(process.env["CODEC_ROUNDS"] ?? 40);

const TYPES = collectTypes();
const PEER = loadPeer();

function collectTypes(): MessageType<unknown>[] {
  const modules = [
    ...[auth, election, etcdserver, health, kv, lease, lock, membership],
    ...[profile, raft, raftInternal, rpc, snap, trace, wal],
  ];
  const found: MessageType<unknown>[] = [];
  for (const module of modules) {
    for (const value of Object.values(module) as unknown[]) {
      if (typeof value === "object" && value !== null && "typeName" in value) {
        found.push(value as MessageType<unknown>);
      }
    }
  }
  return found;
}

function protoFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return join(folder, "proto");
}

/** protobufjs with our definitions: the independent implementation. */
function loadPeer(): protobuf.Root {
  const root = new protobuf.Root();
  for (const name of readdirSync(protoFolder()).filter((file) => file !== "codegen.proto")) {
    const text = readFileSync(join(protoFolder(), name), "utf8");
    protobuf.parse(text, root, { keepCase: true });
  }
  root.resolveAll();
  return root;
}

/** mulberry32. */
function randomSource(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) % below;
  };
}

type Random = (below: number) => number;
type Loose = Record<string, unknown>;

const SIGNED = [1n, -1n, 127n, 128n, (1n << 63n) - 1n, -(1n << 63n), 1n << 32n, -(1n << 31n)];
const UNSIGNED = [1n, 127n, 128n, 16384n, (1n << 64n) - 1n, 1n << 63n, 1n << 32n, 0xffffffffn];
const SAFE = [1, 127, 128, 2 ** 28, 2 ** 32 - 1, 2 ** 32, 2 ** 35, 2 ** 49, 2 ** 53 - 1];
const TEXTS = ["a", "etcd", "x".repeat(70), "Grüße", "日本語", "𝕏\u0000z", "é".repeat(64)];

function randomScalar(field: FieldInfo, random: Random): unknown {
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
  switch (field.kind) {
    case "bool":
      return true;
    case "bytes":
      return Uint8Array.from({ length: 1 + random(300) }, () => random(256));
    case "string":
      return pick(TEXTS);
    case "int32":
      return pick([1, -1, 2 ** 31 - 1, -(2 ** 31)]);
    case "uint32":
      return pick([1, 300, 2 ** 31, 2 ** 32 - 1]);
    case "enum":
      return pick(Object.values(field.enumValues ?? {}));
    case "int64":
      return field.jsNumber ? pick([...SAFE, -1, -(2 ** 53 - 1)]) : pick(SIGNED);
    case "uint64":
      return field.jsNumber ? pick(SAFE) : pick(UNSIGNED);
    case "message":
      throw new Error("not a scalar");
  }
}

function randomValue(field: FieldInfo, random: Random, depth: number): unknown {
  return field.message === undefined
    ? randomScalar(field, random)
    : randomMessage(field.message, random, depth + 1);
}

function randomMessage(type: MessageType<unknown>, random: Random, depth = 0): Loose {
  const message = type.create() as Loose;
  for (const field of type.fields) {
    if (random(3) === 0 || (field.message !== undefined && depth > 3)) continue;
    if (field.repeated) {
      message[field.name] = Array.from({ length: random(4) }, () =>
        randomValue(field, random, depth),
      );
    } else if (field.oneof !== undefined) {
      message[field.oneof] = { case: field.name, value: randomValue(field, random, depth) };
    } else {
      message[field.name] = randomValue(field, random, depth);
    }
  }
  return message;
}

/** Our object as the peer's: proto names, 64-bit integers as decimal strings. */
function toPeer(type: MessageType<unknown>, message: Loose): Loose {
  const out: Loose = {};
  for (const field of type.fields) {
    let value = message[field.oneof ?? field.name];
    if (field.oneof !== undefined) {
      const chosen = value as { case: string; value: unknown } | undefined;
      value = chosen?.case === field.name ? chosen.value : undefined;
    }
    if (value === undefined) continue;
    const convert = (one: unknown): unknown => {
      if (field.message !== undefined) return toPeer(field.message, one as Loose);
      return field.kind === "int64" || field.kind === "uint64" ? String(one) : one;
    };
    out[field.protoName] = field.repeated ? (value as unknown[]).map(convert) : convert(value);
  }
  return out;
}

function normal(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (Array.isArray(value)) return value.map(normal);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, normal(inner)]));
}

function messageNames(namespace: protobuf.NamespaceBase): string[] {
  return namespace.nestedArray.flatMap((nested) => {
    if (nested instanceof protobuf.Type) return [nested.fullName.slice(1)];
    return nested instanceof protobuf.Namespace ? messageNames(nested) : [];
  });
}

test("every message of the definitions has a codec", () => {
  const ours = TYPES.map((type) => type.typeName).sort();
  assert.ok(ours.length > 140);
  assert.deepEqual(ours, messageNames(PEER).sort());
});

test(`random messages survive both ways between us and protobufjs (seed ${SEED})`, () => {
  const random = randomSource(SEED);
  for (const type of TYPES) {
    const peer = PEER.lookupType(type.typeName);
    for (let round = 0; round < ROUNDS; round++) {
      const message = randomMessage(type, random);
      const bytes = type.encode(message);
      assert.equal(bytes.length, type.size(message), type.typeName);
      assert.deepEqual(normal(type.decode(bytes)), normal(message), type.typeName);

      const seenByPeer = peer.toObject(peer.decode(bytes), { longs: String });
      const back = peer.encode(peer.fromObject(seenByPeer)).finish();
      assert.deepEqual(normal(type.decode(back)), normal(message), type.typeName);
      const fromPeer = peer.encode(peer.fromObject(toPeer(type, message))).finish();
      assert.deepEqual(normal(type.decode(fromPeer)), normal(message), type.typeName);
    }
  }
});

test("write puts the encoding in the middle of a buffer and touches nothing else", () => {
  const random = randomSource(7);
  for (const type of TYPES) {
    const message = randomMessage(type, random);
    const size = type.size(message);
    const target = new Uint8Array(size + 20).fill(0xee);
    assert.equal(type.write(message, target, 10), 10 + size);
    assert.deepEqual(Buffer.from(target.subarray(10, 10 + size)), type.encode(message));
    assert.ok(target.subarray(0, 10).every((byte) => byte === 0xee));
    assert.ok(target.subarray(10 + size).every((byte) => byte === 0xee));
    if (size > 0) assert.throws(() => type.write(message, target, 21), RangeError);
  }
});

test("decoding a slice in the middle of a buffer never looks outside it", () => {
  const random = randomSource(8);
  for (const type of TYPES) {
    const message = randomMessage(type, random);
    const bytes = type.encode(message);
    const padded = Buffer.concat([Buffer.alloc(5, 0xff), bytes, Buffer.alloc(5, 0x08)]);
    const decoded = type.decode(padded, 5, 5 + bytes.length);
    assert.deepEqual(normal(decoded), normal(message), type.typeName);
  }
});

test("unknown fields of every wire type are skipped, groups included", () => {
  // 500: varint, 501: fixed64, 502: bytes, 503: group with a nested group, 505: fixed32.
  const parts = [
    "a01f9601",
    "a91f0102030405060708",
    "b21f03616263",
    "bb1f08010b0cbc1f",
    "cd1f01020304",
  ];
  const stray = Buffer.from(parts.join(""), "hex");
  const random = randomSource(9);
  for (const type of TYPES) {
    const message = randomMessage(type, random);
    const bytes = type.encode(message);
    const decoded = type.decode(Buffer.concat([stray, bytes, stray]));
    assert.deepEqual(normal(decoded), normal(message), type.typeName);
  }
});

test("every truncation decodes to a valid prefix or throws DecodeError", () => {
  const random = randomSource(SEED + 1);
  for (const type of TYPES) {
    const bytes = type.encode(randomMessage(type, random)).subarray(0, 600);
    for (let end = 0; end < bytes.length; end++) {
      try {
        type.decode(bytes, 0, end);
      } catch (error) {
        assert.ok(error instanceof DecodeError, `${type.typeName} at ${end}: ${String(error)}`);
      }
    }
  }
});

test("flipped bytes and garbage decode to something or throw DecodeError", () => {
  const random = randomSource(SEED + 2);
  for (const type of TYPES) {
    const bytes = Buffer.from(type.encode(randomMessage(type, random))).subarray(0, 200);
    for (let round = 0; round < 60; round++) {
      const damaged = Buffer.from(bytes);
      if (damaged.length > 0) damaged[random(damaged.length)] = random(256);
      const garbage = Buffer.from(Array.from({ length: random(40) }, () => random(256)));
      for (const input of [damaged, garbage]) {
        try {
          type.decode(input);
        } catch (error) {
          assert.ok(error instanceof DecodeError, `${type.typeName}: ${String(error)}`);
        }
      }
    }
  }
});

test("transactions and groups nested beyond the limit are refused, not a stack overflow", () => {
  let bytes: Uint8Array = EMPTY_BYTES;
  const wrap = (tag: number, inner: Uint8Array): Uint8Array => {
    const head: number[] = [];
    for (let rest = inner.length; ; rest >>>= 7) {
      if (rest < 0x80) {
        head.push(rest);
        break;
      }
      head.push((rest & 0x7f) | 0x80);
    }
    return Buffer.concat([Buffer.from([tag, ...head]), inner]);
  };
  for (let level = 0; level < 3000; level++) bytes = wrap(0x12, wrap(0x22, bytes));
  assert.throws(() => rpc.TxnRequest.decode(bytes), /nested too deeply/);
  const groups = Buffer.alloc(100_000, 0x7b);
  assert.throws(() => rpc.PutRequest.decode(groups), /nested too deeply/);
});

test("128 nested transactions, the most that etcd's defaults allow, pass", () => {
  let txn = rpc.TxnRequest.create();
  for (let level = 0; level < 128; level++) {
    const op = rpc.RequestOp.create({ request: { case: "requestTxn", value: txn } });
    txn = rpc.TxnRequest.create({ success: [op] });
  }
  assert.deepEqual(rpc.TxnRequest.decode(rpc.TxnRequest.encode(txn)), txn);
});

test("a singular message given twice is merged, a scalar given twice keeps the last", () => {
  const first = rpc.ResponseHeader.create({ clusterId: 7n, revision: 3 });
  const second = rpc.ResponseHeader.create({ memberId: 9n, revision: 4 });
  const bytes = Buffer.concat([
    rpc.PutResponse.encode(rpc.PutResponse.create({ header: first })),
    rpc.PutResponse.encode(rpc.PutResponse.create({ header: second })),
  ]);
  const { header } = rpc.PutResponse.decode(bytes);
  assert.deepEqual(header, { clusterId: 7n, memberId: 9n, revision: 4, raftTerm: 0 });
});

test("bytes fields borrow the input instead of copying it", () => {
  const bytes = rpc.PutRequest.encode(rpc.PutRequest.create({ value: Buffer.from("abc") }));
  const decoded = rpc.PutRequest.decode(bytes);
  assert.equal(decoded.value.buffer, bytes.buffer);
  assert.equal(decoded.key, EMPTY_BYTES);
});

test("text that is not UTF-8 is refused in proto3 and replaced in proto2", () => {
  const bad = Buffer.from([0x0a, 0x02, 0xc3, 0x28]);
  assert.throws(() => auth.UserAddOptions.decode(bad.subarray(0, 3)), DecodeError);
  assert.throws(() => rpc.AuthUserGetRequest.decode(bad), /not valid UTF-8/);
  const replacement = rpc.AuthUserGetRequest.create({ name: "a\ufffdb" });
  assert.deepEqual(
    rpc.AuthUserGetRequest.decode(rpc.AuthUserGetRequest.encode(replacement)),
    replacement,
  );
  const v2 = Buffer.from([0x12, 0x02, 0xc3, 0x28]);
  assert.equal(etcdserver.Request.decode(v2).Method, "\ufffd(");
});

test("a client's integers beyond 2^53 become the nearest safe one, stored ones are refused", () => {
  const max = Buffer.from("ffffffffffffffff7f", "hex");
  const min = Buffer.from("80808080808080808001", "hex");
  const range = rpc.RangeRequest.decode(Buffer.concat([Buffer.from([0x18]), max]));
  assert.equal(range.limit, Number.MAX_SAFE_INTEGER);
  const low = rpc.RangeRequest.decode(Buffer.concat([Buffer.from([0x20]), min]));
  assert.equal(low.revision, Number.MIN_SAFE_INTEGER);
  const stored = Buffer.concat([Buffer.from([0x10]), max]);
  assert.throws(() => kv.KeyValue.decode(stored), /beyond 2\^53/);
  assert.throws(() => raft.Entry.decode(stored), /beyond 2\^53/);
});

test("a known field with a foreign wire type is refused, as the v2 fallback of the log needs", () => {
  for (const method of ["PUT", "POST", "GET", "QGET", "DELETE", "SYNC"]) {
    const request = etcdserver.Request.create({ ID: 5n, Method: method, Path: "/0/version" });
    const bytes = etcdserver.Request.encode(request);
    assert.throws(() => raftInternal.InternalRaftRequest.decode(bytes), DecodeError, method);
  }
});
