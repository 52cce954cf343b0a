/**
 * How members become a cluster, and how they refuse to: ours and the reference play the same
 * scenes, and end with the same exit codes and words.
 */
import assert from "node:assert/strict";
import { lookup } from "node:dns/promises";
import { rmSync } from "node:fs";
import { connect } from "node:net";
import { hostname } from "node:os";
import { compare, etcdctl, idOf, leaderOf, removalWords, statusOf, until } from "./cluster-lab.ts";
import type { EtcdProcess } from "./harness.ts";

compare("configurations that contradict themselves", async (lab) => {
  const [a, b, c] = await lab.places("a", "b", "c");
  assert.ok(a && b && c);
  return {
    "own name missing": await lab.refused(a, { initial: [b, c] }),
    "own name missing when joining": await lab.refused(a, { initial: [b, c], state: "existing" }),
    "own address under another name": await lab.refused(a, { initial: [{ ...b, name: "a" }, b] }),
    "other address than advertised": await lab.refused(a, {
      initial: [a, b],
      flags: [`--initial-advertise-peer-urls=${c.peerUrl}`],
    }),
    "more addresses advertised": await lab.refused(a, {
      initial: [a, b],
      flags: [`--initial-advertise-peer-urls=${a.peerUrl},${c.peerUrl}`],
    }),
    "two members at one address": await lab.refused(a, { initial: [a, { ...a, name: "b" }] }),
    "two at one address when joining": await lab.refused(a, {
      initial: [a, { ...a, name: "b" }],
      state: "existing",
    }),
    "no members": await lab.refused(a, { flags: ["--initial-cluster="] }),
  };
});

/** Members are printed by id and compared by id: their order is chance. */
function inOrder(words: string): string {
  const urlsOf = (member: string): string => /PeerURLs.*/.exec(member)?.[0] ?? "";
  const members = words.match(/&\{.*?\}\}/g) ?? [];
  members.sort((a, b) => urlsOf(a).localeCompare(urlsOf(b)));
  const sorted = words.replace(/&\{.*\}\}/, members.join(" "));
  return sorted.replace(/(resolved urls: ".*?" != )".*?"/, "$1another");
}

compare("joining where nobody answers, unannounced, and under another address", async (lab) => {
  const [a, b, c, nobody] = await lab.places("a", "b", "c", "nobody");
  assert.ok(a && b && c && nobody);
  const alone = await lab.refused(b, { initial: [nobody, b], state: "existing" });
  const only = await lab.refused(b, { initial: [b], state: "existing" });
  const running = lab.member(a);
  await running.start();
  const unannounced = await lab.refused(b, { initial: [a, b], state: "existing" });
  const other = await lab.refused(b, {
    initial: [{ ...a, peerUrl: c.peerUrl }, a, b],
    state: "existing",
  });
  assert.equal((await etcdctl(a, ["member", "add", "c", `--peer-urls=${c.peerUrl}`])).code, 0);
  const elsewhere = await lab.refused(b, { initial: [a, b], state: "existing" });
  const tooMany = await lab.refused(b, { initial: [a, b, c], state: "existing" });
  return {
    alone,
    only,
    unannounced,
    other,
    elsewhere: inOrder(elsewhere),
    tooMany: inOrder(tooMany),
  };
});

/** A name of 127.0.0.1 that is looked up; `localhost` as such never is. */
async function nameOfThisHost(): Promise<string | undefined> {
  for (const name of ["LOCALHOST", hostname()]) {
    const found = await lookup(name, { verbatim: true }).catch(() => undefined);
    if (found?.address === "127.0.0.1") return name;
  }
  return undefined;
}

compare("host names stand for their addresses, but for localhost", async (lab) => {
  const [a, b] = await lab.places("a", "b");
  assert.ok(a && b);
  const named = (place: typeof a, host: string) => {
    return { ...place, peerUrl: place.peerUrl.replace("127.0.0.1", host) };
  };
  const refusal = await lab.refused(a, { initial: [named(a, "localhost")] });
  const localhost = refusal.replaceAll(/localhost:\d+/g, "localhost:<port>");
  const name = await nameOfThisHost();
  if (name === undefined) return { localhost };
  const first = lab.member(a, { initial: [named(a, name)] });
  await first.start();
  const add = await etcdctl(a, ["member", "add", "b", `--peer-urls=${b.peerUrl}`]);
  assert.equal(add.code, 0, add.output);
  const refused = await lab.refused(b, { initial: [named(a, "localhost"), b], state: "existing" });
  const joined = lab.member(b, { initial: [a, named(b, name)], state: "existing" });
  await joined.start();
  const list = (await lab.memberList(joined)).map((line) => line.replaceAll(name, "127.0.0.1"));
  return { localhost, refused: inOrder(refused.replaceAll(name, "127.0.0.1")), list };
});

/** The words about foreign clusters that a member has logged. */
function mismatches(member: EtcdProcess): string[] {
  const lines = member.log.filter(({ msg }) => msg.includes("cluster ID mismatch"));
  return [...new Set(lines.map(({ level, msg }) => `${level}: ${msg}`))].sort();
}

compare("another token is another cluster", async (lab) => {
  const initial = await lab.places("a", "b");
  const [a, b] = initial.map((place) =>
    lab.member(place, { initial, flags: [`--initial-cluster-token=of-${place.name}`] }),
  );
  assert.ok(a && b);
  a.launch();
  b.launch();
  await until("both have seen the other's", () => {
    return mismatches(a).length > 1 && mismatches(b).length > 1;
  });
  return {
    a: mismatches(a),
    b: mismatches(b),
    serving: [a, b].map((member) => /ready to serve|serving client/.test(member.logText)),
  };
});

