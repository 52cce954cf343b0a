/**
 * Changes of the membership with etcdctl, in clusters of ours and of the reference: outputs,
 * refusals, and what becomes of members that are added and removed.
 */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { test } from "node:test";
import {
  compare,
  etcdctl,
  idOf,
  type Lab,
  leaderOf,
  removalWords,
  type Seen,
  until,
} from "./cluster-lab.ts";
import { assertAgreement, ClusterWorld, Writer } from "./cluster-world.ts";
import { type EtcdProcess, missing } from "./harness.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

/** What is refused until members have been connected for long, or have caught up. */
async function eventually(lab: Lab, at: EtcdProcess, ...args: readonly string[]): Promise<string> {
  let words = "";
  await until(args.join(" "), async () => {
    words = await lab.ctl(at, ...args);
    return !/unhealthy cluster|in sync with leader/.test(words) || words;
  });
  return words;
}

/** A member that joins asks any of the others, which may hear later of it than who added it. */
async function known(lab: Lab, members: readonly EtcdProcess[], address: string): Promise<void> {
  for (const member of members) {
    await until(`${member.name} knows of it`, async () => {
      const list = await lab.memberList(member);
      return list.some((line) => line.includes(address)) || `${lab.kind} ${list.join()}`;
    });
  }
}

function others(members: readonly EtcdProcess[], member: EtcdProcess): EtcdProcess[] {
  return members.filter((each) => each !== member);
}

async function addAndRemove(lab: Lab): Promise<Seen> {
  const initial = await lab.places("a", "b", "c");
  const [placeD] = await lab.places("d");
  const members = initial.map((place) => lab.member(place, { initial }));
  await Promise.all(members.map((member) => member.start()));
  const [a, b, c] = members;
  assert.ok(a && b && c && placeD);
  const addD = ["member", "add", "d", `--peer-urls=${placeD.peerUrl}`];
  const seen: Record<string, unknown> = {
    "wrong id": await lab.ctl(a, "member", "remove", "zz"),
    "unknown id": await lab.ctl(a, "member", "remove", "1234567890abcdef"),
    "update of an unknown id": await lab.ctl(
      a,
      "member",
      "update",
      "1234567890abcdef",
      `--peer-urls=${placeD.peerUrl}`,
    ),
    "update to another's address": await lab.ctl(
      a,
      "member",
      "update",
      await idOf(a),
      `--peer-urls=${b.peerUrl}`,
    ),
    "no address": await lab.ctl(a, "member", "add", "d"),
    "half an address": await lab.ctl(a, "member", "add", "d", "--peer-urls=localhost"),
  };
  seen.added = await eventually(lab, b, ...addD);
  assert.match(String(seen.added), /exit 0$/);
  await known(lab, members, placeD.peerUrl);
  // Its id comes of its addresses and the second.
  seen["added twice"] = (await lab.ctl(b, ...addD)).replace(
    /member ID already exist|Peer URLs already exists/,
    "exists",
  );
  seen.unstarted = await lab.memberList(c);
  const d = lab.member(placeD, { initial: [...initial, placeD], state: "existing" });
  await d.start();
  await until("d has told its name", async () => {
    return (await lab.memberList(a)).filter((line) => line.startsWith("started")).length === 4;
  });
  seen.started = await lab.memberList(d);
  const [moved] = await lab.places("moved");
  assert.ok(moved);
  const idOfD = await idOf(d);
  const update = ["member", "update", idOfD];
  seen.updated = await lab.ctl(c, ...update, `--peer-urls=${moved.peerUrl}`);
  seen["list with the new address"] = await lab.memberList(a);
  await lab.ctl(c, ...update, `--peer-urls=${placeD.peerUrl}`);
  seen.removed = await eventually(lab, a, "member", "remove", idOfD);
  seen["end of the removed"] = removalWords(d, await d.exited());
  seen["list without it"] = await lab.memberList(b);
  const again = lab.member(placeD, { initial: [...initial, placeD], state: "existing" });
  again.launch();
  seen["with the old data"] = removalWords(again, await again.exited(), 1);
  seen["removed twice"] = await lab.ctl(a, "member", "remove", idOfD);
  // Members of 3.4 answer "member not found" at times, and have not added anything.
  await until("it is added again", async () => {
    const words = await lab.ctl(a, ...addD);
    return words.endsWith("exit 0") || words;
  });
  await known(lab, members, placeD.peerUrl);
  rmSync(placeD.dataDir, { recursive: true });
  const clean = lab.member(placeD, { initial: [...initial, placeD], state: "existing" });
  await clean.start();
  assert.notEqual(await idOf(clean), idOfD);
  const all = [a, b, c, clean];
  const leader = await leaderOf(all);
  const [follower] = others(all, leader);
  assert.ok(follower);
  const leaderID = await idOf(leader);
  const remove = (await eventually(lab, follower, "member", "remove", leaderID)).split("\n");
  seen["the leader removed"] = remove;
  seen["end of the leader"] = removalWords(leader, await leader.exited());
  const rest = others(all, leader);
  await leaderOf(rest);
  seen["a write without it"] = await lab.ctl(rest, "put", "k", "v");
  seen["members left"] = (await lab.memberList(rest)).length;
  return seen;
}

