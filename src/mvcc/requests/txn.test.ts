import assert from "node:assert/strict";
import test from "node:test";
import { isEtcdError } from "../../api/errors.ts";
import { type Compare, type RequestOp, type TxnRequest, TxnResponse } from "../../api/gen/rpc.ts";
import { EMPTY_BYTES } from "../../base/bytes.ts";
import type { Store } from "../store.ts";
import {
  compare,
  deleteOp,
  openWorld,
  putOp,
  putRequest,
  rangeOp,
  rangeRequest,
  textOf,
  textOfKeyValue,
  txnOp,
  txnRequest,
} from "../testing/harness.ts";
import { encodeTxnResponse } from "./encode.ts";
import { executeRange } from "./range.ts";
import { executeTxn, isTxnReadonly, isTxnSerializable } from "./txn.ts";
import { executePut } from "./write.ts";

const [VERSION, CREATE, MOD, VALUE, LEASE] = [0, 1, 2, 3, 4];
const [EQUAL, GREATER, LESS, NOT_EQUAL] = [0, 1, 2, 3];

function holds(store: Store, condition: Compare): boolean {
  return executeTxn(store, txnRequest([], [condition])).succeeded;
}

function values(store: Store): string[] {
  const { kvs } = executeRange(store, rangeRequest("\0", "\0"));
  return kvs.map((kv) => `${textOf(kv).key}=${textOf(kv).value}`);
}

test("every target with every operator, for a key that exists", () => {
  const { store, lessor } = openWorld();
  lessor.grant(5n);
  executePut(store, putRequest("other", "v"));
  executePut(store, putRequest("k", "m", { lease: 5n }));
  executePut(store, putRequest("k", "m", { lease: 5n }));
  const unions: [number, (step: number) => NonNullable<Compare["targetUnion"]>][] = [
    [VERSION, (step) => ({ case: "version", value: 2 + step })],
    [CREATE, (step) => ({ case: "createRevision", value: 3 + step })],
    [MOD, (step) => ({ case: "modRevision", value: 4 + step })],
    [VALUE, (step) => ({ case: "value", value: Buffer.from("lmn"[step + 1] as string) })],
    [LEASE, (step) => ({ case: "lease", value: BigInt(5 + step) })],
  ];
  for (const [target, union] of unions) {
    // Compared with less than what the key has, with the same, with more.
    const table: [operator: number, expected: boolean[]][] = [
      [EQUAL, [false, true, false]],
      [GREATER, [true, false, false]],
      [LESS, [false, false, true]],
      [NOT_EQUAL, [true, false, true]],
    ];
    for (const [operator, expected] of table) {
      const seen = [-1, 0, 1].map((s) => holds(store, compare("k", target, operator, union(s))));
      assert.deepEqual(seen, expected, `target ${target}, operator ${operator}`);
    }
  }
});

test("a missing key has zero for every number, and no value at all", () => {
  const { store } = openWorld();
  for (const [target, union] of [
    [VERSION, { case: "version", value: 0 }],
    [CREATE, { case: "createRevision", value: 0 }],
    [MOD, { case: "modRevision", value: 0 }],
    [LEASE, { case: "lease", value: 0n }],
  ] as const) {
    assert.equal(holds(store, compare("k", target, EQUAL, union)), true);
    assert.equal(holds(store, compare("k", target, NOT_EQUAL, union)), false);
  }
  for (const operator of [EQUAL, GREATER, LESS, NOT_EQUAL]) {
    const union = { case: "value", value: EMPTY_BYTES } as const;
    assert.equal(holds(store, compare("k", VALUE, operator, union)), false);
  }
});

test("a compare without its value, or with another target's, compares with zero", () => {
  const { store } = openWorld();
  executePut(store, putRequest("k", ""));
  assert.equal(holds(store, compare("k", VERSION, GREATER, undefined)), true);
  const wrong = { case: "modRevision", value: 1 } as const;
  assert.equal(holds(store, compare("k", VERSION, EQUAL, wrong)), false);
  assert.equal(holds(store, compare("k", VALUE, EQUAL, undefined)), true);
});

