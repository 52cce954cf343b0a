import assert from "node:assert/strict";
import { test } from "node:test";
import { Request } from "../api/gen/etcdserver.ts";
import { SnapshotFiles } from "../snap/index.ts";
import { eventJSON, LiveV2Store, type StoreEvent, V2Error } from "../v2store/index.ts";
import { TestCluster } from "./testing/test-cluster.ts";
import type { TestMember } from "./testing/test-member.ts";

const OPTIONS = { servesV2: true, snapshotCount: 20, catchUpEntries: 5 };

/** The index and all that users have put there. */
function shown({ server }: TestMember): string {
  const { v2keys } = server;
  assert.ok(v2keys !== undefined);
  const all = v2keys.get("/", { isRecursive: true, isSorted: true });
  return `${v2keys.index} ${eventJSON(all, "")}`;
}

function keysOfUsers({ server }: TestMember): string {
  const all = server.v2keys?.get("/1", { isRecursive: true, isSorted: true });
  return all === undefined ? "" : eventJSON(all, "/1");
}

async function set(
  cluster: TestCluster,
  member: TestMember,
  Path: string,
  more: Partial<Request> = {},
): Promise<void> {
  const request = Request.create({ Method: "PUT", Path, Val: "v", ...more });
  await cluster.settled(member.server.proposeV2(request));
}

async function untilAlike(cluster: TestCluster): Promise<void> {
  await cluster.until(() => {
    const first = shown(cluster.first);
    return cluster.members.every((member) => shown(member) === first);
  });
}

test("members hold the same v2 store, whoever was asked, also after a restart", async () => {
  const cluster = new TestCluster(["a", "b", "c"], OPTIONS);
  await cluster.start();
  for (let i = 0; i < 30; i++) {
    const member = cluster.members[i % 3] as TestMember;
    await set(cluster, member, `/1/k${i % 7}`);
  }
  const { first } = cluster;
  await assert.rejects(
    cluster.settled(
      first.server.proposeV2(Request.create({ Method: "PUT", Path: "/1/k1/below", Val: "v" })),
    ),
    (error) => error instanceof V2Error && error.code === 104,
  );
  await untilAlike(cluster);
  const before = keysOfUsers(first);
  await first.stop();
  await first.start();
  await untilAlike(cluster);
  assert.equal(keysOfUsers(first), before);
  await cluster.stop();
});

test("a member that was away gets the v2 store with the database", async () => {
  const cluster = new TestCluster(["a", "b", "c"], OPTIONS);
  await cluster.start();
  const late = cluster.members.find(({ server }) => !server.isLeader) as TestMember;
  cluster.cut(late);
  for (let i = 0; i < 60; i++) await set(cluster, cluster.leader(), `/1/k${i}`);
  cluster.heal(late);
  // Writes go on all the time: what the database and the store show must be of one moment.
  let isLate = true;
  const write = async (key: number): Promise<void> => {
    const request = Request.create({ Method: "PUT", Path: `/1/new${key}`, Val: "v" });
    while (isLate) await cluster.leader().server.proposeV2(request);
  };
  const writing = Promise.all(Array.from({ length: 20 }, (_, key) => write(key)));
  await cluster.until(() =>
    late.logger.lines.some(({ message }) => message === "applied snapshot"),
  );
  isLate = false;
  await cluster.settled(writing);
  await untilAlike(cluster);
  await late.stop();
  await late.start();
  await untilAlike(cluster);
  await cluster.stop();
});

test("a snapshot file shows the v2 store of one moment while writes go on", async () => {
  const limits = { unitsPerTurn: 50, unitsPerStretch: 50, maxSnapshotRestMs: 0 };
  const cluster = new TestCluster(["a"], { ...OPTIONS, limits });
  await cluster.start();
  const { first } = cluster;
  const files = new SnapshotFiles(first, "/data/member/snap");
  const wave = Array.from({ length: 20 }, (_, i) => i);
  // Writes to the end of the tree are under way while its beginning is written down.
  for (let turn = 0; turn < 20; turn++) {
    await Promise.all(wave.map((i) => set(cluster, first, `/1/dir${i}/k${turn % 5}`)));
    const snapshot = files.loadNewest();
    if (snapshot === undefined) continue;
    const { keys } = new LiveV2Store(() => 0, snapshot);
    const all = keys.get("/", { isRecursive: true, isSorted: false });
    assert.equal(newestIn(all.node), keys.index);
  }
  assert.ok(files.loadNewest() !== undefined);
  await cluster.stop();
});

function newestIn({ modifiedIndex, nodes = [] }: StoreEvent["node"]): number {
  return Math.max(modifiedIndex, ...nodes.map(newestIn));
}

test("keys end on every member, by the leader's clock", async () => {
  const cluster = new TestCluster(["a", "b", "c"], OPTIONS);
  await cluster.start();
  const Expiration = BigInt(Math.floor(cluster.clock.wallMs()) + 2000) * 1_000_000n;
  await set(cluster, cluster.first, "/1/ends", { Expiration });
  await set(cluster, cluster.first, "/1/stays");
  await cluster.until(() => cluster.members.every((member) => !shown(member).includes("/1/ends")));
  await untilAlike(cluster);
  assert.match(shown(cluster.first), /"\/1\/stays"/);
  await cluster.stop();
});
