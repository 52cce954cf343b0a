/**
 * Watches through a follower that falls so far behind that the leader sends it the whole database.
 *
 * The follower is cut off, and the others write more than the leader keeps in its log (etcd keeps
 * 5000 entries). Two ways to be cut off:
 * - frozen: the process is stopped, and proxies reset its connections to the other members, so that
 *   nothing that was on its way reaches it. The watch's own connection lives on.
 * - killed: the watch goes on when the member is back, by the client's own doing.
 * A watch shows every change once and in order, or says that what it misses was compacted.
 */
import assert from "node:assert/strict";
import { EtcdClient } from "../src/client/index.ts";
import { prefixEnd, RpcClient, type WatchClient } from "../src/embed/e2e/rpc-client.ts";
import { Links } from "../faults/links.ts";
import { MemberProxy } from "../faults/proxy.ts";
import { compare, idOf, type Lab, leaderOf, type Seen, until } from "./cluster-lab.ts";
import type { EtcdProcess } from "./harness.ts";
import { freePorts } from "../src/base/testing/free-ports.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

/** More than the entries that a leader keeps for slow followers, and the interval of snapshots. */
const MISSED_WRITES = 6_500;
const FLAGS = ["--snapshot-count=500"];
const PARALLEL_WRITES = 100;
const KEYS = 50;
/** Another process may take a port between its choice and its use. */
const START_ATTEMPTS = 3;
const PREFIX = "w/";
const RANGE = { rangeEnd: prefixEnd(PREFIX) };
const RECEIVED = /^etcd_network_snapshot_receive_success\{[^}]*\} ([1-9]\d*)$/m;

/** A follower of three that can be cut off from the others, and the leader. */
class Cut implements AsyncDisposable {
  readonly #members: EtcdProcess[] = [];
  readonly #links = new Links();
  readonly #proxies: MemberProxy[] = [];
  #leader: EtcdProcess | undefined;

  static async start(lab: Lab): Promise<Cut> {
    for (let attempt = 1; ; attempt++) {
      const cut = new Cut();
      try {
        await cut.#start(lab);
        return cut;
      } catch (error) {
        await cut[Symbol.asyncDispose]();
        const isPortTaken = cut.members.some(({ logText }) => logText.includes("already in use"));
        if (!isPortTaken || attempt === START_ATTEMPTS) throw error;
      }
    }
  }

