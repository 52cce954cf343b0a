/**
 * The Lock and Election services beside a reference etcd: the same calls, the same answers. Where
 * 3.4 and 3.6 differ we are as 3.6.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type EtcdKind, missing, startEtcd, versionOf } from "./harness.ts";
import { LockHistory, type Outcome } from "./lock-election-cases.ts";

const skip = missing("ours") || missing("reference");

/** 3.4 takes a lock whose lease is gone for held. */
const LATER: ReadonlyMap<string, unknown> = new Map([
  ["whose lease is gone", { code: 2, message: "mutex: session is expired" }],
]);
/** 3.4 answers its own deadlines without a code, which the client may or may not see in time. */
const RACES: ReadonlySet<string> = new Set([
  "a deadline in the line of a lock",
  "a deadline in the line of candidates",
]);

async function outcomesOf(kind: EtcdKind): Promise<readonly Outcome[]> {
  await using etcd = await startEtcd({ kind });
  return await LockHistory.play(Number(new URL(etcd.clientUrl).port));
}

test("raw calls of locks and elections are answered as by a reference etcd", { skip }, async () => {
  const reference = await outcomesOf("reference");
  const isOld = versionOf("reference")?.startsWith("3.4.") === true;
  const expected = reference.map(([step, said]) => {
    if (isOld && RACES.has(step)) return [step, { code: 4, message: "context deadline exceeded" }];
    const later = isOld ? LATER.get(step) : undefined;
    if (later === undefined) return [step, said];
    assert.notDeepEqual(said, later, `3.4 is as 3.6: ${step}`);
    return [step, later];
  });
  assert.deepEqual(await outcomesOf("ours"), expected);
});
