/** Transactions, as a client sees them. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { TxnResponse } from "../../api/gen/rpc.ts";
import { TestMember } from "./harness.ts";
import {
  bytes,
  compare,
  deleteOp,
  FROM_KEY,
  type Operator,
  pairs,
  prefixEnd,
  putOp,
  rangeOp,
  type RpcClient,
  text,
  txnOp,
} from "./rpc-client.ts";

let member: TestMember;
let client: RpcClient;

before(async () => {
  member = await TestMember.start({ "max-txn-ops": 16 });
  client = member.client;
});
after(() => member.remove());

const TOO_MANY = { code: 3, message: "etcdserver: too many operations in txn request" };
const DUPLICATE = { code: 3, message: "etcdserver: duplicate key given in txn request" };

/** What each operation answered, in one word each. */
function shapes(reply: TxnResponse): string[] {
  return reply.responses.map(({ response }) => {
    switch (response?.case) {
      case "responseRange":
        return pairs(response.value.kvs).join(",");
      case "responsePut":
        return `put ${text(response.value.prevKv?.value)}`;
      case "responseDeleteRange":
        return `deleted ${response.value.deleted} ${pairs(response.value.prevKvs).join(",")}`;
      case "responseTxn":
        return `[${response.value.succeeded} ${shapes(response.value).join(" | ")}]`;
      default:
        return "nothing";
    }
  });
}

type Target = Parameters<typeof compare>[1];

const OUTCOMES: Readonly<Record<Operator, (actual: number, given: number) => boolean>> = {
  "=": (actual, given) => actual === given,
  "!=": (actual, given) => actual !== given,
  ">": (actual, given) => actual > given,
  "<": (actual, given) => actual < given,
};
const OPERATORS = Object.keys(OUTCOMES) as Operator[];

test("KV-15 KV-16 every compare target with every operator", async () => {
  const { ID: lease } = await client.grant(100);
  await client.put("kv15", "m");
  await client.put("kv15", "m", { lease });
  const [kv] = (await client.range("kv15")).kvs;
  const succeeds = async (target: Target, operator: Operator, key = "kv15") =>
    (await client.txn({ compare: [compare(key, target, operator)] })).succeeded;
  const numbers = {
    version: kv?.version ?? 0,
    createRevision: kv?.createRevision ?? 0,
    modRevision: kv?.modRevision ?? 0,
  } as const;
  for (const operator of OPERATORS) {
    const outcome = OUTCOMES[operator];
    for (const [name, actual] of Object.entries(numbers)) {
      for (const given of [actual - 1, actual, actual + 1]) {
        const target = { case: name, value: given } as Target;
        const label = `${name} ${operator} ${given}`;
        assert.equal(await succeeds(target, operator), outcome(actual, given), label);
      }
    }
    for (const [given, order] of [
      ["l", 1],
      ["m", 0],
      ["n", -1],
      ["mm", -1],
      ["", 1],
    ] as const) {
      const target: Target = { case: "value", value: bytes(given) };
      const label = `value ${operator} "${given}"`;
      assert.equal(await succeeds(target, operator), outcome(order, 0), label);
    }
    for (const [given, order] of [
      [lease - 1n, 1],
      [lease, 0],
      [lease + 1n, -1],
      [0n, 1],
    ] as const) {
      const target: Target = { case: "lease", value: given };
      const label = `lease ${operator} ${given}`;
      assert.equal(await succeeds(target, operator), outcome(order, 0), label);
    }
    for (const name of ["version", "createRevision", "modRevision"] as const) {
      for (const given of [-1, 0, 1]) {
        const label = `absent key: ${name} ${operator} ${given}`;
        const target = { case: name, value: given } as Target;
        assert.equal(await succeeds(target, operator, "kv15-no"), outcome(0, given), label);
      }
    }
    for (const given of ["", "x"]) {
      const target: Target = { case: "value", value: bytes(given) };
      assert.equal(await succeeds(target, operator, "kv15-no"), false, `absent value ${operator}`);
    }
    const noLease: Target = { case: "lease", value: 0n };
    assert.equal(await succeeds(noLease, operator, "kv15-no"), outcome(0, 0));
  }
});

test("KV-17 a compare over a range holds when it holds for every key", async () => {
  await client.put("kv17/a", "1");
  await client.put("kv17/b", "1");
  await client.put("kv17/b", "1");
  const rangeEnd = prefixEnd("kv17/");
  const succeeds = async (target: Target, operator: Operator, end = rangeEnd, key = "kv17/") =>
    (await client.txn({ compare: [compare(key, target, operator, end)] })).succeeded;
  assert.equal(await succeeds({ case: "value", value: bytes("1") }, "="), true);
  assert.equal(await succeeds({ case: "version", value: 1 }, "="), false);
  assert.equal(await succeeds({ case: "version", value: 0 }, ">"), true);
  assert.equal(await succeeds({ case: "createRevision", value: 0 }, "="), false);
  const empty = prefixEnd("kv17-none");
  const absent = "kv17-none";
  assert.equal(await succeeds({ case: "version", value: 0 }, "=", empty, absent), true);
  assert.equal(await succeeds({ case: "version", value: 1 }, "=", empty, absent), false);
  assert.equal(await succeeds({ case: "value", value: bytes("") }, "=", empty, absent), false);
  assert.equal(await succeeds({ case: "version", value: 0 }, ">", FROM_KEY, "kv17/b"), true);
});

