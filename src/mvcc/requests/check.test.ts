import assert from "node:assert/strict";
import test from "node:test";
import type { ErrorKind } from "../../api/errors.ts";
import { EtcdError } from "../../api/errors.ts";
import type { RequestOp, TxnRequest } from "../../api/gen/rpc.ts";
import {
  compare,
  deleteOp,
  deleteRequest,
  putOp,
  putRequest,
  rangeOp,
  rangeRequest,
  txnOp,
  txnRequest,
} from "../testing/harness.ts";
import { checkDeleteRange, checkPut, checkRange, checkTxn } from "./check.ts";

function kindOf(run: () => void): ErrorKind | "ok" {
  try {
    run();
    return "ok";
  } catch (error) {
    if (error instanceof EtcdError) return error.kind;
    throw error;
  }
}

function txnKind(request: TxnRequest, maxTxnOps = 128): ErrorKind | "ok" {
  return kindOf(() => checkTxn(request, { maxTxnOps }));
}

function repeat(count: number, op: (i: number) => RequestOp): RequestOp[] {
  return Array.from({ length: count }, (_, i) => op(i));
}

test("requests need a key", () => {
  assert.equal(
    kindOf(() => checkRange(rangeRequest("", "z"))),
    "emptyKey",
  );
  assert.equal(
    kindOf(() => checkPut(putRequest("", "v"))),
    "emptyKey",
  );
  assert.equal(
    kindOf(() => checkDeleteRange(deleteRequest("", "z"))),
    "emptyKey",
  );
  assert.equal(txnKind(txnRequest([putOp("", "v")])), "emptyKey");
  assert.equal(txnKind(txnRequest([], [compare("", 0, 0, undefined)])), "emptyKey");
});

test("unknown sort orders and targets are refused, after the key", () => {
  for (const extra of [
    { sortOrder: 3 },
    { sortOrder: -1 },
    { sortTarget: 5 },
    { sortTarget: -1 },
  ]) {
    assert.equal(
      kindOf(() => checkRange(rangeRequest("k", "", extra))),
      "invalidSortOption",
    );
    assert.equal(
      kindOf(() => checkRange(rangeRequest("", "", extra))),
      "emptyKey",
    );
  }
  for (let sortOrder = 0; sortOrder <= 2; sortOrder++) {
    for (let sortTarget = 0; sortTarget <= 4; sortTarget++) {
      checkRange(rangeRequest("k", "", { sortOrder, sortTarget }));
    }
  }
});

test("a put that ignores value or lease must not bring one", () => {
  const table: [ReturnType<typeof putRequest>, ErrorKind | "ok"][] = [
    [putRequest("k", "v", { ignoreValue: true }), "valueProvided"],
    [putRequest("k", "", { ignoreValue: true }), "ok"],
    [putRequest("k", "v", { ignoreLease: true, lease: 1n }), "leaseProvided"],
    [putRequest("k", "v", { ignoreLease: true }), "ok"],
    [putRequest("k", "v", { ignoreValue: true, ignoreLease: true, lease: 1n }), "valueProvided"],
  ];
  for (const [request, expected] of table) {
    assert.equal(
      kindOf(() => checkPut(request)),
      expected,
    );
  }
});

test("each list of a transaction has at most max-txn-ops operations", () => {
  const puts = (count: number): RequestOp[] => repeat(count, (i) => putOp(`k${i}`, "v"));
  const compares = Array.from({ length: 129 }, () => compare("k", 0, 0, undefined));
  assert.equal(txnKind(txnRequest(puts(128), [], puts(128))), "ok");
  assert.equal(txnKind(txnRequest(puts(129))), "tooManyOps");
  assert.equal(txnKind(txnRequest([], [], puts(129))), "tooManyOps");
  assert.equal(txnKind(txnRequest([], compares)), "tooManyOps");
  assert.equal(txnKind(txnRequest(puts(3)), 2), "tooManyOps");
});

test("a nested transaction has what its parent's longest list leaves of the budget", () => {
  const inner = (count: number): RequestOp =>
    txnOp(txnRequest(repeat(count, (i) => rangeOp(`k${i}`))));
  const outer = (innerOps: number): TxnRequest =>
    txnRequest([inner(innerOps), ...repeat(7, (i) => rangeOp(`o${i}`))]);
  assert.equal(txnKind(outer(2), 10), "ok");
  assert.equal(txnKind(outer(3), 10), "tooManyOps");
});

