import assert from "node:assert/strict";
import test from "node:test";
import { bytesFromLatin1, latin1FromBytes } from "../base/bytes.ts";
import {
  Compare,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
} from "./gen/rpc.ts";
import { type PlainOperation, scanPlainTxn } from "./plain-txn.ts";

const key = bytesFromLatin1("k\xff");
const value = bytesFromLatin1("v".repeat(200));
const [VERSION, CREATE, MOD, VALUE, LEASE] = [0, 1, 2, 3, 4];

type Fields<T> = Partial<T>;

function put(fields: Fields<PutRequest> = {}): RequestOp {
  const request = PutRequest.create({ key, value, ...fields });
  return RequestOp.create({ request: { case: "requestPut", value: request } });
}

function get(fields: Fields<RangeRequest> = {}): RequestOp {
  const request = RangeRequest.create({ key, ...fields });
  return RequestOp.create({ request: { case: "requestRange", value: request } });
}

function remove(fields: Fields<DeleteRangeRequest> = {}): RequestOp {
  const request = DeleteRangeRequest.create({ key, ...fields });
  return RequestOp.create({ request: { case: "requestDeleteRange", value: request } });
}

function compare(target: number, targetUnion: Compare["targetUnion"], result = 1): Compare {
  return Compare.create({ key, target, result, targetUnion });
}

const isNew = compare(CREATE, { case: "createRevision", value: 0 }, 0);

function encode(fields: Fields<TxnRequest>): Uint8Array {
  return TxnRequest.encode(TxnRequest.create(fields));
}

function scan(bytes: Uint8Array): ReturnType<typeof scanPlainTxn> {
  return scanPlainTxn(bytes, 0, bytes.length);
}

test("compares of a key's numbers are found with what they compare", () => {
  const compares = [
    isNew,
    compare(VERSION, { case: "version", value: 0 }),
    compare(MOD, { case: "modRevision", value: 2 ** 40 }, 3),
    compare(MOD, { case: "modRevision", value: -1 }, 2),
  ];
  for (const each of compares) {
    const bytes = encode({ compare: [each], success: [put()] });
    const { result, target, operand, keyStart, keyEnd } = scan(bytes)!.compare;
    const { targetUnion } = each;
    assert.deepEqual([result, target, operand], [each.result, each.target, targetUnion?.value]);
    assert.equal(latin1FromBytes(bytes.subarray(keyStart, keyEnd)), latin1FromBytes(key));
  }
});

test("operations of one key are found where they stand, in a part of the bytes", () => {
  const told = (bytes: Uint8Array, operation: PlainOperation | undefined) => {
    if (operation === undefined) return undefined;
    const { kind, keyStart, keyEnd, valueStart, valueEnd, lease } = operation;
    const text = (from: number, to: number) => latin1FromBytes(bytes.subarray(from, to));
    return [kind, text(keyStart, keyEnd), text(valueStart, valueEnd).length, lease];
  };
  const other = bytesFromLatin1("other");
  const rows: [RequestOp[], RequestOp[], unknown, unknown][] = [
    [
      [put()],
      [put({ key: other, lease: -3n })],
      ["put", "k\xff", 200, 0n],
      ["put", "other", 200, -3n],
    ],
    [[put({ value: new Uint8Array() })], [get()], ["put", "k\xff", 0, 0n], ["get", "k\xff", 0, 0n]],
    [[remove()], [], ["delete", "k\xff", 0, 0n], undefined],
    [[], [put()], undefined, ["put", "k\xff", 200, 0n]],
  ];
  for (const [success, failure, first, second] of rows) {
    const message = encode({ compare: [isNew], success, failure });
    const bytes = Buffer.concat([Buffer.from([0x12]), message, Buffer.from([0x12])]);
    const found = scanPlainTxn(bytes, 1, 1 + message.length)!;
    assert.deepEqual([found.start, found.end], [1, 1 + message.length]);
    assert.deepEqual(told(bytes, found.success), first);
    assert.deepEqual(told(bytes, found.failure), second);
  }
});

