/** Peer URLs mean the same when their host names have the same addresses; names may come late. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostNames } from "../env/index.ts";
import { FixedHostNames, MemoryLogger, VirtualClock } from "../env/testing/index.ts";
import { urlComparison } from "./compare-urls.ts";

function world(hostNames: HostNames) {
  const clock = new VirtualClock();
  const logger = new MemoryLogger();
  const compare = urlComparison({ hostNames, clock, logger });
  /** Lets virtual time pass until the answer is there, and gives both. */
  const timed = async (a: readonly string[], b: readonly string[]) => {
    const startMs = clock.nowMs();
    let isDone = false;
    const asked = compare(a, b).finally(() => {
      isDone = true;
    });
    for (let turn = 0; !isDone && turn < 1000; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (!isDone) clock.advance(100);
    }
    return { difference: await asked, seconds: Math.floor((clock.nowMs() - startMs) / 1000) };
  };
  const logged = (msg: string) =>
    logger.lines.filter(({ message }) => message === msg).map(({ fields }) => fields);
  return { compare, timed, logged };
}

const TABLE = {
  db1: "10.0.0.1",
  db2: "10.0.0.2",
  six: "2001:DB8:0:0::1",
  mapped: "::ffff:10.0.0.1",
};

test("lists of URLs with names and addresses", async () => {
  const equal: readonly [string[], string[]][] = [
    [["http://gone:1"], ["http://gone:1"]],
    [["http://db1:1"], ["http://10.0.0.1:1"]],
    [
      ["http://db2:1", "http://10.0.0.1:1"],
      ["http://db1:1", "http://db2:1"],
    ],
    [["https://[2001:db8::1]:1"], ["https://six:1"]],
    [["http://[2001:db8:0::1]:1"], ["http://[2001:db8::1]:1"]],
    [["http://mapped:1"], ["http://db1:1"]],
    [["unix://db1:1"], ["unix://db1:1"]],
    [["http://db1:01"], ["http://db1:1"]],
  ];
  for (const [a, b] of equal) {
    const { compare } = world(new FixedHostNames(TABLE));
    assert.equal(await compare(a, b), undefined, `${a} and ${b}`);
    assert.equal(await compare(b, a), undefined, `${b} and ${a}`);
  }
  const different: readonly [string[], string[], string][] = [
    [
      ["http://db1:1"],
      ["http://db2:1"],
      'resolved urls: "http://10.0.0.1:1" != "http://10.0.0.2:1"',
    ],
    [
      ["http://db1:1"],
      ["http://db1:2"],
      'resolved urls: "http://10.0.0.1:1" != "http://10.0.0.1:2"',
    ],
    [
      ["http://db1:1"],
      ["https://db1:1"],
      'resolved urls: "http://10.0.0.1:1" != "https://10.0.0.1:1"',
    ],
    [
      ["http://db1:1"],
      ["http://db1:1", "http://db2:1"],
      'len(["http://db1:1"]) != len(["http://db1:1" "http://db2:1"])',
    ],
    [
      ["unix://db1:1"],
      ["unix://10.0.0.1:1"],
      'resolved urls: "unix://db1:1" != "unix://10.0.0.1:1"',
    ],
    [["http://nonsense"], ["http://db1:1"], 'failed to parse string to URL: "http://nonsense"'],
  ];
  for (const [a, b, difference] of different) {
    const { compare } = world(new FixedHostNames(TABLE));
    assert.equal(await compare(a, b), difference);
  }
});

test("localhost is nobody's address, as in etcd", async () => {
  const { compare } = world(new FixedHostNames({ localhost: "127.0.0.1" }));
  assert.equal(
    await compare(["http://127.0.0.1:1"], ["http://localhost:1"]),
    'resolved urls: "http://127.0.0.1:1" != "http://localhost:1"',
  );
});

test("a name that gets its address late is asked again every second", async () => {
  const hostNames = new FixedHostNames(TABLE);
  const { timed, logged } = world(hostNames);
  const answered = timed(["http://new:1"], ["http://10.0.0.9:1"]);
  while (hostNames.asked.length < 5) await new Promise((resolve) => setImmediate(resolve));
  hostNames.set("new", "10.0.0.9");
  assert.deepEqual(await answered, { difference: undefined, seconds: 5 });
  assert.equal(logged("failed to resolve URL Host").length, 5);
  assert.deepEqual(logged("resolved URL Host")[0], {
    url: "http://new:1",
    host: "new:1",
    "resolved-addr": "10.0.0.9:1",
  });
});

test("a name without an address is given up after 30 seconds, and then all others at once", async () => {
  const { timed, logged } = world(new FixedHostNames(TABLE));
  assert.deepEqual(await timed(["http://gone:1"], ["http://10.0.0.9:1"]), {
    difference: 'failed to resolve "http://gone:1" (lookup gone: no such host)',
    seconds: 30,
  });
  assert.equal(logged("failed to resolve URL Host").length, 30);
  const [last] = logged("failed to resolve URL Host; returning");
  assert.deepEqual([last?.host, last?.["retry-interval"]], ["gone:1", "1s"]);
  assert.deepEqual(await timed(["http://gone:1"], ["http://10.0.0.9:1"]), {
    difference: 'failed to resolve "http://gone:1" (context deadline exceeded)',
    seconds: 0,
  });
});

test("a resolver that does not answer is not waited for longer", async () => {
  const { timed } = world({ lookup: () => new Promise(() => undefined) });
  assert.deepEqual(await timed(["http://slow:1"], ["http://10.0.0.9:1"]), {
    difference: 'failed to resolve "http://slow:1" (lookup slow: i/o timeout)',
    seconds: 30,
  });
});
