/**
 * Members of both kinds in one cluster. After every mix and change all members must hold the same
 * data, by HashKV at one revision, list the same members, and have every acknowledged write.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertAgreement, ClusterWorld, randomLoad, Writer } from "./cluster-world.ts";
import { missing, versionOf } from "./harness.ts";

const skip = missing("reference", "ours");
const SEED = Number(process.env.ETCD_SEED ?? Date.now() % 1_000_000_007);
const LOAD = 400;

/** Of the whole cluster, as a member's `/version` tells it. */
async function clusterVersion(url: string): Promise<string> {
  const { etcdcluster } = (await (await fetch(`${url}/version`)).json()) as Record<string, string>;
  return etcdcluster ?? "";
}

test(
  `two members of the reference and one of ours from the start (seed ${SEED})`,
  { skip },
  async () => {
    await using world = await ClusterWorld.start(["reference", "reference", "ours"]);
    await randomLoad(world.clientUrls, SEED, LOAD);
    await assertAgreement(world.members);
  },
);

test(`one member of the reference and two of ours (seed ${SEED})`, { skip }, async () => {
  await using world = await ClusterWorld.start(["reference", "ours", "ours"]);
  await randomLoad(world.clientUrls, SEED, LOAD);
  await assertAgreement(world.members);
});

// Members of 3.4 stop at the newer form of requests about the membership, and are asked before.
for (const kinds of [
  ["ours", "ours", "reference"],
  ["ours", "reference", "ours"],
  ["reference", "ours", "ours"],
] as const) {
  test(`a new cluster of ${kinds.join(", ")} forms, and all go on`, { skip }, async () => {
    await using world = await ClusterWorld.start(kinds);
    const writer = new Writer(world.clientUrls, 50);
    while ((await clusterVersion(world.member(0).clientUrl)) === "not_decided") {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await writer.stop();
    await assertAgreement(world.members, [writer]);
    for (const member of world.members) assert.ok(member.running, `${member.name} has ended`);
  });
}

test(
  `a cluster is taken over member by member, in place, under writes (seed ${SEED})`,
  { skip },
  async () => {
    await using world = await ClusterWorld.start(["reference", "reference", "reference"]);
    const writer = new Writer(world.clientUrls, 50);
    await randomLoad(world.clientUrls, SEED, LOAD);
    for (const i of [0, 1]) {
      await world.replace(i, "ours");
      await randomLoad(world.clientUrls, SEED + i, LOAD);
      await assertAgreement(world.members, [writer]);
    }
    // And back again: the directory that ours went on with serves the reference.
    await world.replace(0, "reference");
    await assertAgreement(world.members, [writer]);
    const old = await clusterVersion(world.member(0).clientUrl);
    assert.equal(
      old.split(".").slice(0, 2).join("."),
      versionOf("reference")?.split(".").slice(0, 2).join("."),
    );
    await world.replace(0, "ours");
    await world.replace(2, "ours");
    await randomLoad(world.clientUrls, SEED + 9, LOAD);
    await writer.stop();
    await assertAgreement(world.members, [writer]);
    assert.ok(writer.acknowledged.size > 0);
    while ((await clusterVersion(world.member(0).clientUrl)) !== "3.6.0") {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  },
);

test(
  `ours joins a cluster of the reference, and the reference one of ours (seed ${SEED})`,
  { skip },
  async () => {
    await using world = await ClusterWorld.start(["reference"]);
    await randomLoad(world.clientUrls, SEED, LOAD);
    await world.join("ours");
    await randomLoad(world.clientUrls, SEED + 1, LOAD);
    await world.join("reference");
    await randomLoad(world.clientUrls, SEED + 2, LOAD);
    await assertAgreement(world.members);
  },
);

test("databases are sent both ways to a member that was away for long", { skip }, async () => {
  const flags = ["--snapshot-count=100"];
  await using world = await ClusterWorld.start(["reference", "ours", "ours"], flags);
  for (const away of [0, 1]) {
    await world.member(away).stop();
    const urls = world.clientUrls.filter((_, i) => i !== away);
    const writer = new Writer(urls, 20_000, 32);
    while (writer.attempts < 8000) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    await writer.stop();
    await world.member(away).start();
    await assertAgreement(world.members, [writer]);
  }
});
