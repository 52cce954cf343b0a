/**
 * Members of a reference etcd and ours in one cluster, all with the v2 API: whoever is asked, all hold
 * the same keys under the same indexes; and a data directory goes from one to the other and back.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../src/embed/e2e/wait.ts";
import { EtcdProcess, missing, startCluster } from "./harness.ts";
import { answerOf, timeless, V2Requests } from "./v2-requests.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const SEED = Number(process.env.ETCD_SEED ?? Date.now() % 1_000_000_007);
const REQUESTS = 150;
const FLAGS = ["--enable-v2", "--snapshot-count=50"];
const skip = missing("reference", "ours");

async function everything({ clientUrl }: EtcdProcess): Promise<string> {
  const response = await fetch(`${clientUrl}/v2/keys/?recursive=true&sorted=true`);
  return `${response.headers.get("x-etcd-index")} ${timeless(await response.text())}`;
}

async function untilAlike(members: readonly EtcdProcess[]): Promise<void> {
  let all: string[] = [];
  try {
    await until(async () => {
      all = await Promise.all(members.map(everything));
      return all.every((each) => each === all[0]);
    }, "all members have the same");
  } catch {
    for (const each of all) assert.equal(each, all[0]);
  }
}

/** Until then, what can be done to directories depends on who is asked. */
async function versionDecided(members: readonly EtcdProcess[]): Promise<void> {
  await until(async () => {
    const versions = await Promise.all(
      members.map(async ({ clientUrl }) => (await fetch(`${clientUrl}/version`)).text()),
    );
    return versions.every((text) => !/"etcdcluster":"(?:3\.0\.0|not_decided)"/.test(text));
  }, "the cluster's version");
}

async function ask(requests: V2Requests, members: readonly EtcdProcess[]): Promise<void> {
  for (let i = 0; i < REQUESTS; i++) {
    const { clientUrl } = members[i % members.length] as EtcdProcess;
    await answerOf(clientUrl, requests.next(0));
  }
}

test(
  "a mixed cluster holds one v2 store, and members that were away catch up",
  { skip, timeout: 8 * PATIENCE_MS },
  async (t) => {
    t.diagnostic(`ETCD_SEED=${SEED}`);
    const requests = new V2Requests(SEED);
    await using cluster = await startCluster(["reference", "ours", "reference"], { flags: FLAGS });
    const [first, ours, third] = cluster.members as [EtcdProcess, EtcdProcess, EtcdProcess];
    await versionDecided(cluster.members);
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

/** The member with its directory and addresses, run by the other kind of server. */
function takenOver({ name, kind, dataDir, clientUrl, peerUrl }: EtcdProcess): EtcdProcess {
  const [clientPort, peerPort] = [clientUrl, peerUrl].map((url) => Number(new URL(url).port));
  const other = kind === "ours" ? "reference" : "ours";
  const options = { kind: other, name, dataDir, flags: FLAGS } as const;
  return new EtcdProcess(options, clientPort as number, peerPort as number);
}

test(
  "a member's data directory goes to the other server and back",
  { skip, timeout: 8 * PATIENCE_MS },
  async () => {
    const requests = new V2Requests(SEED);
    await using cluster = await startCluster(["reference", "ours", "reference"], { flags: FLAGS });
    const [first, ...others] = cluster.members as [EtcdProcess, EtcdProcess, EtcdProcess];
    await versionDecided(cluster.members);
    for (const member of others) {
      await ask(requests, cluster.members);
      await member.stop();
      await ask(
        requests,
        cluster.members.filter((each) => each.running),
      );
      await using other = takenOver(member);
      await other.start();
      await untilAlike([first, other]);
      await ask(requests, [other]);
      await other.stop();
      await member.start();
      await untilAlike(cluster.members);
    }
  },
);
