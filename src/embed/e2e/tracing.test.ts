/**
 * Distributed tracing of a whole member, seen by a collector: spans of calls, joined to the caller's
 * trace, with what was done for each below it; and a collector that is down, silent or no collector.
 */
import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";
import { after, test } from "node:test";
import {
  ExportTraceServiceRequest,
  type Resource,
  type Span,
  SpanStatus_StatusCode,
} from "../../api/gen/trace.ts";
import { SystemClock } from "../../env/system-clock.ts";
import { MemoryLogger } from "../../env/testing/index.ts";
import type { UnaryCall } from "../../env/rpc.ts";
import { type Listener, listen } from "../../transport/listener.ts";
import { TestMember, type Flags } from "./harness.ts";
import { bytes } from "./rpc-client.ts";

const EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CALLER = "b7ad6b7169203331";

/** Takes spans as an OpenTelemetry collector does. */
class Collector {
  readonly spans: Span[] = [];
  readonly resources: (Resource | undefined)[] = [];
  #listener: Listener | undefined;

  async start(): Promise<string> {
    this.#listener = await listen(
      { host: "127.0.0.1", port: 0 },
      {
        clock: new SystemClock(),
        logger: new MemoryLogger(),
        methods: [{ index: 0, path: EXPORT, kind: "unary" }],
        service: { unary: (calls) => this.#take(calls), stream: () => undefined },
      },
    );
    const { address } = this.#listener;
    return "port" in address ? `127.0.0.1:${address.port}` : "";
  }

  async stop(): Promise<void> {
    await this.#listener?.stop(0);
  }

  /** Names of the spans of one trace, each before those below it. */
  tree(traceID: string, parent = "", depth = 0): string[] {
    const below = this.spans.filter(
      (span) => hex(span.traceId) === traceID && hex(span.parentSpanId) === parent,
    );
    below.sort((a, b) => Number(a.startTimeUnixNano - b.startTimeUnixNano));
    return below.flatMap(({ name, spanId }) => [
      "  ".repeat(depth) + name,
      ...this.tree(traceID, hex(spanId), depth + 1),
    ]);
  }

  named(name: string): Span[] {
    return this.spans.filter((span) => span.name === name);
  }

  #take(calls: readonly UnaryCall[]): void {
    for (const call of calls) {
      const { resourceSpans } = ExportTraceServiceRequest.decode(Buffer.from(call.body));
      for (const { resource, scopeSpans } of resourceSpans) {
        this.resources.push(resource);
        for (const { spans } of scopeSpans) this.spans.push(...spans);
      }
      call.reply(new Uint8Array(0));
    }
  }
}

function hex(value: Uint8Array): string {
  return Buffer.from(value).toString("hex");
}

function attributes(of: Span | Resource | undefined): Record<string, unknown> {
  return Object.fromEntries(
    (of?.attributes ?? []).map(({ key, value }) => [key, value?.value?.value]),
  );
}

function parentOf(trace: string, flags: string): { metadata: Record<string, string> } {
  return { metadata: { traceparent: `00-${trace}-${CALLER}-${flags}` } };
}

async function traced(address: string, rate: number, more: Flags = {}): Promise<TestMember> {
  return TestMember.start({
    "enable-distributed-tracing": true,
    "distributed-tracing-address": address,
    "distributed-tracing-sampling-rate": rate,
    ...more,
  });
}

const servers: { stop(): Promise<void> }[] = [];
after(async () => {
  for (const server of servers) await server.stop();
});

async function newCollector(): Promise<{ collector: Collector; address: string }> {
  const collector = new Collector();
  servers.push(collector);
  return { collector, address: await collector.start() };
}

const PUT = "/etcdserverpb.KV/Put";
const RANGE = "/etcdserverpb.KV/Range";