test("KV-18 nested transactions choose their own branches and see what ran before them", async () => {
  await client.put("kv18", "1");
  const reply = await client.txn({
    compare: [compare("kv18", { case: "value", value: bytes("1") }, "=")],
    success: [
      putOp("kv18-outer", "x"),
      txnOp({
        compare: [compare("kv18", { case: "version", value: 5 }, "=")],
        success: [putOp("kv18-wrong")],
        failure: [
          rangeOp("kv18-outer"),
          txnOp({ success: [putOp("kv18-deep", "y"), rangeOp("kv18-deep")] }),
        ],
      }),
      rangeOp("kv18-deep"),
    ],
    failure: [putOp("kv18-wrong")],
  });
  assert.equal(reply.succeeded, true);
  assert.deepEqual(shapes(reply), [
    "put ",
    "[false kv18-outer=x | [true put  | kv18-deep=y]]",
    "kv18-deep=y",
  ]);
  assert.equal((await client.range("kv18-wrong")).count, 0);
  const written = await client.range("kv18-", { rangeEnd: prefixEnd("kv18-") });
  assert.ok(written.kvs.every((kv) => kv.modRevision === reply.header?.revision));
});

test("KV-18 compares of nested transactions look at the state before the transaction", async () => {
  const reply = await client.txn({
    success: [
      putOp("kv18b", "1"),
      txnOp({
        compare: [compare("kv18b", { case: "version", value: 0 }, "=")],
        success: [rangeOp("kv18b")],
        failure: [],
      }),
    ],
  });
  assert.deepEqual(shapes(reply), ["put ", "[true kv18b=1]"]);
});

const duplicates: readonly (readonly [string, () => Parameters<RpcClient["txn"]>[0]])[] = [
  ["two puts", () => ({ success: [putOp("k"), putOp("k")] })],
  ["two puts on failure", () => ({ failure: [putOp("k"), putOp("k")] })],
  ["a put and a delete", () => ({ success: [putOp("k"), deleteOp("k")] })],
  [
    "a delete of a range around a put",
    () => ({ success: [deleteOp("j", { rangeEnd: bytes("l") }), putOp("k")] }),
  ],
  [
    "a put inside a nested transaction",
    () => ({ success: [putOp("k"), txnOp({ failure: [putOp("k")] })] }),
  ],
  [
    "puts of two nested transactions",
    () => ({ success: [txnOp({ success: [putOp("k")] }), txnOp({ success: [putOp("k")] })] }),
  ],
  [
    "a nested delete around a put",
    () => ({
      success: [txnOp({ success: [deleteOp("j", { rangeEnd: bytes("l") })] }), putOp("k")],
    }),
  ],
];

test("KV-19 a key may be written once only", async () => {
  const revision = await client.revision();
  for (const [name, request] of duplicates) {
    await assert.rejects(client.txn(request()), DUPLICATE, name);
  }
  assert.equal(await client.revision(), revision);
});

test("KV-19 what does not collide: other keys, other branches, deletes, the end of a range", async () => {
  const end = bytes("kv19/l");
  await client.txn({ success: [putOp("kv19/k"), putOp("kv19/l")] });
  await client.txn({ success: [putOp("kv19/k")], failure: [putOp("kv19/k")] });
  await client.txn({ success: [deleteOp("kv19/j", { rangeEnd: end }), putOp("kv19/l")] });
  await client.txn({ success: [deleteOp("kv19/k"), deleteOp("kv19/j", { rangeEnd: end })] });
  await client.txn({
    success: [txnOp({ success: [putOp("kv19/k")], failure: [putOp("kv19/k")] })],
  });
  await client.txn({ success: [putOp("kv19/k"), rangeOp("kv19/k"), rangeOp("kv19/k")] });
});

