/** Members of a test for clients with sockets. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, credentials } from "@grpc/grpc-js";
import { RangeRequest, RangeResponse } from "../api/gen/rpc.ts";
import { EtcdClient } from "../client/index.ts";
import { Etcd } from "./index.ts";

test("a client with sockets and one without work on the same member", async () => {
  await using etcd = await Etcd.memory({ listen: true });
  await using outside = new EtcdClient({ endpoints: etcd.urls });
  const { ID } = await outside.lease.grant(30);
  await outside.kv.put("k", "1", { lease: ID });
  const inside = etcd.client();
  assert.equal((await inside.kv.get("k")).kvs[0]?.valueText, "1");
  const watcher = outside.watch("k");
  await watcher.created;
  await etcd.clock.advance("32s");
  const { value } = await watcher.events().next();
  assert.equal(value?.type, "delete");
  assert.deepEqual((await inside.cluster.memberList()).members[0]?.clientURLs, etcd.urls);
});

test("a client of @grpc/grpc-js needs nothing but the URL", async () => {
  await using etcd = await Etcd.memory({ listen: true });
  await etcd.client().kv.put("k", "1");
  const { host } = new URL(etcd.urls[0] ?? "");
  const client = new Client(host, credentials.createInsecure());
  const answer = await new Promise<Buffer | undefined>((resolve, reject) => {
    client.makeUnaryRequest(
      "/etcdserverpb.KV/Range",
      (request: Uint8Array) => Buffer.from(request),
      (bytes: Buffer) => bytes,
      RangeRequest.encode(RangeRequest.create({ key: Buffer.from("k") })),
      (error, value) => (error === null ? resolve(value) : reject(error)),
    );
  });
  client.close();
  assert.equal(RangeResponse.decode(answer ?? new Uint8Array()).kvs.length, 1);
});

test("a member that was killed has no port, and the same one again when it is back", async () => {
  await using etcd = await Etcd.cluster(3, { listen: true });
  const [url = ""] = etcd.urls;
  await using first = new EtcdClient({ endpoints: [url], dialTimeoutMs: 2_000 });
  await first.kv.put("k", "1");
  await etcd.kill("m1");
  await assert.rejects(first.kv.get("k"), { kind: "unavailable" });
  await etcd.restart("m1");
  await using again = new EtcdClient({ endpoints: [url] });
  assert.equal((await again.kv.get("k")).kvs[0]?.valueText, "1");
});

test("without listening there are no URLs", async () => {
  await using etcd = await Etcd.memory();
  assert.throws(() => etcd.urls, { message: "urls: nobody listens; begin with { listen: true }" });
});