test("a compare over a range needs every key of it; an empty range is like a missing key", () => {
  const { store } = openWorld();
  for (const key of ["p/1", "p/2", "p/2"]) executePut(store, putRequest(key, "v"));
  const one = { case: "version", value: 1 } as const;
  const three = { case: "version", value: 3 } as const;
  assert.equal(holds(store, compare("p/", VERSION, EQUAL, one, "p0")), false);
  assert.equal(holds(store, compare("p/", VERSION, LESS, three, "p0")), true);
  assert.equal(holds(store, compare("p/1", VERSION, EQUAL, one, "p/2")), true);
  assert.equal(holds(store, compare("q", VERSION, LESS, one, "\0")), true);
  assert.equal(holds(store, compare("p/", VERSION, GREATER, one, "\0")), false);
});

test("all compares must hold; the other list runs if one does not", () => {
  const { store } = openWorld();
  const missing = compare("k", VERSION, EQUAL, { case: "version", value: 0 });
  const present = compare("k", VERSION, GREATER, { case: "version", value: 0 });
  const yes = [putOp("k", "created")];
  const no = [putOp("k", "replaced")];
  assert.equal(executeTxn(store, txnRequest(yes, [missing], no)).succeeded, true);
  assert.equal(executeTxn(store, txnRequest(yes, [present, missing], no)).succeeded, false);
  assert.deepEqual(values(store), ["k=replaced"]);
});

test("a transaction is one revision; its operations see the ones before them", () => {
  const { store } = openWorld();
  executePut(store, putRequest("a", "old"));
  const result = executeTxn(
    store,
    txnRequest([
      rangeOp("a"),
      putOp("a", "new", { prevKv: true }),
      rangeOp("a"),
      deleteOp("b", "z"),
      putOp("c", "v"),
      rangeOp("a", "z"),
      rangeOp("a", "", { revision: 2 }),
    ]),
  );
  assert.equal(result.revision, 3);
  assert.equal(store.currentRevision, 3);
  const response = TxnResponse.decode(encodeTxnResponse(EMPTY_BYTES, result));
  const seen = response.responses.map(({ response: op }) => {
    assert.ok(op !== undefined && op.case !== "responseTxn");
    const header = op.value.header?.revision;
    if (op.case === "responseRange") {
      return [header, ...op.value.kvs.map((kv) => textOfKeyValue(kv).value)];
    }
    if (op.case === "responsePut") return [header, String(op.value.prevKv?.value)];
    return [header, op.value.deleted];
  });
  assert.deepEqual(seen, [
    [2, "old"],
    [3, "old"],
    [3, "new"],
    [3, 0],
    [3, "undefined"],
    [3, "new", "v"],
    [3, "old"],
  ]);
});

test("sub-revisions follow the order of the operations, nested ones included", () => {
  const { store } = openWorld();
  executePut(store, putRequest("z", "v"));
  executeTxn(
    store,
    txnRequest([
      putOp("c", "1"),
      txnOp(txnRequest([putOp("b", "2"), deleteOp("z")])),
      putOp("a", "3"),
    ]),
  );
  const order = ["c", "b", "a"].map((key) => {
    assert.equal(store.index.findLatest(key), true);
    return [store.index.main, store.index.sub];
  });
  assert.deepEqual(order, [
    [3, 0],
    [3, 1],
    [3, 3],
  ]);
});

test("nested compares look at the state before the transaction", () => {
  const { store } = openWorld();
  const missing = compare("k", VERSION, EQUAL, { case: "version", value: 0 });
  const inner = txnRequest([putOp("saw", "nothing")], [missing], [putOp("saw", "k")]);
  const result = executeTxn(store, txnRequest([putOp("k", "v"), txnOp(inner)]));
  assert.deepEqual(values(store), ["k=v", "saw=nothing"]);
  const [, op] = result.responses;
  assert.ok(op?.kind === "txn" && op.result.succeeded);
});

