import assert from "node:assert/strict";
import { test } from "node:test";
import { FixedHostNames, MemoryLogger, VirtualClock } from "../env/testing/index.ts";
import { urlComparison } from "./compare-urls.ts";
import { formatInitialCluster, refuseBootstrap, refuseJoin } from "./initial-cluster.ts";
import {
  confChangeContextFromJSON,
  memberFromJSON,
  membersFromJSON,
  memberToJSON,
  promotionToJSON,
} from "./member.ts";

test("ids beyond 2^53 survive JSON in both directions", () => {
  const text =
    '{"id":18446744073709551615,"peerURLs":["http://a:1"],"isLearner":true,' +
    '"name":"\\"id\\":7","clientURLs":["http://b"]}';
  const member = memberFromJSON(text);
  assert.equal(member.id, 0xffffffffffffffffn);
  assert.equal(member.name, '"id":7');
  assert.equal(memberToJSON(member), text);
  const second = '{"id":2,"peerURLs":null}';
  assert.deepEqual(
    membersFromJSON(`[${text},${second}]`).map(({ id }) => id),
    [0xffffffffffffffffn, 2n],
  );
});

test("a promotion is told from an addition", () => {
  assert.equal(promotionToJSON(5n), '{"id":5,"peerURLs":null,"isPromote":true}');
  const promotion = confChangeContextFromJSON(promotionToJSON(0xf000000000000000n));
  assert.equal(promotion.isPromote, true);
  assert.equal(promotion.member.id, 0xf000000000000000n);
  const addition = confChangeContextFromJSON('{"id":5,"peerURLs":["http://a"]}');
  assert.equal(addition.isPromote, false);
});

test("what is not a member is refused", () => {
  for (const text of ["", "[]", "null", "{}", '{"id":"x"}', '{"id":1,"peerURLs":[1]}']) {
    assert.throws(() => memberFromJSON(text), SyntaxError, text);
  }
  assert.throws(() => membersFromJSON("{}"), SyntaxError);
});

const LOCAL = ["http://127.0.0.1:2380"];

function bootstrap(
  cluster: Record<string, string[]>,
  more: { name?: string; urls?: string[]; discovery?: boolean } = {},
): Promise<string | undefined> {
  const choice = {
    name: more.name ?? "a",
    initialCluster: new Map(Object.entries(cluster)),
    advertisePeerURLs: more.urls ?? LOCAL,
    usesDiscovery: more.discovery ?? false,
  };
  const hostNames = new FixedHostNames({ here: "127.0.0.1" });
  const deps = { hostNames, clock: new VirtualClock(), logger: new MemoryLogger() };
  return refuseBootstrap(choice, urlComparison(deps));
}

test("a sound initial cluster starts", async () => {
  assert.equal(await bootstrap({ a: LOCAL, b: ["http://127.0.0.1:2381"] }), undefined);
  const urls = ["http://x:2", "http://x:1"];
  assert.equal(await bootstrap({ a: urls }, { urls: [...urls].reverse() }), undefined);
  assert.equal(await bootstrap({ a: ["http://here:2380"] }), undefined);
});

test("an unsound initial cluster is refused in etcd's words", async () => {
  assert.equal(
    await bootstrap({ b: LOCAL }),
    `couldn't find local name "a" in the initial cluster configuration`,
  );
  assert.equal(
    await bootstrap({ a: LOCAL, b: LOCAL }),
    "initial cluster a=http://127.0.0.1:2380,b=http://127.0.0.1:2380 has duplicate url",
  );
  assert.equal(
    await bootstrap({ a: ["http://127.0.0.1:9"] }),
    "--initial-cluster has a=http://127.0.0.1:9 but missing from " +
      "--initial-advertise-peer-urls=http://127.0.0.1:2380 " +
      '(resolved urls: "http://127.0.0.1:2380" != "http://127.0.0.1:9")',
  );
  assert.equal(
    await bootstrap({ a: LOCAL }, { urls: [...LOCAL, "http://127.0.0.1:9"] }),
    "--initial-advertise-peer-urls has http://127.0.0.1:9 but missing from " +
      "--initial-cluster=a=http://127.0.0.1:2380,a=http://127.0.0.1:9",
  );
  assert.equal(
    await bootstrap({ a: [...LOCAL, "http://127.0.0.1:9"] }),
    "--initial-cluster has a=http://127.0.0.1:9 but missing from " +
      "--initial-advertise-peer-urls=http://127.0.0.1:2380 " +
      '(len(["http://127.0.0.1:2380"]) != len(["http://127.0.0.1:2380" "http://127.0.0.1:9"]))',
  );
});

test("an address that is given twice on one side is refused", async () => {
  assert.equal(
    await bootstrap({ a: LOCAL }, { urls: [...LOCAL, ...LOCAL] }),
    "failed to resolve http://127.0.0.1:2380,http://127.0.0.1:2380 " +
      "to match --initial-cluster=a=http://127.0.0.1:2380,a=http://127.0.0.1:2380 " +
      '(len(["http://127.0.0.1:2380" "http://127.0.0.1:2380"]) != len(["http://127.0.0.1:2380"]))',
  );
});

test("joining does not compare URLs, but refuses discovery", () => {
  const choice = {
    name: "a",
    initialCluster: new Map([["a", ["http://other:1"]]]),
    advertisePeerURLs: LOCAL,
    usesDiscovery: false,
  };
  assert.equal(refuseJoin(choice), undefined);
  assert.equal(
    refuseJoin({ ...choice, usesDiscovery: true }),
    "discovery URL should not be set when joining existing initial cluster",
  );
});

test("an initial cluster prints sorted", () => {
  const cluster = new Map([
    ["b", ["http://b:2", "http://b:1"]],
    ["a", ["http://a:1"]],
  ]);
  assert.equal(formatInitialCluster(cluster), "a=http://a:1,b=http://b:1,b=http://b:2");
});
