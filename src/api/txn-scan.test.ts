import assert from "node:assert/strict";
import { test } from "node:test";
import { DecodeError } from "../base/wire.ts";
import { Compare, RangeRequest, RequestOp, TxnRequest } from "./gen/rpc.ts";
import { countTxnOperations } from "./txn-scan.ts";

const READ = RequestOp.create({ request: { case: "requestRange", value: RangeRequest.create() } });

function nest(value: TxnRequest): RequestOp {
  return RequestOp.create({ request: { case: "requestTxn", value } });
}

const SIXTY_READS = TxnRequest.create({ success: Array.from({ length: 60 }, () => READ) });

test("operations are counted over all levels, of two branches the longer one", () => {
  const rows: [TxnRequest, number][] = [
    [TxnRequest.create(), 0],
    [TxnRequest.create({ compare: [Compare.create(), Compare.create()] }), 2],
    [TxnRequest.create({ success: [READ], failure: [READ, READ, READ] }), 3],
    [TxnRequest.create({ success: [nest(TxnRequest.create({ failure: [READ, READ] }))] }), 3],
    [TxnRequest.create({ compare: [Compare.create()], failure: [nest(TxnRequest.create())] }), 1],
    [
      TxnRequest.create({
        failure: [
          READ,
          nest(TxnRequest.create({ success: [nest(TxnRequest.create()), READ, READ] })),
        ],
      }),
      5,
    ],
    // What a parent leaves over is not there for each of its children.
    [TxnRequest.create({ success: Array.from({ length: 64 }, () => nest(SIXTY_READS)) }), 64 * 61],
  ];
  for (const [txn, expected] of rows) {
    assert.equal(countTxnOperations(TxnRequest.encode(txn)), expected);
  }
});

test("a part of a larger buffer is scanned alone", () => {
  const bytes = TxnRequest.encode(TxnRequest.create({ success: [READ] }));
  const padded = Buffer.concat([Buffer.from([0xff]), bytes, bytes]);
  assert.equal(countTxnOperations(padded, 1, 1 + bytes.length), 1);
});

test("a megabyte of empty operations is counted, and endless nesting refused", () => {
  const empty = Buffer.alloc(1 << 20);
  for (let at = 0; at < empty.length; at += 2) empty[at] = 0x12;
  assert.equal(countTxnOperations(empty), 1 << 19);
  let deep = TxnRequest.create();
  for (let level = 0; level < 501; level++) deep = TxnRequest.create({ success: [nest(deep)] });
  assert.throws(() => countTxnOperations(TxnRequest.encode(deep)), DecodeError);
  assert.throws(() => countTxnOperations(Buffer.from([0x12, 0x05])), DecodeError);
});