test("headers: the outermost is the server's, operations have the revision, transactions none", () => {
  const { store } = openWorld();
  const result = executeTxn(store, txnRequest([txnOp(txnRequest([putOp("k", "v")]))]));
  const bytes = Buffer.from(encodeTxnResponse(Buffer.from([0x08, 1]), result));
  // header{cluster_id 1}, succeeded, responses{txn{header{}, succeeded, responses{put{header{2}}}}}
  const put = [0x12, 4, 0x0a, 2, 0x18, 2];
  const txn = [0x22, 12, 0x0a, 0, 0x10, 1, 0x1a, 6, ...put];
  assert.deepEqual([...bytes], [0x0a, 2, 0x08, 1, 0x10, 1, 0x1a, 14, ...txn]);
});

test("a transaction that writes nothing leaves the revision as it is", () => {
  const { store } = openWorld();
  executePut(store, putRequest("k", "v"));
  assert.equal(executeTxn(store, txnRequest([deleteOp("x"), rangeOp("k")])).revision, 2);
  assert.equal(executeTxn(store, txnRequest([])).revision, 2);
  assert.equal(store.currentRevision, 2);
});

const DOOMED: readonly [
  kind: "compacted" | "futureRevision" | "leaseNotFound" | "keyNotFound",
  RequestOp,
][] = [
  ["compacted", rangeOp("k", "", { revision: 3 })],
  ["compacted", rangeOp("k", "", { revision: -1 })],
  ["futureRevision", rangeOp("k", "", { revision: 7 })],
  ["leaseNotFound", putOp("new", "v", { lease: 9n })],
  ["keyNotFound", putOp("new", "", { ignoreValue: true })],
  ["keyNotFound", putOp("new", "v", { ignoreLease: true })],
  ["keyNotFound", putOp("k", "", { ignoreValue: true })],
];

test("a transaction fails whole, before its first write", () => {
  // etcd issues 18667 and 18799: members disagreed about how much of such a transaction happened.
  for (const [kind, doomed] of DOOMED) {
    const { store, backend } = openWorld();
    for (let i = 0; i < 4; i++) executePut(store, putRequest("k", String(i)));
    executePut(store, putRequest("l", "v"));
    store.compact(4);
    const before = backend.crash(true);
    const attempt = [deleteOp("a", "\0"), putOp("x", "v"), txnOp(txnRequest([doomed]))];
    assert.throws(
      () => executeTxn(store, txnRequest(attempt)),
      (error) => isEtcdError(error, kind),
      kind,
    );
    assert.deepEqual([store.currentRevision, store.readRevision], [6, 6]);
    assert.deepEqual(values(store), ["k=3", "l=v"]);
    assert.deepEqual(backend.crash(true), before);
    assert.equal(executePut(store, putRequest("k", "next")).revision, 7);
  }
});

test("a failing operation in the list that does not run does no harm", () => {
  const { store } = openWorld();
  const result = executeTxn(
    store,
    txnRequest([putOp("k", "v")], [], [putOp("k", "", { lease: 9n })]),
  );
  assert.equal(result.revision, 2);
});

test("reads only, and serializable reads only, are recognised", () => {
  const range = rangeOp("k");
  const serializable = rangeOp("k", "", { serializable: true });
  const table: [TxnRequest, readonly: boolean, serializable: boolean][] = [
    [txnRequest([]), true, true],
    [txnRequest([range]), true, false],
    [txnRequest([serializable], [], [serializable]), true, true],
    [txnRequest([serializable], [], [range]), true, false],
    [txnRequest([serializable], [], [putOp("k", "v")]), false, false],
    [txnRequest([txnOp(txnRequest([serializable]))]), false, false],
  ];
  for (const [request, readonly, serial] of table) {
    assert.deepEqual([isTxnReadonly(request), isTxnSerializable(request)], [readonly, serial]);
  }
});
