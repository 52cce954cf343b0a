/** curl, nghttp and h2load against a whole member, beside gRPC clients on the same port. */
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { PutRequest, PutResponse, RangeRequest } from "../src/api/gen/rpc.ts";
import { bytes, eventTexts, RpcClient, text } from "../src/embed/e2e/rpc-client.ts";
import { type EtcdProcess, missing, startEtcd } from "./harness.ts";

const run = promisify(execFile);
const scratch = mkdtempSync(join(tmpdir(), "etcd-tools-"));
let etcd: EtcdProcess;
let client: RpcClient;

before(async () => {
  if (missing("ours") !== false) return;
  etcd = await startEtcd();
  client = await RpcClient.connect(Number(new URL(etcd.clientUrl).port));
});
after(async () => {
  client?.close();
  await etcd?.[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true, force: true });
});

function without(tool: string): string | false {
  if (missing("ours") !== false) return missing("ours");
  return spawnSync(tool, ["--version"]).error === undefined ? false : `${tool} is not installed`;
}

/** A file with one gRPC message. */
function messageFile(name: string, body: Uint8Array): string {
  const frame = Buffer.alloc(5 + body.length);
  frame.writeUInt32BE(body.length, 1);
  frame.set(body, 5);
  const path = join(scratch, name);
  writeFileSync(path, frame);
  return path;
}

const GRPC = ["-H", "content-type: application/grpc", "-H", "te: trailers"];

test("curl puts and gets as JSON over HTTP/1.1", { skip: without("curl") }, async () => {
  const post = async (path: string, body: object) => {
    const { stdout } = await run("curl", [
      "-sS",
      "-d",
      JSON.stringify(body),
      etcd.clientUrl + path,
    ]);
    return JSON.parse(stdout) as Record<string, unknown>;
  };
  const key = Buffer.from("from curl").toString("base64");
  await post("/v3/kv/put", { key, value: Buffer.from("json").toString("base64") });
  assert.equal(text((await client.range("from curl")).kvs[0]?.value), "json");
  const { kvs } = (await post("/v3/kv/range", { key })) as { kvs: { value: string }[] };
  assert.equal(Buffer.from(kvs[0]?.value ?? "", "base64").toString(), "json");
  const health = await run("curl", ["-sS", `${etcd.clientUrl}/health`]);
  assert.equal(health.stdout, '{"health":"true","reason":""}');
  const version = await run("curl", ["-sS", `${etcd.clientUrl}/version`]);
  assert.match(version.stdout, /^\{"etcdserver":"3\.6\.\d+","etcdcluster":"3\.6\.0"/);
});

test(
  "curl makes a gRPC call over HTTP/2 with prior knowledge",
  { skip: without("curl") },
  async () => {
    const body = messageFile("put", PutRequest.encode(PutRequest.create({ key: bytes("h2c") })));
    const answer = join(scratch, "answer");
    const { stdout } = await run("curl", [
      ...["-sS", "--http2-prior-knowledge", "-D", "-", "-o", answer, "--data-binary", `@${body}`],
      ...GRPC,
      `${etcd.clientUrl}/etcdserverpb.KV/Put`,
    ]);
    assert.match(stdout, /^HTTP\/2 200/);
    assert.match(stdout, /^grpc-status: 0\r$/m);
    const reply = PutResponse.decode(readFileSync(answer).subarray(5));
    assert.equal(reply.header?.revision, await client.revision());
  },
);

test("nghttp follows a gRPC call to its trailers", { skip: without("nghttp") }, async () => {
  const body = messageFile("range", RangeRequest.encode(RangeRequest.create({ key: bytes("k") })));
  const { stdout } = await run("nghttp", [
    ...["-v", "-n", "--no-dep", "-d", body, ...GRPC],
    `${etcd.clientUrl}/etcdserverpb.KV/Range`,
  ]);
  assert.match(stdout, /:status: 200/);
  assert.match(stdout, /grpc-status: 0/);
});

test(
  "h2load: every one of thousands of calls is answered, and others are served meanwhile",
  {
    skip: without("h2load"),
  },
  async () => {
    const body = messageFile(
      "load",
      PutRequest.encode(PutRequest.create({ key: bytes("load"), value: bytes("x".repeat(200)) })),
    );
    const before = await client.revision();
    const watch = client.watch();
    await watch.create("meanwhile");
    const load = run("h2load", [
      ...["-n", "4000", "-c", "5", "-m", "20", "-d", body, ...GRPC],
      `${etcd.clientUrl}/etcdserverpb.KV/Put`,
    ]);
    const { header } = await client.put("meanwhile", "1");
    assert.deepEqual(eventTexts(await watch.next()), [`PUT meanwhile=1@${header?.revision}`]);
    watch.close();
    const { stdout } = await load;
    assert.match(stdout, /4000 total, 4000 started, 4000 done, 4000 succeeded, 0 failed/);
    assert.equal(await client.revision(), before + 4001);
  },
);