test("spans join the caller's trace, with the work below them; rate 0 adds no trace", async () => {
  const { collector, address } = await newCollector();
  const member = await traced(address, 0, { "distributed-tracing-instance-id": "one" });
  const { client, port } = member;
  const put = { key: bytes("a"), value: bytes("b") };
  await client.put("unseen");
  await client.call(PUT, put, parentOf("1".repeat(32), "00"));
  await client.call(PUT, put, parentOf(TRACE, "01"));
  const read = "2".repeat(32);
  const { metadata } = parentOf(read, "01");
  await client.call(
    RANGE,
    { key: bytes("a") },
    { metadata: { ...metadata, tracestate: "x=1, y@z=2" } },
  );
  const viaGateway = "3".repeat(32);
  const answer = await fetch(`http://127.0.0.1:${port}/v3/kv/deleterange`, {
    method: "POST",
    headers: { "grpc-metadata-traceparent": `00-${viaGateway}-${CALLER}-01` },
    body: JSON.stringify({ key: "YQ==" }),
  });
  assert.equal(answer.status, 200);
  await member.remove();

  const name = PUT.slice(1);
  assert.deepEqual(collector.tree(TRACE, CALLER), [name, "  propose", "  wal sync", "  apply"]);
  assert.deepEqual(collector.tree(read, CALLER), [RANGE.slice(1), "  read index", "  range"]);
  assert.deepEqual(collector.tree(viaGateway, CALLER)[0], "etcdserverpb.KV/DeleteRange");
  const [span] = collector.named(name);
  assert.equal(collector.named(name).length, 1, "the others were not to be recorded");
  const { "net.sock.peer.port": peerPort, ...facts } = attributes(span);
  assert.ok(typeof peerPort === "number" && peerPort > 0);
  assert.deepEqual(facts, {
    "rpc.service": "etcdserverpb.KV",
    "rpc.method": "Put",
    "rpc.system": "grpc",
    "net.sock.peer.addr": "127.0.0.1",
    "rpc.grpc.status_code": 0,
  });
  assert.deepEqual(
    [...collector.named(RANGE.slice(1)), ...collector.named("range")].map((s) => s.traceState),
    ["x=1,y@z=2", "x=1,y@z=2"],
  );
  assert.deepEqual(attributes(collector.resources[0]), {
    "service.instance.id": "one",
    "service.name": "etcd",
  });
  const commits = collector.named("backend commit").flatMap(({ links }) => links);
  assert.ok(
    commits.some(({ traceId }) => hex(traceId) === TRACE),
    "the commit names its writes",
  );
});

test("at the full rate every call is recorded, with its failure", async () => {
  const { collector, address } = await newCollector();
  const member = await traced(address, 1_000_000, { "distributed-tracing-service-name": "kv" });
  const { client } = member;
  await assert.rejects(client.put(""), { code: 3 });
  await client.call("/etcdserverpb.Lease/LeaseGrant", { TTL: 60 });
  const locked = await client.call("/v3lockpb.Lock/Lock", { name: bytes("l") });
  assert.notEqual(locked.key.length, 0);
  const late = client.connection.nowMs() + 30;
  await assert.rejects(
    client.call("/v3lockpb.Lock/Lock", { name: bytes("l") }, { deadlineMs: late }),
    { code: 4 },
  );
  const watch = client.watch();
  await watch.create("w");
  watch.stream.raw.cancel();
  // Behind it on the same connection.
  await client.range("w");
  await member.remove();

  const codes = collector
    .named("etcdserverpb.KV/Put")
    .map((span) => [attributes(span)["rpc.grpc.status_code"], span.status?.code]);
  assert.deepEqual(codes, [[3, SpanStatus_StatusCode.UNSET]]);
  const [grant] = collector.named("etcdserverpb.Lease/LeaseGrant");
  assert.ok(grant !== undefined && grant.parentSpanId.length === 0);
  assert.deepEqual(collector.tree(hex(grant.traceId)).slice(0, 2), [
    "etcdserverpb.Lease/LeaseGrant",
    "  propose",
  ]);
  const locks = collector.named("v3lockpb.Lock/Lock");
  assert.deepEqual(
    locks.map((span) => [attributes(span)["rpc.grpc.status_code"], span.status?.message]),
    [
      [0, ""],
      [4, "context deadline exceeded"],
    ],
  );
  const [first] = locks;
  const work = collector.tree(hex(first?.traceId ?? new Uint8Array(0)));
  assert.ok(work.includes("  propose") && work.includes("  apply"), work.join("\n"));
  assert.equal(collector.named("etcdserverpb.Watch/Watch").length, 1);
  assert.equal(attributes(collector.resources[0])["service.name"], "kv");
});

/** Accepts connections and answers whatever it is sent with `words`. */
async function speakerOf(words: string): Promise<string> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    if (words !== "") socket.write(words);
  });
  servers.push({
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return `127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
}

for (const [what, words] of [
  ["is down", undefined],
  ["is silent", ""],
  ["is no collector", "HTTP/1.1 400 Bad Request\r\n\r\n"],
] as const) {
  test(`a collector that ${what} costs a line in the log, and no request`, async () => {
    const address = words === undefined ? "127.0.0.1:1" : await speakerOf(words);
    const member = await traced(address, 1_000_000);
    // More than a batch, so that it is sent at once.
    await Promise.all(Array.from({ length: 100 }, (_, i) => member.client.put(`k${i}`)));
    await member.remove();
    const said = member.logger.lines.filter(({ message }) => message === "failed to export traces");
    assert.equal(said.length, 1, JSON.stringify(said));
    assert.equal(said[0]?.fields.address, address);
    assert.equal(typeof said[0]?.fields.error, "string");
  });
}

test("the address of a collector that is no URL is refused as etcd does", async () => {
  await assert.rejects(traced("%zz", 0), {
    message: 'parse "dns:///%zz": invalid URL escape "%zz"',
  });
});
