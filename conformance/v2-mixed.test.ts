/**
 * Members of a reference etcd and ours in one cluster, all with the v2 API: whoever is asked, all hold
 * the same keys under the same indexes; and a data directory goes from one to the other and back.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { until } from "../src/embed/e2e/wait.ts";
import { type EtcdKind, type EtcdProcess, missing, startCluster, startEtcd } from "./harness.ts";
import { answerOf, timeless, V2Requests } from "./v2-requests.ts";

const SEED = Number(process.env.ETCD_SEED ?? Date.now() % 1_000_000_007);
const REQUESTS = 150;
const FLAGS = ["--enable-v2", "--snapshot-count=50"];
const skip = missing("reference", "ours");

async function everything({ clientUrl }: EtcdProcess): Promise<string> {
  const response = await fetch(`${clientUrl}/v2/keys/?recursive=true&sorted=true`);
  return `${response.headers.get("x-etcd-index")} ${timeless(await response.text())}`;
}

/** A start writes what the member tells of itself, so that the store's index has grown. */
async function keysOf(etcd: EtcdProcess): Promise<string> {
  return (await everything(etcd)).replace(/^\d+ /, "");
}

async function untilAlike(members: readonly EtcdProcess[]): Promise<string> {
  let first = "";
  await until(async () => {
    const all = await Promise.all(members.map(everything));
    first = all[0] as string;
    return all.every((each) => each === first);
  }, "all members have the same");
  return first;
}

async function ask(requests: V2Requests, members: readonly EtcdProcess[]): Promise<void> {
  for (let i = 0; i < REQUESTS; i++) {
    const { clientUrl } = members[i % members.length] as EtcdProcess;
    await answerOf(clientUrl, requests.next(1));
  }
}

test(
  "a mixed cluster holds one v2 store, and members that were away catch up",
  { skip, timeout: 240_000 },
  async (t) => {
    t.diagnostic(`ETCD_SEED=${SEED}`);
    const requests = new V2Requests(SEED);
    await using cluster = await startCluster(["reference", "ours", "reference"], { flags: FLAGS });
    const [first, ours, third] = cluster.members as [EtcdProcess, EtcdProcess, EtcdProcess];
    await ask(requests, cluster.members);
    await untilAlike(cluster.members);
    for (const away of [ours, third]) {
      await away.stop();
      await ask(
        requests,
        cluster.members.filter((member) => member !== away),
      );
      await away.restart();
      await untilAlike(cluster.members);
    }
    await first.stop("SIGKILL");
    await ask(requests, [ours, third]);
    await first.restart();
    await untilAlike(cluster.members);
  },
);

test("a data directory with a v2 store goes to the other server and back", { skip }, async () => {
  const dataDir = join(mkdtempSync(join(tmpdir(), "etcd-v2-")), "data");
  try {
    let before = "";
    const requests = new V2Requests(SEED);
    for (const kind of ["reference", "ours", "reference", "ours"] satisfies EtcdKind[]) {
      await using etcd = await startEtcd({ kind, dataDir, flags: FLAGS });
      if (before !== "") assert.equal(await keysOf(etcd), before);
      await ask(requests, [etcd]);
      before = await keysOf(etcd);
      await etcd.stop();
    }
  } finally {
    rmSync(join(dataDir, ".."), { recursive: true });
  }
});