test("transactions side by side share what their parent's longest list leaves", () => {
  // Found from outside: 64 transactions of 64 ranges each, level by level, were one request.
  const inner = (): RequestOp => txnOp(txnRequest(repeat(3, (i) => rangeOp(`k${i}`))));
  assert.equal(txnKind(txnRequest(repeat(2, inner)), 8), "ok");
  assert.equal(txnKind(txnRequest(repeat(3, inner)), 8), "tooManyOps");
  const either = txnRequest(repeat(2, inner), [], repeat(2, inner));
  assert.equal(txnKind(either, 8), "ok", "one branch runs, not both");
});

test("transactions nested without end are refused and not followed", () => {
  let request = txnRequest([rangeOp("k")]);
  for (let depth = 0; depth < 127; depth++) request = txnRequest([txnOp(request)]);
  assert.equal(txnKind(request), "ok");
  assert.equal(txnKind(txnRequest([txnOp(request)])), "tooManyOps");
  for (let depth = 0; depth < 5000; depth++) request = txnRequest([txnOp(request)]);
  assert.equal(txnKind(request, 1_000_000), "tooManyOps");
});

test("operations are checked by their own rules, and an empty one is refused", () => {
  assert.equal(txnKind(txnRequest([rangeOp("k", "", { sortOrder: 9 })])), "invalidSortOption");
  assert.equal(txnKind(txnRequest([], [], [deleteOp("")])), "emptyKey");
  assert.equal(txnKind(txnRequest([{ request: undefined }])), "keyNotFound");
  const nested = txnOp(txnRequest([putOp("k", "v", { ignoreValue: true })]));
  assert.equal(txnKind(txnRequest([nested])), "valueProvided");
});

const put = (key: string): RequestOp => putOp(key, "v");
const nested = (success: RequestOp[], failure: RequestOp[] = []): RequestOp =>
  txnOp(txnRequest(success, [], failure));

const OVERLAPS: readonly [name: string, ops: RequestOp[], expected: ErrorKind | "ok"][] = [
  ["two keys", [put("a"), put("b")], "ok"],
  ["one key twice", [put("a"), put("a")], "duplicateKey"],
  ["put and deletion of the key", [put("a"), deleteOp("a")], "duplicateKey"],
  ["put inside a deleted range", [deleteOp("a", "c"), put("b")], "duplicateKey"],
  ["put at the end of a deleted range", [deleteOp("a", "c"), put("c")], "ok"],
  ["put before a deleted range", [deleteOp("b", "c"), put("a")], "ok"],
  ["two deletions that overlap", [deleteOp("a", "c"), deleteOp("b", "d")], "ok"],
  ["put and range of the key", [put("a"), rangeOp("a")], "ok"],
  ["put of a key and one below it with a longer name", [deleteOp("a"), put("a\x00")], "ok"],
  ["deletion of everything from a key on, and puts in it", [deleteOp("a", "\0"), put("a")], "ok"],
  ["deletion of an inverted range", [deleteOp("c", "a"), put("b"), put("c")], "ok"],
  ["put here and in a nested transaction", [put("a"), nested([put("a")])], "duplicateKey"],
  ["put in two nested transactions", [nested([put("a")]), nested([put("a")])], "duplicateKey"],
  ["put in both branches of one", [nested([put("a")], [put("a")])], "ok"],
  [
    "put in both branches of one and in another",
    [nested([put("a")], [put("a")]), nested([], [put("a")])],
    "duplicateKey",
  ],
  ["deletion here, put below", [deleteOp("a", "z"), nested([put("b")])], "duplicateKey"],
  ["put here, deletion below", [put("b"), nested([], [deleteOp("a", "z")])], "duplicateKey"],
  [
    "deletion and put in sibling transactions",
    [nested([deleteOp("a")]), nested([put("a")])],
    "duplicateKey",
  ],
  ["put, then deletion in a later sibling", [nested([put("a")]), nested([deleteOp("a")])], "ok"],
  ["put and deletion in the two branches", [nested([put("a")], [deleteOp("a")])], "ok"],
];

test("a list of operations must not write a key twice", () => {
  for (const [name, ops, expected] of OVERLAPS) {
    assert.equal(txnKind(txnRequest(ops)), expected, name);
    assert.equal(txnKind(txnRequest([], [], ops)), expected, `${name}, in failure`);
  }
});

test("the two branches of a transaction may write the same keys", () => {
  assert.equal(txnKind(txnRequest([put("a")], [], [put("a"), deleteOp("b")])), "ok");
});

test("checking thousands of deletions and puts takes no quadratic time", () => {
  const branch = (count: number): RequestOp[] => [
    ...repeat(count, (i) => deleteOp(`d${i}`, `d${i}x`)),
    ...repeat(count, (i) => put(`p${i}`)),
  ];
  assert.equal(txnKind(txnRequest(branch(20_000)), 100_000), "ok");
});