compare("members are added, updated and removed", addAndRemove, {
  // 3.4 wants all members to have been connected, later ones a quorum.
  unlike34: ["added twice"],
  check: (seen) => assert.equal(seen["added twice"], "Error: etcdserver: exists\nexit 1"),
});

compare("what would cost the quorum is refused", async (lab) => {
  const initial = await lab.places("a", "b", "c");
  const [d, e] = await lab.places("d", "e");
  const members = initial.map((place) => lab.member(place, { initial }));
  await Promise.all(members.map((member) => member.start()));
  const [a, b, c] = members;
  assert.ok(a && b && c && d && e);
  const [idOfB, idOfC] = [await idOf(b), await idOf(c)];
  await c.kill();
  await leaderOf([a, b]);
  const addD = ["member", "add", "d", `--peer-urls=${d.peerUrl}`];
  const seen: Record<string, unknown> = {
    "added while one is down": await lab.ctl(a, ...addD),
    "a learner added while one is down": await lab.ctl(a, ...addD, "--learner"),
    "one that runs removed": await lab.ctl(a, "member", "remove", idOfB),
    "the one that is down removed": await lab.ctl(b, "member", "remove", idOfC),
  };
  // Two of two are left.
  seen["a third that never started"] = await eventually(lab, a, ...addD);
  seen["a fourth beside it"] = await lab.ctl(a, "member", "add", "e", `--peer-urls=${e.peerUrl}`);
  seen["one of two that started, removed"] = await lab.ctl(a, "member", "remove", idOfB);
  const id =
    /([0-9a-f]+), unstarted/.exec((await etcdctl(a, ["member", "list"])).output)?.[1] ?? "";
  seen["the one that never started, removed"] = await lab.ctl(a, "member", "remove", id);
  seen.list = await lab.memberList(b);
  return seen;
});

compare("without strict checks, members are added to a cluster that is not whole", async (lab) => {
  const flags = ["--strict-reconfig-check=false"];
  const initial = await lab.places("a", "b", "c");
  const [d] = await lab.places("d");
  const [a, b] = initial.map((place) => lab.member(place, { initial, flags }));
  assert.ok(a && b && d);
  await Promise.all([a.start(), b.start()]);
  const added = await lab.ctl(a, "member", "add", "d", `--peer-urls=${d.peerUrl}`);
  return { added, list: (await lab.memberList(b)).length };
});

