/** Answers can be written as JSON, each and every part of them. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { EtcdClient, METHODS, op } from "./index.ts";
import { RangeRequest } from "../api/gen/rpc.ts";
import { take } from "./testing/check.ts";
import { OUR_WORLD, type SuiteServer } from "./testing/world.ts";

let server: SuiteServer;
let client: EtcdClient;

before(async () => {
  server = await OUR_WORLD.startServer();
  client = new EtcdClient({ endpoints: server.endpoint });
});
after(async () => {
  client.close();
  await server[Symbol.asyncDispose]();
});

const json = (value: unknown): Record<string, unknown> => JSON.parse(JSON.stringify(value));

test("keys, values and ids are written as etcd's gateway writes them", async () => {
  const lease = await client.lease.grant(60, { leaseID: 2n ** 62n + 1n });
  const { header } = await client.kv.put("json/k", Uint8Array.of(0xff, 0), { lease: lease.ID });
  const got = await client.kv.get("json/k");
  assert.deepEqual(json(got), {
    kind: "get",
    header: {
      clusterId: String(header.clusterId),
      memberId: String(header.memberId),
      revision: header.revision,
      raftTerm: header.raftTerm,
    },
    kvs: [
      {
        key: "anNvbi9r",
        value: "/wA=",
        createRevision: header.revision,
        modRevision: header.revision,
        version: 1,
        lease: "4611686018427387905",
      },
    ],
    more: false,
    count: 1,
  });
  assert.deepEqual(json(got.kv).value, "/wA=");
  assert.deepEqual(json(got.header).memberId, String(header.memberId));
});

test("every answer and every message in it can be written", async () => {
  const watcher = client.watch("json/w", { prevKV: true });
  await watcher.created;
  const { kv, lease, maintenance, cluster } = client;
  const granted = await lease.grant(60);
  const answers: object[] = [
    granted,
    await kv.put("json/w", "1", { lease: granted.ID, prevKV: true }),
    await kv
      .txn()
      .do(op.get("json/w"), op.txn(kv.txn().do(op.put("json/w", "2"))))
      .commit(),
    await kv.delete("json/", { prefix: true, prevKV: true }),
    ...(await take(watcher, 3)),
    await kv.compact(2),
    await lease.keepAliveOnce(granted.ID),
    await lease.timeToLive(granted.ID, { keys: true }),
    await lease.leases(),
    await maintenance.status(),
    await maintenance.hashKV(),
    await maintenance.alarmDisarm(0n, "none"),
    await cluster.memberList(),
    await lease.revoke(granted.ID),
  ];
  for (const answer of answers) {
    json(answer);
    for (const part of Object.values(answer)) {
      if (typeof part !== "bigint") JSON.stringify(part);
    }
  }
  const raw = await client.call(METHODS.range, RangeRequest.create({ key: Buffer.from("x") }));
  assert.equal(json(raw).count, 0);
  const [member] = (await cluster.memberList()).members;
  assert.equal(json(member).ID, String(member?.ID));
  assert.ok(!Object.keys(member ?? {}).includes("toJSON"));
  watcher.cancel();
});
