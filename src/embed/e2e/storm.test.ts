/**
 * Everything at once: writers, watchers, readers, compaction, defragmentation, snapshots, leases
 * and raft snapshots on one member. What the watches show must be the whole history, without gap
 * or repeat, and must add up to the state that a range shows, before and after a restart.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "../../env/testing/seeded-random.ts";
import { OTHER_BINARY, TestMember } from "./harness.ts";
import { deleteOp, FROM_KEY, putOp, type RpcClient, text, withShortLease } from "./rpc-client.ts";
import { until } from "./wait.ts";

const SEED = Number(process.env.ETCD_SEED ?? Date.now() % 1_000_000_007);
const WRITERS = 4;
const WRITES_EACH = Number(process.env.ETCD_ROUNDS ?? 150);
const KEYS = 40;
/** Revisions that compaction leaves behind the slowest watcher. */
const KEPT_REVISIONS = 20;
const FLAGS = {
  "snapshot-count": 300,
  ...(OTHER_BINARY === undefined ? { "experimental-snapshot-catchup-entries": 20 } : {}),
};

/** Follows all keys, and rebuilds from the events what the store must hold. */
class Follower {
  readonly state = new Map<string, string>();
  /** The last revision shown; each one is one above, or the same while a transaction goes on. */
  revision = 1;
  readonly done: Promise<void>;

  constructor(client: RpcClient, isPausing: () => boolean) {
    this.done = this.#run(client, isPausing);
  }

  async #run(client: RpcClient, isPausing: () => boolean): Promise<void> {
    const watch = client.watch();
    watch.request("", { rangeEnd: FROM_KEY, startRevision: 2 });
    for (;;) {
      const message = await watch.next();
      assert.equal(message.canceled, false, `cancelled at ${message.compactRevision}`);
      const before = this.revision;
      for (const event of message.events) {
        const { kv } = event;
        const at = kv?.modRevision ?? 0;
        assert.ok(
          at === this.revision + 1 || (at === this.revision && at > before),
          `${at} after ${this.revision}`,
        );
        this.revision = at;
        const key = text(kv?.key);
        if (event.type === 1) this.state.delete(key);
        else this.state.set(key, text(kv?.value));
        if (key === "end") {
          watch.close();
          return;
        }
      }
      if (isPausing()) {
        watch.stream.raw.pauseReceiving();
        setTimeout(() => watch.stream.raw.resumeReceiving(), 5);
      }
    }
  }
}

async function write(client: RpcClient, random: SeededRandom, count: number): Promise<void> {
  const key = () => `key/${random.below(KEYS)}`;
  let lastRevision = 0;
  for (let i = 0; i < count; i++) {
    const value = `${i} ${"x".repeat(random.below(2000))}`;
    const revision = await writeOnce(client, random.below(6), key, value);
    assert.ok(revision >= lastRevision, "revisions of one client do not go back");
    lastRevision = revision;
  }
}

async function writeOnce(
  client: RpcClient,
  kind: number,
  key: () => string,
  value: string,
): Promise<number> {
  if (kind === 0) return (await client.deleteRange(key())).header?.revision ?? 0;
  if (kind === 1) {
    const [a, b] = [`${key()}/a`, `${key()}/b`];
    const reply = await client.txn({
      success: [putOp(a, value), deleteOp(b), putOp("count", value)],
    });
    return reply.header?.revision ?? 0;
  }
  if (kind === 2) {
    const { reply } = await withShortLease(client, (lease) =>
      client.put(`${key()}/leased`, value, { lease }),
    );
    return reply.header?.revision ?? 0;
  }
  return (await client.put(key(), value)).header?.revision ?? 0;
}

/** Repeats an action until told to stop; at least once. */
async function meanwhile(isOver: () => boolean, act: () => Promise<unknown>): Promise<number> {
  let times = 0;
  do {
    await act();
    await new Promise((resolve) => setImmediate(resolve));
    times++;
  } while (!isOver());
  return times;
}

test(`a storm of requests and maintenance loses and repeats nothing (seed ${SEED})`, async () => {
  const member = await TestMember.start(FLAGS);
  try {
    const random = new SeededRandom(SEED);
    const followers = [
      new Follower(await member.connect(), () => false),
      new Follower(await member.connect(), () => random.below(4) === 0),
    ];
    let isOver = false;
    const over = () => isOver;
    const user = await member.connect();
    const call = user.call.bind(user);
    const upkeep = Promise.all([
      meanwhile(over, async () => {
        const slowest = Math.min(...followers.map((follower) => follower.revision));
        const target = slowest - KEPT_REVISIONS;
        if (target > 1) await user.compact(target, true).catch(onlyCompacted);
      }),
      meanwhile(over, () => call("/etcdserverpb.Maintenance/Defragment", {})),
      meanwhile(over, () => call("/etcdserverpb.Maintenance/HashKV", {})),
      meanwhile(over, async () => {
        const stream = user.openWith("/etcdserverpb.Maintenance/Snapshot", {});
        assert.equal(await stream.failure(), undefined);
        assert.equal(stream.inbox.drain().at(-1)?.blob.length, 32);
      }),
      meanwhile(over, async () => {
        const reply = await user.range("key/", { rangeEnd: FROM_KEY, sortTarget: 4, sortOrder: 2 });
        assert.equal(reply.count, reply.kvs.length);
      }),
    ]);
    const writers = Array.from({ length: WRITERS }, async (_, i) =>
      write(await member.connect(), new SeededRandom(SEED + i + 1), WRITES_EACH),
    );
    await Promise.all(writers);
    await until(
      async () => (await call("/etcdserverpb.Lease/LeaseLeases", {})).leases.length === 0,
      "all leases to expire",
    );
    isOver = true;
    await upkeep;
    await user.put("end");
    await Promise.all(followers.map((follower) => follower.done));
    const hash = await agreed(member.client, followers);
    await member.restart(FLAGS);
    assert.equal(await agreed(member.client, followers), hash);
  } finally {
    await member.remove();
  }
});

function onlyCompacted(error: { code: number }): void {
  assert.equal(error.code, 11);
}

/** The followers' states are the store's; returns its hash. */
async function agreed(client: RpcClient, followers: readonly Follower[]): Promise<number> {
  const { kvs, header } = await client.range(FROM_KEY, { rangeEnd: FROM_KEY });
  const stored = kvs.map((kv) => [text(kv.key), text(kv.value)]);
  for (const { state, revision } of followers) {
    assert.equal(revision, header?.revision);
    assert.deepEqual(
      [...state].sort(([a], [b]) => (a < b ? -1 : 1)),
      stored,
    );
  }
  return (await client.call("/etcdserverpb.Maintenance/HashKV", {})).hash;
}