test("KV-20 each list may have --max-txn-ops operations, nested ones what is left", async () => {
  const puts = (count: number) => Array.from({ length: count }, (_, i) => putOp(`kv20/${i}`));
  const compares = (count: number) =>
    Array.from({ length: count }, (_, i) =>
      compare(`kv20/${i}`, { case: "version", value: 9 }, "="),
    );
  await client.txn({ success: puts(16), failure: puts(16), compare: compares(16) });
  await assert.rejects(client.txn({ success: puts(17) }), TOO_MANY);
  await assert.rejects(client.txn({ failure: puts(17) }), TOO_MANY);
  await assert.rejects(client.txn({ compare: compares(17) }), TOO_MANY);
  const nested = (inner: number, outer: number) =>
    client.txn({
      success: [
        txnOp({ success: puts(inner) }),
        ...Array.from({ length: outer }, () => rangeOp("x")),
      ],
    });
  await nested(13, 2);
  await assert.rejects(nested(14, 2), TOO_MANY);
  const deep = (depth: number): ReturnType<typeof txnOp> =>
    depth === 0 ? rangeOp("x") : txnOp({ success: [deep(depth - 1)] });
  await client.txn({ success: [deep(15)] });
  await assert.rejects(client.txn({ success: [deep(16)] }), TOO_MANY);
});

test("KV-21 a transaction that only reads makes no log entry and no revision", async () => {
  await client.put("kv21", "1");
  const status = () => client.call("/etcdserverpb.Maintenance/Status", {});
  const before = await status();
  for (const serializable of [true, false]) {
    const reply = await client.txn({
      compare: [compare("kv21", { case: "version", value: 0 }, ">")],
      success: [rangeOp("kv21", { serializable })],
    });
    assert.deepEqual(shapes(reply), ["kv21=1"]);
    assert.equal(reply.header?.revision, before.header?.revision);
  }
  const after = await status();
  assert.equal(after.raftIndex, before.raftIndex);
});

test("KV-22 one transaction has one revision, and each operation sees the ones before it", async () => {
  await client.put("kv22/a", "old");
  const before = await client.revision();
  const reply = await client.txn({
    success: [
      rangeOp("kv22/a"),
      putOp("kv22/a", "new", { prevKv: true }),
      rangeOp("kv22/a"),
      putOp("kv22/b", "b"),
      deleteOp("kv22/c"),
      rangeOp("kv22/", { rangeEnd: prefixEnd("kv22/") }),
    ],
  });
  assert.deepEqual(shapes(reply), [
    "kv22/a=old",
    "put old",
    "kv22/a=new",
    "put ",
    "deleted 0 ",
    "kv22/a=new,kv22/b=b",
  ]);
  assert.equal(reply.header?.revision, before + 1);
  const { kvs } = await client.range("kv22/", { rangeEnd: prefixEnd("kv22/") });
  assert.ok(kvs.every((kv) => kv.modRevision === before + 1));
  const nothing = await client.txn({ success: [deleteOp("kv22/none")] });
  assert.equal(nothing.header?.revision, before + 1);
  const empty = await client.txn({});
  assert.deepEqual([empty.succeeded, empty.responses], [true, []]);
  assert.equal(empty.header?.revision, before + 1);
});

test("KV-23 the headers of operations carry the revision only", async () => {
  await client.put("kv23", "1");
  const reply = await client.txn({
    success: [
      rangeOp("kv23"),
      putOp("kv23", "2"),
      deleteOp("kv23-none"),
      txnOp({ success: [rangeOp("kv23")] }),
    ],
  });
  const headers = reply.responses.map(({ response }) => response?.value.header);
  for (const header of headers.slice(0, 3)) {
    assert.equal(header?.clusterId, 0n);
    assert.equal(header?.memberId, 0n);
    assert.equal(header?.raftTerm, 0);
  }
  const revision = reply.header?.revision ?? 0;
  assert.deepEqual(
    headers.map((header) => header?.revision),
    [revision - 1, revision, revision, 0],
  );
});

test("an operation that cannot succeed leaves the whole transaction undone", async () => {
  const revision = await client.revision();
  const first = putOp("txn-undone", "x");
  await assert.rejects(client.txn({ success: [first, putOp("k", "", { lease: 404n })] }), {
    code: 5,
    message: "etcdserver: requested lease not found",
  });
  await assert.rejects(
    client.txn({ success: [first, putOp("absent", "", { ignoreValue: true })] }),
    {
      code: 3,
      message: "etcdserver: key not found",
    },
  );
  await assert.rejects(client.txn({ success: [first, rangeOp("k", { revision: 1_000_000 })] }), {
    code: 11,
    message: "etcdserver: mvcc: required revision is a future revision",
  });
  await assert.rejects(client.txn({ success: [first, { request: undefined }] }), {
    code: 3,
    message: "etcdserver: key not found",
  });
  assert.equal((await client.range("txn-undone")).count, 0);
  assert.equal(await client.revision(), revision);
});

test("deletes of one transaction answer with the previous pairs in key order", async () => {
  for (const key of ["c", "a", "b"]) await client.put(`txn-del/${key}`, key);
  const reply = await client.txn({
    success: [deleteOp("txn-del/", { rangeEnd: prefixEnd("txn-del/"), prevKv: true })],
  });
  assert.deepEqual(shapes(reply), ["deleted 3 txn-del/a=a,txn-del/b=b,txn-del/c=c"]);
});
