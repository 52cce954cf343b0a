/** What a client tells of its connections and calls, and what it adds to them. */
import assert from "node:assert/strict";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { type ClientEvent, EtcdClient } from "./index.ts";
import { failure, soon } from "./testing/check.ts";
import { FaultyProxy } from "./testing/faulty-proxy.ts";
import { OUR_WORLD } from "./testing/world.ts";

test("connections, calls and repetitions are told as events and as log lines", async () => {
  await using server = await OUR_WORLD.startServer();
  await using proxy = await FaultyProxy.start(server.endpoint);
  const events: ClientEvent[] = [];
  const lines: string[] = [];
  const line =
    (level: string) =>
    (message: string, fields: object): unknown =>
      lines.push(`${level} ${message} ${Object.keys(fields).join(" ")}`);
  let onRetry: () => void = () => undefined;
  const retried = new Promise<void>((resolve) => {
    onRetry = resolve;
  });
  await using client = new EtcdClient({
    endpoints: proxy.endpoint,
    backoffMs: 1,
    onEvent: (event) => {
      events.push(event);
      if (event.kind === "retry") onRetry();
    },
    logger: { debug: line("debug"), info: line("info"), warn: line("warn") },
  });
  await client.kv.put("k", "1");
  await failure(client.kv.get("", {}), "emptyKey");
  proxy.holdAnswers();
  const read = client.kv.get("k");
  proxy.cut();
  proxy.restore();
  await soon(retried, "the repetition");
  await soon(read, "the answer");
  const told = events.map((event) => {
    const method = "method" in event ? event.method.replace(/.*\//, " ") : "";
    const error = "error" in event && event.error !== undefined ? " failed" : "";
    return `${event.kind}${method}${error}`;
  });
  assert.deepEqual(told, [
    "connected",
    "call Put",
    "call Range failed",
    "disconnected",
    "retry Range failed",
    "connected",
    "call Range",
  ]);
  const call = events.find((event) => event.kind === "call");
  assert.ok(call !== undefined && call.durationMs >= 0);
  assert.deepEqual(lines, [
    "debug connected endpoint",
    "debug a call failed method durationMs kind error",
    "info disconnected endpoint reason",
    "info a call is sent again method endpoint attempt error",
    "debug connected endpoint",
  ]);
});

test("a server that cannot be reached is told, and a listener's fault leaves the call alone", async () => {
  const warnings: string[] = [];
  const logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: (message: string, { endpoint }: Readonly<Record<string, unknown>>) => {
      warnings.push(`${message} ${String(endpoint)}`);
      throw new Error("the logger is broken");
    },
  };
  const faults: unknown[] = [];
  const real = globalThis.queueMicrotask;
  // Outside a test it would end the process, as any error that nobody catches.
  globalThis.queueMicrotask = (run) =>
    real(() => {
      try {
        run();
      } catch (error) {
        faults.push(error);
      }
    });
  await using client = new EtcdClient({ endpoints: "127.0.0.1:1", dialTimeoutMs: 20, logger });
  await failure(client.kv.get("k"), "unavailable");
  globalThis.queueMicrotask = real;
  assert.equal(warnings[0], "cannot connect 127.0.0.1:1");
  assert.match(String(faults[0]), /the logger is broken/);
});

test("metadata goes with calls and streams, besides etcd's own", async () => {
  const seen: string[] = [];
  const server = createServer();
  server.on("stream", (stream, headers) => {
    const { tenant, "trace-bin": trace, hasleader } = headers;
    seen.push(`${headers[":path"]} ${tenant} ${trace} ${hasleader}`);
    const head = { ":status": 200, "content-type": "application/grpc", "grpc-status": "12" };
    stream.respond(head, { endStream: true });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const client = new EtcdClient({
    endpoints: `127.0.0.1:${port}`,
    metadata: { tenant: "blue", "trace-bin": "\xff\x00" },
  });
  await failure(client.kv.get("k"), "unimplemented");
  await failure(client.kv.get("k", { requireLeader: true }), "unimplemented");
  await failure(client.watch("k").created, "unimplemented");
  client.close();
  await new Promise((resolve) => server.close(resolve));
  assert.deepEqual(seen, [
    "/etcdserverpb.KV/Range blue /wA undefined",
    "/etcdserverpb.KV/Range blue /wA true",
    "/etcdserverpb.Watch/Watch blue /wA true",
  ]);
});