compare("learners follow, are asked little, and are promoted", async (lab) => {
  const initial = await lab.places("a", "b");
  const [placeC, d] = await lab.places("c", "d");
  const members = initial.map((place) => lab.member(place, { initial }));
  await Promise.all(members.map((member) => member.start()));
  const leader = await leaderOf(members);
  const [follower] = others(members, leader);
  assert.ok(follower && placeC && d);
  await etcdctl(members, ["put", "k", "v"]);
  const add = ["member", "add", "c", `--peer-urls=${placeC.peerUrl}`, "--learner"];
  const seen: Record<string, unknown> = { added: await eventually(lab, follower, ...add) };
  const list = (await etcdctl(leader, ["member", "list"])).output;
  const id = /([0-9a-f]+), unstarted/.exec(list)?.[1] ?? "";
  seen["promoted before it started"] = await lab.ctl(leader, "member", "promote", id);
  seen["promoted through a follower"] = await lab.ctl(follower, "member", "promote", id);
  await known(lab, members, placeC.peerUrl);
  const learner = lab.member(placeC, { initial: [...initial, placeC], state: "existing" });
  await learner.start();
  await until("it has the data", async () => {
    return (await lab.ctl(learner, "get", "--consistency=s", "k")) === "k\nv\nexit 0";
  });
  const another = ["member", "add", "d", `--peer-urls=${d.peerUrl}`, "--learner"];
  seen["a second one"] = await eventually(lab, leader, ...another);
  for (const command of [
    "get k",
    "put k w",
    "del k",
    "lease grant 10",
    "lease list",
    "compaction 1",
    "alarm list",
    "endpoint hashkv",
    "member add d --peer-urls=http://127.0.0.1:1",
    `member remove ${id}`,
    `member promote ${id}`,
  ]) {
    const words = await lab.ctl(learner, ...command.split(" "));
    seen[`asked of it: ${command.replace(id, "ID")}`] = words.replace(/, \d+\n/, "\n");
  }
  seen["leadership for it"] = await lab.ctl(leader, "move-leader", id);
  seen.list = await lab.memberList(leader);
  seen.promoted = await eventually(lab, follower, "member", "promote", id);
  seen["promoted twice"] = await lab.ctl(leader, "member", "promote", id);
  seen["promoted, but unknown"] = await lab.ctl(leader, "member", "promote", "1234567890abcdef");
  seen["list of voters"] = await lab.memberList(learner);
  seen["read through it"] = await lab.ctl(learner, "get", "k");
  return seen;
});

compare("leadership is handed over on request, and in a clean stop", async (lab) => {
  const members = await lab.cluster(3);
  const leader = await leaderOf(members);
  const [next, third] = others(members, leader);
  assert.ok(next && third);
  const id = await idOf(next);
  const seen: Record<string, unknown> = {
    "asked of a follower": (await lab.ctl(third, "move-leader", id)).replace(
      third.clientUrl,
      "<follower>",
    ),
    "to nobody": await lab.ctl(leader, "move-leader", "1234567890abcdef"),
    moved: await lab.ctl(leader, "move-leader", id),
  };
  assert.equal(await leaderOf(members), next);
  const exit = await next.stop();
  seen.exit = exit.signal ?? exit.code;
  // Nobody had to wait for an election timeout to notice that it is gone.
  seen["handed over"] = next.logText.includes("leadership transfer finished");
  const rest = others(members, next);
  await leaderOf(rest);
  seen["a write"] = await lab.ctl(rest, "put", "k", "v");
  return seen;
});

test(
  "from one member to three, five, three and one, under writes",
  { skip: missing("ours"), timeout: 3 * PATIENCE_MS },
  async () => {
    await using world = await ClusterWorld.start(["ours"], ["--strict-reconfig-check=false"]);
    const writer = new Writer(world.clientUrls, 40, 4);
    let late: Writer | undefined;
    try {
      for (const _ of [2, 3, 4, 5]) await world.join("ours");
      late = new Writer(world.clientUrls, 40, 4, "late/");
      await assertAgreement(world.members);
      // In turn the eldest, which is all that the first writer knows of, and whoever leads.
      const left = [...world.members];
      while (left.length > 1) {
        const gone = left.length % 2 === 0 ? await leaderOf(left) : left[0];
        assert.ok(gone);
        if (gone === world.member(0)) await writer.stop();
        left.splice(left.indexOf(gone), 1);
        await remove(gone, left);
        assert.equal((await gone.exited()).code, 0);
        await leaderOf(left);
        if (left.length === 3) await assertAgreement(left);
      }
      const before = late.attempts;
      await until("writes go on", () => (late?.attempts ?? 0) > before + 20);
      await late.stop();
      await assertAgreement(left, [writer, late]);
    } finally {
      await Promise.all([writer.stop(), late?.stop()]);
    }
  },
);

/** A request that was under way when the leader went may have been carried out. */
async function remove(gone: EtcdProcess, left: readonly EtcdProcess[]): Promise<void> {
  const id = await idOf(gone);
  await until("it is removed", async () => {
    const { code, output } = await etcdctl(left, ["member", "remove", id]);
    return code === 0 || output.includes("member not found") || output;
  });
}