/** A member whose data is gone, and what becomes of it. */
compare("a member of a running cluster that lost its data, started as new", async (lab) => {
  const initial = await lab.places("a", "b", "c");
  const members = initial.map((place) => lab.member(place, { initial }));
  await Promise.all(members.map((member) => member.start()));
  const [a, b, lost] = members;
  const place = initial[2];
  assert.ok(a && b && lost && place);
  const id = await idOf(lost);
  await lost.kill();
  rmSync(place.dataDir, { recursive: true });
  const wiped = await lab.refused(place, { initial });
  await until("the others count as connected", async () => {
    return (await etcdctl(a, ["member", "remove", id])).code === 0;
  });
  const add = ["member", "add", "c", `--peer-urls=${place.peerUrl}`];
  await until("the others are connected", async () => (await etcdctl(a, add)).code === 0);
  // Its id as one of the first members has been removed.
  const stranger = lab.member(place, { initial });
  stranger.launch();
  const asRemoved = removalWords(stranger, await stranger.exited(), 1);
  rmSync(place.dataDir, { recursive: true });
  const joined = lab.member(place, { initial, state: "existing" });
  await joined.start();
  const list = await lab.memberList(joined);
  return { wiped, asRemoved, list };
});

compare("what was said about the first start does not matter later", async (lab) => {
  const [a, b] = await lab.places("a", "b");
  assert.ok(a && b);
  const first = lab.member(a, { flags: ["--initial-cluster-token=one"] });
  await first.start();
  const before = await lab.memberList(first);
  const id = await idOf(first);
  await first.stop();
  const flags = ["--initial-cluster-token=two"];
  const second = lab.member(a, { initial: [b], state: "existing", flags });
  await second.start();
  assert.equal(await idOf(second), id);
  return { before, after: await lab.memberList(second) };
});

compare("a start waits for a quorum, then tells its name", async (lab) => {
  const initial = await lab.places("a", "b", "c");
  const [a, b] = initial.map((place) => lab.member(place, { initial }));
  assert.ok(a && b);
  a.launch();
  let answer: string | undefined;
  await until("its client port is open", async () => {
    const socket = connect(Number(new URL(a.clientUrl).port), "127.0.0.1");
    const isOpen = await new Promise((resolve) => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    });
    socket.destroy();
    return isOpen;
  });
  const asked = fetch(`${a.clientUrl}/health`).then(async (response) => {
    answer = await response.text();
  });
  await a.waitForLog(/is starting a new election/);
  const early = answer;
  b.launch();
  await asked;
  const listed = async (): Promise<string[]> => lab.memberList(a);
  await until("both have told", async () => {
    const list = await listed();
    // A name is known from the start, client URLs only from the member itself.
    return list.filter((line) => !line.includes(", ,")).length === 2 || list.join("\n");
  });
  return {
    early: early ?? "nothing",
    healthy: answer?.includes('"health":"true"'),
    list: await listed(),
  };
});

compare("a new cluster is forced from one member of three", async (lab) => {
  const initial = await lab.places("a", "b", "c");
  const members = initial.map((place) => lab.member(place, { initial }));
  await Promise.all(members.map((member) => member.start()));
  const [a] = members;
  const [placeA, placeB] = initial;
  assert.ok(a && placeA && placeB);
  const clusterID = (await statusOf(a)).header.cluster_id;
  await etcdctl(members, ["put", "kept", "value"]);
  await leaderOf(members);
  // Only what it knows to be committed stays; in a clean stop it writes that down.
  assert.match(await lab.ctl(a, "get", "kept"), /value/);
  await a.stop();
  await Promise.all(members.map((member) => member.kill()));
  const forced = lab.member(placeA, { initial, flags: ["--force-new-cluster"] });
  await forced.start();
  const alone = await lab.memberList(forced);
  const data = await lab.ctl(forced, "get", "kept");
  assert.equal((await statusOf(forced)).header.cluster_id, clusterID);
  await forced.stop();
  const again = lab.member(placeA, { initial });
  await again.start();
  const add = await lab.ctl(again, "member", "add", "b", `--peer-urls=${placeB.peerUrl}`);
  rmSync(placeB.dataDir, { recursive: true });
  const joined = lab.member(placeB, { initial: [placeA, placeB], state: "existing" });
  await joined.start();
  const read = await lab.ctl(joined, "get", "kept");
  return { alone, data, add, read, list: await lab.memberList(joined) };
});

/** The lines about the first election, with their numbers. */
function electionLines(member: EtcdProcess): object[] {
  return member.log
    .filter(({ msg }) => /election tick/.test(msg))
    .map(({ ts, caller, level, "local-member-id": _, ...rest }) => rest);
}

compare("the first election comes early, unless that is forbidden", async (lab) => {
  const [a, b, ...initial] = await lab.places("a", "b", "c", "d", "e");
  assert.ok(a && b);
  const flags = ["--initial-election-tick-advance=false"];
  const alone = lab.member(a);
  const aloneAndSlow = lab.member(b, { flags });
  await Promise.all([alone.start(), aloneAndSlow.start()]);
  const [first, second, slow] = initial.map((place, i) => {
    return lab.member(place, { initial, flags: i === 2 ? flags : [] });
  });
  assert.ok(first && second && slow);
  await Promise.all([first.start(), second.start(), slow.start()]);
  return {
    alone: electionLines(alone),
    aloneAndSlow: electionLines(aloneAndSlow),
    connected: electionLines(first).at(0),
    slow: electionLines(slow),
  };
});