  async #start(lab: Lab): Promise<void> {
    const initial = await lab.places("m0", "m1", "m2");
    const ports = await freePorts(initial.length);
    const names = new Map<string, string>();
    for (const [i, place] of initial.entries()) {
      const proxy = new MemberProxy(this.#links, place.name, (id) => names.get(id));
      this.#proxies.push(proxy);
      const port = ports[i] ?? 0;
      await proxy.listen("peers", Number(new URL(place.peerUrl).port), port);
      const flags = [...FLAGS, `--listen-peer-urls=http://127.0.0.1:${port}`];
      const dataDir = `${place.dataDir}-${port}`;
      this.#members.push(lab.member(place, { initial, flags, dataDir }));
    }
    await Promise.all(this.#members.map((member) => member.start()));
    for (const member of this.#members) names.set(await idOf(member), member.name);
    for (const proxy of this.#proxies) proxy.nameConnections();
    this.#leader = await leaderOf(this.#members);
  }

  get members(): readonly EtcdProcess[] {
    return this.#members;
  }

  get leader(): EtcdProcess {
    assert.ok(this.#leader);
    return this.#leader;
  }

  /** The first that does not lead. */
  get follower(): EtcdProcess {
    const follower = this.#members.find((member) => member !== this.#leader);
    assert.ok(follower);
    return follower;
  }

  freeze(): void {
    this.#signal("SIGSTOP");
    this.#setCut(true);
    assert.ok(this.#reset() > 0, "it had no connections");
  }

  /** What was sent to it meanwhile is lost, too. */
  thaw(): void {
    this.#reset();
    this.#setCut(false);
    this.#signal("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.map((member) => member.kill()));
    await Promise.all(this.#proxies.map((proxy) => proxy.close()));
  }

  #reset(): number {
    const { name } = this.follower;
    return this.#links.dropConnections((from, to) => from === name || to === name);
  }

  #setCut(isCut: boolean): void {
    const names = this.members.map(({ name }) => name);
    this.#links.setBetween([this.follower.name], names, { isCut });
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.follower;
    assert.ok(pid !== undefined);
    process.kill(pid, signal);
  }
}

/** Revisions of `count` writes through a member, ascending. */
async function write(member: EtcdProcess, count: number): Promise<number[]> {
  const client = await RpcClient.connect(portOf(member));
  const revisions: number[] = [];
  let next = 0;
  const loop = async (): Promise<void> => {
    while (next < count) {
      const i = next++;
      const { header } = await client.put(`${PREFIX}${i % KEYS}`, String(i));
      revisions.push(header?.revision ?? 0);
    }
  };
  try {
    await Promise.all(Array.from({ length: PARALLEL_WRITES }, loop));
  } finally {
    client.close();
  }
  return revisions.sort((a, b) => a - b);
}

function portOf({ clientUrl }: EtcdProcess): number {
  return Number(new URL(clientUrl).port);
}

/** Whoever leads now, one write is acknowledged; its revision. */
async function writeOne({ members, follower }: Cut): Promise<number> {
  // A member that takes in a database refuses writes for a moment: too many requests.
  const others = members.filter((member) => member !== follower);
  await using client = new EtcdClient({ endpoints: others.map(({ clientUrl }) => clientUrl) });
  const { header } = await client.kv.put(`${PREFIX}last`, "", { timeoutMs: PATIENCE_MS });
  return header?.revision ?? 0;
}

async function hasReceived(member: EtcdProcess): Promise<boolean> {
  return RECEIVED.test(await (await fetch(`${member.clientUrl}/metrics`)).text());
}

/** What a watch showed, against what it had to show. */
function verdict(shown: readonly number[], expected: readonly number[]): Seen {
  const unique = new Set(shown);
  return {
    "shown twice": shown.length - unique.size,
    "out of order": shown.filter((revision, i) => revision < (shown[i - 1] ?? 0)).length,
    missing: expected.filter((revision) => !unique.has(revision)).length,
    "shown in all": shown.length - expected.length,
  };
}

/** The revisions of all events up to `last`. */
async function revisionsOf(watch: WatchClient, last: number): Promise<number[]> {
  const revisions: number[] = [];
  while ((revisions.at(-1) ?? 0) < last) {
    const { events, canceled } = await watch.next();
    assert.equal(canceled, false);
    revisions.push(...events.map(({ kv }) => kv?.modRevision ?? 0));
  }
  return revisions;
}

async function watchThroughFrozen(lab: Lab): Promise<Seen> {
  await using cut = await Cut.start(lab);
  const { follower, leader } = cut;
  const client = await RpcClient.connect(portOf(follower));
  const watch = client.watch();
  await watch.create(PREFIX, RANGE);
  const before = await write(leader, 10);
  const shownBefore = await revisionsOf(watch, before.at(-1) ?? 0);
  const hadReceived = await hasReceived(follower);
  cut.freeze();
  const missed = await write(leader, MISSED_WRITES);
  cut.thaw();
  await until("it has received the database", () => hasReceived(follower));
  const last = await writeOne(cut);
  const shown = [...shownBefore, ...(await revisionsOf(watch, last))];
  client.close();
  return {
    "a database was received before": hadReceived,
    ...verdict(shown, [...before, ...missed, last]),
  };
}

const EVERYTHING_ONCE = { "shown twice": 0, "out of order": 0, missing: 0, "shown in all": 0 };

compare("a watch lives through the arrival of a database at its member", watchThroughFrozen, {
  // 3.4 shows again what such a watch had shown since it was created.
  unlike34: ["shown twice", "out of order", "shown in all"],
  check: (seen) => {
    assert.deepEqual(seen, { "a database was received before": false, ...EVERYTHING_ONCE });
  },
});

async function watchOfCompacted(lab: Lab): Promise<Seen> {
  await using cut = await Cut.start(lab);
  const { follower, leader } = cut;
  const client = await RpcClient.connect(portOf(follower));
  const watch = client.watch();
  const { watchId } = await watch.create(PREFIX, RANGE);
  const [first = 0] = await write(leader, 1);
  await revisionsOf(watch, first);
  cut.freeze();
  const missed = await write(leader, MISSED_WRITES);
  const last = missed.at(-1) ?? 0;
  const atLeader = await RpcClient.connect(portOf(leader));
  await atLeader.compact(last);
  atLeader.close();
  cut.thaw();
  await until("it has received the database", () => hasReceived(follower));
  const answer = await watch.next();
  // The stream is as good as before: a new watch on it goes on where there is history.
  const fresh = await watch.create(PREFIX, { ...RANGE, startRevision: last });
  const newest = await writeOne(cut);
  const shown = await revisionsOf(watch, newest);
  const read = await client.range(`${PREFIX}0`, { revision: first }).catch(String);
  client.close();
  return {
    "cancelled is the watch": answer.canceled && answer.watchId === watchId,
    reason: answer.cancelReason,
    events: answer.events.length,
    "compacted is the last revision": answer.compactRevision === last,
    "the new watch is": fresh.created && !fresh.canceled,
    ...verdict(shown, [last, newest]),
    "an old revision is read": read,
  };
}

compare("a watch learns that the received database is compacted", watchOfCompacted, {
  check: (seen) => {
    assert.equal(seen["cancelled is the watch"], true);
    assert.equal(seen.events, 0);
    assert.equal(seen["compacted is the last revision"], true);
    for (const [what, count] of Object.entries(EVERYTHING_ONCE)) assert.equal(seen[what], count);
    assert.match(String(seen["an old revision is read"]), /required revision has been compacted/);
  },
});

async function watchThroughKilled(lab: Lab): Promise<Seen> {
  await using cut = await Cut.start(lab);
  const { follower, leader } = cut;
  await using client = new EtcdClient({ endpoints: follower.clientUrl });
  const watch = client.watch(PREFIX, { prefix: true });
  await watch.created;
  const before = await write(leader, 10);
  const shown: number[] = [];
  const read = async (last: number): Promise<void> => {
    while ((shown.at(-1) ?? 0) < last) {
      const { value } = await watch.next();
      if (value === undefined) break;
      shown.push(...value.events.map(({ kv }) => kv.modRevision));
    }
  };
  await read(before.at(-1) ?? 0);
  await follower.kill();
  const missed = await write(leader, MISSED_WRITES);
  await follower.start();
  await until("it has received the database", () => hasReceived(follower));
  const last = await writeOne(cut);
  await read(last);
  return verdict(shown, [...before, ...missed, last]);
}

compare("a client's watch goes on where the member came back by a database", watchThroughKilled, {
  check: (seen) => assert.deepEqual(seen, EVERYTHING_ONCE),
});
