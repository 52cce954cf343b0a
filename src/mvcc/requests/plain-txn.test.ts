import assert from "node:assert/strict";
import test from "node:test";
import { EtcdError } from "../../api/errors.ts";
import { type Compare, type RequestOp, TxnRequest } from "../../api/gen/rpc.ts";
import { scanPlainTxn } from "../../api/plain-txn.ts";
import { EMPTY_BYTES, latin1FromBytes } from "../../base/bytes.ts";
import type { Store } from "../store.ts";
import {
  compare,
  deleteOp,
  hashOf,
  openWorld,
  putOp,
  rangeOp,
  txnRequest,
  type World,
} from "../testing/harness.ts";
import { seeds, TestRandom } from "../testing/random.ts";
import { encodeTxnResponse } from "./encode.ts";
import { executePlainTxn } from "./plain-txn.ts";
import { executeTxn, type TxnResult } from "./txn.ts";

const KEYS = ["a", "b", "c\xff"];
const UNIONS = ["version", "createRevision", "modRevision"] as const;

function randomCompare(random: TestRandom, revision: number): Compare {
  const target = random.below(UNIONS.length);
  const near = target === 0 ? random.below(4) : revision - random.below(5);
  const value = random.chance(30) ? 0 : near;
  // One result more than there are: etcd lets it pass.
  return compare(random.pick(KEYS), target, random.below(5), { case: UNIONS[target]!, value });
}

function randomOperations(random: TestRandom): RequestOp[] {
  const key = random.pick(KEYS);
  const operations = [
    [putOp(key, "v".repeat(random.below(40)))],
    [putOp(key, "", { lease: BigInt(random.below(4)) })],
    [rangeOp(key)],
    [deleteOp(key)],
    [],
  ];
  return random.pick(operations);
}

/** The encoded response, or what kind of error. */
function outcome(execute: () => TxnResult): string {
  try {
    return latin1FromBytes(encodeTxnResponse(EMPTY_BYTES, execute()));
  } catch (error) {
    if (!(error instanceof EtcdError)) throw error;
    return error.kind;
  }
}

function openWithLeases(): World {
  const world = openWorld();
  for (const id of [1n, 2n]) world.lessor.grant(id);
  return world;
}

function changesOf(store: Store): string[] {
  const changes: string[] = [];
  store.observer = (revision, made) => {
    for (const { key, tombstone, record } of made) {
      changes.push(`${revision} ${key} ${tombstone} ${latin1FromBytes(record)}`);
    }
  };
  return changes;
}

test("what is executed without being decoded changes and answers what the message does", () => {
  for (const seed of seeds(20)) {
    const random = new TestRandom(seed);
    const [plain, decoded] = [openWithLeases(), openWithLeases()];
    const [plainChanges, decodedChanges] = [changesOf(plain.store), changesOf(decoded.store)];
    let executed = 0;
    for (let step = 0; step < 200; step++) {
      const request = txnRequest(
        randomOperations(random),
        [randomCompare(random, decoded.store.currentRevision)],
        randomOperations(random),
      );
      const bytes = TxnRequest.encode(request);
      const found = scanPlainTxn(bytes, 0, bytes.length);
      if (found === undefined) continue;
      executed++;
      const told = outcome(() => executePlainTxn(plain.store, found));
      assert.equal(
        told,
        outcome(() => executeTxn(decoded.store, request)),
        `seed ${seed}`,
      );
      assert.equal(plain.store.currentRevision, decoded.store.currentRevision, `seed ${seed}`);
    }
    assert.ok(executed > 100, `seed ${seed}: ${executed}`);
    assert.deepEqual(plainChanges, decodedChanges, `seed ${seed}`);
    assert.deepEqual(hashOf(plain.store), hashOf(decoded.store), `seed ${seed}`);
    for (const id of [1n, 2n]) assert.deepEqual(plain.lessor.keysOf(id), decoded.lessor.keysOf(id));
  }
});
