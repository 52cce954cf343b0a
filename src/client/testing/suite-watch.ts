/** Watches, above all what they do when connections, servers and readers fail, on any etcd. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type EtcdClient, op, type Watcher, type WatchEvent } from "../index.ts";
import { failure, seededRandom, soon, take } from "./check.ts";
import { FaultyProxy } from "./faulty-proxy.ts";
import { Clients, type SuiteServer, type World } from "./world.ts";

const texts = (events: readonly WatchEvent[]): string[] =>
  events.map((event) => `${event.type} ${String(event.kv)}`);

/** What was read of a watch beyond what a test has asked for. */
const ahead = new WeakMap<Watcher, WatchEvent[]>();

/** The next `count` events. */
async function events(watcher: Watcher, count: number): Promise<WatchEvent[]> {
  const found = ahead.get(watcher) ?? [];
  while (found.length < count) {
    const [response] = await take(watcher, 1);
    found.push(...(response?.events ?? []));
  }
  ahead.set(watcher, found.slice(count));
  return found.slice(0, count);
}

export function watchSuite(world: World): void {
  const on = `on ${world.name}`;
  let server: SuiteServer;
  let clients: Clients;
  let client: EtcdClient;

  before(async () => {
    server = await world.startServer();
    clients = new Clients(server);
    client = clients.make();
  });
  after(async () => {
    clients[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  test(`a watch yields every change after it was created, ${on}`, async () => {
    await client.kv.put("w/a", "0");
    const watcher = client.watch("w/", { prefix: true, prevKV: true });
    const from = await soon(watcher.created, "creation");
    const { revision } = await client.kv.put("w/a", "1");
    assert.ok(revision >= from);
    await client.kv.put("w/b", "2");
    await client.kv.delete("w/a");
    await client.kv.put("other", "");
    const seen = await events(watcher, 3);
    assert.deepEqual(texts(seen), ["put w/a=1", "put w/b=2", "delete w/a="]);
    assert.deepEqual(
      seen.map(({ isCreate, isModify }) => [isCreate, isModify]),
      [
        [false, true],
        [true, false],
        [false, false],
      ],
    );
    assert.deepEqual(
      seen.map(({ prevKV }) => prevKV?.valueText),
      ["0", undefined, "1"],
    );
    watcher.cancel();
    assert.deepEqual(await watcher.next(), { done: true, value: undefined });
  });

  test(`a watch yields history from a revision on, without what it filters out, ${on}`, async () => {
    const { revision } = await client.kv.put("h/a", "1");
    await client.kv.delete("h/a");
    await client.kv.put("h/a", "2");
    const all = client.watch("h/a", { startRevision: revision });
    assert.deepEqual(texts(await events(all, 3)), ["put h/a=1", "delete h/a=", "put h/a=2"]);
    const puts = client.watch("h/a", { startRevision: revision, filters: ["noDelete"] });
    assert.deepEqual(texts(await events(puts, 2)), ["put h/a=1", "put h/a=2"]);
    all.cancel();
    puts.cancel();
  });

  test(`leaving the loop ends the watch; closing the client ends the loop, ${on}`, async () => {
    const own = clients.make();
    await own.kv.put("l/a", "1");
    for await (const event of own.watch("l/a", { startRevision: 1 }).events()) {
      assert.equal(event.kv.valueText, "1");
      break;
    }
    const watcher = own.watch("l/a");
    await watcher.created;
    const rest = watcher.next();
    own.close();
    assert.deepEqual(await soon(rest, "the end"), { done: true, value: undefined });
    assert.throws(() => own.watch("l/a"), { kind: "clientClosed" });
  });

  test(`an aborted watch throws, with the reason, ${on}`, async () => {
    const controller = new AbortController();
    const watcher = client.watch("x", { signal: controller.signal });
    await watcher.created;
    const next = watcher.next();
    controller.abort(new Error("enough"));
    const error = await failure(next, "aborted");
    assert.equal(error.name, "AbortError");
    assert.equal((error.cause as Error).message, "enough");
    await failure(client.watch("x", { signal: controller.signal }).next(), "aborted");
  });

  test(`a watch of compacted history fails, and says what is left, ${on}`, async () => {
    const { revision } = await client.kv.put("c/a", "1");
    const newest = await client.kv.put("c/a", "2");
    await client.kv.compact(newest.revision);
    const watcher = client.watch("c/a", { startRevision: revision });
    const error = await failure(watcher.next(), "compacted");
    assert.equal(error.compactRevision, newest.revision);
    assert.equal((await watcher.next()).done, true);
    const resumed = client.watch("c/a", { startRevision: error.compactRevision });
    assert.deepEqual(texts(await events(resumed, 1)), ["put c/a=2"]);
    resumed.cancel();
  });

  test(`what makes no sense to the server is refused, ${on}`, async () => {
    const watcher = client.watch("b", { rangeEnd: "a" });
    await failure(watcher.created, "watchCanceled");
    await failure(watcher.next(), "watchCanceled");
    // The shared stream goes on.
    const other = client.watch("b");
    await soon(other.created, "creation");
    other.cancel();
  });

  test(`a progress notice comes when asked for, ${on}`, async () => {
    const own = clients.make();
    const watcher = own.watch("progress");
    await watcher.created;
    const { revision } = await own.kv.put("elsewhere", "");
    watcher.requestProgress();
    const [notice] = await take(watcher, 1);
    assert.equal(notice?.isProgress, true);
    assert.ok((notice?.revision ?? 0) >= revision);
    watcher.cancel();
  });

  test(`a thousand watches share one connection, ${on}`, async () => {
    await using proxy = await FaultyProxy.start(server.endpoint);
    const own = clients.make({ endpoints: proxy.endpoint });
    const watchers = Array.from({ length: 1000 }, (_, i) => own.watch(`many/${i}`));
    await soon(Promise.all(watchers.map(({ created }) => created)), "creation");
    for (let i = 0; i < 1000; i += 100) await client.kv.put(`many/${i}`, String(i));
    for (let i = 0; i < 1000; i += 100) {
      assert.deepEqual(texts(await events(watchers[i]!, 1)), [`put many/${i}=${i}`]);
    }
    assert.equal(proxy.accepted, 1);
    own.close();
  });

  test(`a revision that is larger than a message is yielded whole, ${on}`, async () => {
    const keys = Array.from({ length: 14 }, (_, i) => `big/${i}`);
    const fill = (letter: string) =>
      client.kv
        .txn()
        .do(...keys.map((key) => op.put(key, letter.repeat(100_000))))
        .commit();
    await fill("a");
    const watcher = client.watch("big/", { prefix: true, prevKV: true });
    await watcher.created;
    await fill("b");
    const [response] = await take(watcher, 1);
    assert.equal(response?.events.length, keys.length);
    assert.ok(response?.events.every(({ prevKV }) => prevKV?.valueText.startsWith("a")));
    watcher.cancel();
  });

  test(`a slow reader misses nothing and holds nobody up, ${on}`, async () => {
    const own = clients.make();
    const slow = own.watch("s/", { prefix: true });
    const quick = own.watch("s/", { prefix: true });
    await Promise.all([slow.created, quick.created]);
    const value = "v".repeat(100_000);
    const count = 120;
    for (let i = 0; i < count; i++) await client.kv.put(`s/${i}`, value);
    const expected = Array.from({ length: count }, (_, i) => `s/${i}`);
    const keys = (found: readonly WatchEvent[]): string[] => found.map(({ kv }) => kv.keyText);
    assert.deepEqual(keys(await events(quick, count)), expected);
    assert.deepEqual(keys(await events(slow, count)), expected);
    await client.kv.put("s/last", "");
    assert.deepEqual(keys(await events(slow, 1)), ["s/last"]);
    own.close();
  });

  test(`cut connections lose nothing and repeat nothing, ${on}`, async (t) => {
    const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
    t.diagnostic(`SEED=${seed}`);
    const random = seededRandom(seed);
    await using proxy = await FaultyProxy.start(server.endpoint);
    const own = clients.make({ endpoints: proxy.endpoint });
    const watchers = ["cut/", "cut/1", "cut/2"].map((prefix) =>
      own.watch(prefix, { prefix: true }),
    );
    await Promise.all(watchers.map(({ created }) => created));
    const written: string[] = [];
    for (let i = 0; i < 300; i++) {
      const key = `cut/${Math.floor(random() * 30)}`;
      await client.kv.put(key, String(i));
      written.push(`put ${key}=${i}`);
      if (random() < 0.1) proxy.cut();
    }
    for (const [i, prefix] of ["put cut/", "put cut/1", "put cut/2"].entries()) {
      const expected = written.filter((text) => text.startsWith(prefix));
      assert.deepEqual(texts(await events(watchers[i]!, expected.length)), expected);
    }
    await client.kv.put("cut/11", "end");
    assert.deepEqual(texts(await events(watchers[0]!, 1)), ["put cut/11=end"]);
    assert.ok(proxy.accepted > 1);
    own.close();
  });

  test(`a watch goes on after the server was stopped and started, ${on}`, async () => {
    await using own = await world.startServer();
    using ownClients = new Clients(own);
    const watching = ownClients.make();
    const watcher = watching.watch("r/", { prefix: true });
    await watcher.created;
    const expected: string[] = [];
    const seen: string[] = [];
    for (let round = 0; round < 3; round++) {
      const writer = ownClients.make();
      for (let i = 0; i < 20; i++) {
        await writer.kv.put(`r/${i}`, `${round}`);
        expected.push(`put r/${i}=${round}`);
      }
      // Some are read before the stop, some after.
      if (round !== 1) seen.push(...texts(await events(watcher, 20)));
      writer.close();
      await own.stop();
      await own.start();
      if (round === 1) seen.push(...texts(await events(watcher, 20)));
    }
    assert.deepEqual(seen, expected);
    await watching.kv.put("r/end", "");
    assert.deepEqual(texts(await events(watcher, 1)), ["put r/end="]);
  });

  test(`a watch yields what happened while it was cut off, and the server restarted, ${on}`, async () => {
    await using own = await world.startServer();
    using ownClients = new Clients(own);
    await using proxy = await FaultyProxy.start(own.endpoint);
    const watcher = ownClients.make({ endpoints: proxy.endpoint }).watch("o/", { prefix: true });
    await watcher.created;
    const writer = ownClients.make();
    const expected: string[] = [];
    const write = async (text: string): Promise<void> => {
      for (let i = 0; i < 10; i++) {
        await writer.kv.put(`o/${i}`, text);
        expected.push(`put o/${i}=${text}`);
      }
    };
    await write("before");
    const seen = texts(await events(watcher, 3));
    proxy.refuse();
    await write("cut off");
    await own.stop();
    await own.start();
    await write("restarted");
    proxy.restore();
    seen.push(...texts(await events(watcher, 27)));
    assert.deepEqual(seen, expected);
  });

  test(`a watch made while no server runs is created when one does, ${on}`, async () => {
    await using own = await world.startServer();
    using ownClients = new Clients(own);
    await own.stop();
    const late = ownClients.make();
    const watcher = late.watch("late");
    await failure(late.watch("late", { timeoutMs: 20 }).created, "deadlineExceeded");
    await own.start();
    await soon(watcher.created, "creation");
    await late.kv.put("late", "1");
    assert.deepEqual(texts(await events(watcher, 1)), ["put late=1"]);
  });
}
