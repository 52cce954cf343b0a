/**
 * The same random requests of the v2 API to a reference etcd and to ours: status, index and body of
 * each answer must be equal, and so must the counts of the store, and all of it again after a restart.
 *
 * `ETCD_SEED` and `ETCD_ROUNDS` repeat or lengthen a run.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type EtcdProcess, missing, startEtcd } from "./harness.ts";
import { answerOf, timeless, V2Requests } from "./v2-requests.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const SEED = Number(process.env.ETCD_SEED ?? Date.now() % 1_000_000_007);
const ROUNDS = Number(process.env.ETCD_ROUNDS ?? 1500);

const FLAGS = ["--enable-v2", "--snapshot-count=400"];

async function statistics(etcd: EtcdProcess): Promise<Record<string, number>> {
  const response = await fetch(`${etcd.clientUrl}/v2/stats/store`);
  return (await response.json()) as Record<string, number>;
}

function growth(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): unknown {
  return Object.fromEntries(
    Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)]),
  );
}

async function everything(etcd: EtcdProcess): Promise<string> {
  const url = `${etcd.clientUrl}/v2/keys/?recursive=true&sorted=true`;
  return timeless(await (await fetch(url)).text());
}

test(
  "random requests of the v2 API are answered as by etcd",
  { skip: missing("reference", "ours"), timeout: 10 * PATIENCE_MS },
  async (t) => {
    t.diagnostic(`ETCD_SEED=${SEED}`);
    await using theirs = await startEtcd({ kind: "reference", flags: FLAGS });
    await using ours = await startEtcd({ kind: "ours", flags: FLAGS });
    const before = { theirs: await statistics(theirs), ours: await statistics(ours) };
    const requests = new V2Requests(SEED);
    let index = 3;
    for (let round = 0; round < ROUNDS; round++) {
      const request = requests.next(index);
      const expected = await answerOf(theirs.clientUrl, request);
      const actual = await answerOf(ours.clientUrl, request);
      assert.equal(actual, expected, `round ${round}: ${JSON.stringify(request)}`);
      index = Number(/x-etcd-index: (\d+)/.exec(actual)?.[1] ?? index) || index;
    }
    assert.deepEqual(
      growth(before.ours, await statistics(ours)),
      growth(before.theirs, await statistics(theirs)),
    );
    const all = await everything(theirs);
    assert.equal(await everything(ours), all);
    await ours.restart();
    assert.equal(await everything(ours), all);
  },
);