test("anything else is left to the message's decoder", () => {
  const empty = new Uint8Array();
  const others: Fields<TxnRequest>[] = [
    {},
    { success: [put()] },
    { compare: [isNew, isNew], success: [put()] },
    { compare: [isNew], success: [put(), put({ key: value })] },
    { compare: [isNew], success: [get()], failure: [get()] },
    { compare: [isNew], success: [put(), get()] },
    { compare: [isNew], success: [RequestOp.create()], failure: [put()] },
    { compare: [{ ...isNew, key: empty }], success: [put()] },
    { compare: [{ ...isNew, rangeEnd: value }], success: [put()] },
    { compare: [{ ...isNew, targetUnion: undefined }], success: [put()] },
    { compare: [{ ...isNew, target: MOD }], success: [put()] },
    { compare: [{ ...isNew, target: 17 }], success: [put()] },
    { compare: [compare(VALUE, { case: "value", value })], success: [put()] },
    { compare: [compare(LEASE, { case: "lease", value: 1n })], success: [put()] },
  ];
  const options = [
    put({ key: empty }),
    put({ prevKv: true }),
    put({ ignoreValue: true }),
    put({ ignoreLease: true }),
    get({ key: empty }),
    get({ rangeEnd: value }),
    get({ revision: 3 }),
    get({ keysOnly: true }),
    remove({ key: empty }),
    remove({ rangeEnd: value }),
    remove({ prevKv: true }),
    RequestOp.create({ request: { case: "requestTxn", value: TxnRequest.create() } }),
  ];
  for (const each of options) others.push({ compare: [isNew], success: [put()], failure: [each] });
  for (const [at, fields] of others.entries())
    assert.equal(scan(encode(fields)), undefined, `${at}`);
});

test("damaged bytes are read as the message's decoder reads them, or left to it", () => {
  const fields = { compare: [isNew], success: [put({ lease: 5n })], failure: [get()] };
  const whole = Buffer.from(encode(fields));
  assert.notEqual(scan(whole), undefined);
  for (let end = 0; end < whole.length; end++) sameAsDecoded(whole.subarray(0, end));
  for (let at = 0; at < whole.length; at++) {
    for (const flip of [0x01, 0x08, 0x10, 0x80]) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] as number) ^ flip;
      sameAsDecoded(bytes);
    }
  }
});

/** What is found in these bytes is what the message's decoder finds. */
function sameAsDecoded(bytes: Uint8Array): void {
  let found: ReturnType<typeof scanPlainTxn>;
  try {
    found = scan(bytes);
  } catch {
    assert.throws(() => TxnRequest.decode(bytes));
    return;
  }
  if (found === undefined) return;
  const { compare: compares, success, failure } = TxnRequest.decode(bytes);
  const { result, target, operand, keyStart, keyEnd } = found.compare;
  assert.equal(compares.length, 1);
  assert.deepEqual(
    [result, target, operand, latin1FromBytes(bytes.subarray(keyStart, keyEnd))],
    [
      compares[0]!.result,
      compares[0]!.target,
      compares[0]!.targetUnion?.value,
      latin1FromBytes(compares[0]!.key),
    ],
  );
  for (const [ops, operation] of [
    [success, found.success],
    [failure, found.failure],
  ] as const) {
    assert.equal(ops.length, operation === undefined ? 0 : 1);
    const decoded = ops[0]?.request;
    if (operation === undefined || decoded === undefined || decoded.case === "requestTxn") continue;
    assert.equal(
      { requestPut: "put", requestRange: "get", requestDeleteRange: "delete" }[decoded.case],
      operation.kind,
    );
    const text = latin1FromBytes(bytes.subarray(operation.keyStart, operation.keyEnd));
    assert.equal(text, latin1FromBytes(decoded.value.key));
    if (decoded.case !== "requestPut") continue;
    assert.equal(operation.lease, decoded.value.lease);
    const stored = bytes.subarray(operation.valueStart, operation.valueEnd);
    assert.equal(latin1FromBytes(stored), latin1FromBytes(decoded.value.value));
  }
}
