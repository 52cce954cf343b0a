/** The v2 proxy in front of members that misbehave. */
import assert from "node:assert/strict";
import { once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { MemoryLogger } from "../../env/testing/memory-logger.ts";
import { SystemClock } from "../../env/system-clock.ts";
import type { Random } from "../../env/random.ts";
import { MetricsRegistry } from "../../platform/index.ts";
import { listen } from "../../transport/listener.ts";
import { dialPeer, PeerHttp } from "../../transport/peer/peer-http.ts";
import { Director } from "./director.ts";
import { registerHttpProxyMetrics } from "./metrics.ts";
import { ProxyHandler } from "./proxy-handler.ts";
import { ReverseProxy } from "./reverse-proxy.ts";

/** Chance that leaves the order of the members as it is. */
const AS_GIVEN: Random = { below: (bound) => bound - 1, fill: (target) => target };

type Behaviour = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

async function backend(t: TestContext, behave: Behaviour): Promise<string> {
  const server: Server = createServer(behave).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function proxyOf(t: TestContext, urls: readonly string[], readTimeoutMs = 0) {
  const logger = new MemoryLogger();
  const clock = new SystemClock();
  const director = new Director(
    { failureWaitMs: 60_000, refreshIntervalMs: 60_000 },
    { clock, logger, random: AS_GIVEN, findURLs: async () => urls },
  );
  await director.start();
  const http = new PeerHttp({ clock, dial: dialPeer, dialTimeoutMs: 1000, keepIdleMs: 1000 });
  const registry = new MetricsRegistry();
  const members = new ReverseProxy({
    metrics: registerHttpProxyMetrics(registry),
    director,
    http,
    logger,
    clock,
    writeTimeoutMs: 5000,
    readTimeoutMs,
  });
  const endpoints = (): string[] => director.available.map(({ url }) => url.href);
  const metrics = { contentType: "text/plain", render: () => registry.render() };
  const handler = new ProxyHandler({ isReadonly: false, cors: [], endpoints, members, metrics });
  const listener = await listen(
    { host: "127.0.0.1", port: 0 },
    { http: handler, methods: [], clock, logger },
  );
  t.after(async () => {
    director.stop();
    http.close();
    await listener.stop(0);
  });
  const { address } = listener;
  assert.ok("port" in address);
  return { url: `http://127.0.0.1:${address.port}`, logger, director };
}

const DEAD = "http://127.0.0.1:1";

test("a read and a write go to the next member when one cannot be reached", async (t) => {
  const seen: string[] = [];
  const alive = await backend(t, (incoming, outgoing) => {
    let body = "";
    incoming.on("data", (part) => {
      body += String(part);
    });
    incoming.on("end", () => {
      seen.push(`${incoming.method} ${incoming.url} ${body}`);
      outgoing.end("ok");
    });
  });
  for (const method of ["GET", "PUT", "POST"]) {
    const { url, director } = await proxyOf(t, [DEAD, alive]);
    const body = method === "GET" ? null : "value=1";
    const answer = await fetch(`${url}/v2/keys/a?b=c`, { method, body });
    assert.equal(await answer.text(), "ok");
    assert.equal(director.available.length, 1);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    assert.match(
      metrics,
      new RegExp(`^etcd_proxy_handled_total\\{code="200",method="${method}"\\} 1$`, "m"),
    );
    const dropped = `method="${method}",proxying_error="failed_sending_request"`;
    assert.match(metrics, new RegExp(`^etcd_proxy_dropped_total\\{${dropped}\\} 1$`, "m"));
  }
  assert.deepEqual(seen, [
    "GET /v2/keys/a?b=c ",
    "PUT /v2/keys/a?b=c value=1",
    "POST /v2/keys/a?b=c value=1",
  ]);
});

test("a write that a member may have carried out is not sent to another; a read is", async (t) => {
  let reached = 0;
  const breaks = await backend(t, (incoming) => {
    reached++;
    incoming.socket.destroy();
  });
  const counts: number[] = [];
  for (const method of ["POST", "GET"]) {
    reached = 0;
    const { url } = await proxyOf(t, [breaks, breaks]);
    const { status } = await fetch(url, { method, body: method === "GET" ? null : "value=1" });
    assert.equal(status, 502);
    counts.push(reached);
  }
  assert.deepEqual(counts, [1, 2]);
});

test("a large body and a large answer pass through without being held", async (t) => {
  const echo = await backend(t, (incoming, outgoing) => incoming.pipe(outgoing));
  const { url } = await proxyOf(t, [DEAD, echo]);
  const outgoing = request(url, { method: "PUT" });
  const chunk = Buffer.alloc(1_000_000, "x");
  outgoing.write(chunk);
  const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
  let bytes = 0;
  incoming.on("data", (part: Buffer) => {
    bytes += part.length;
  });
  // It answers while the request goes on.
  await once(incoming, "data");
  for (let i = 0; i < 20; i++) if (!outgoing.write(chunk)) await once(outgoing, "drain");
  outgoing.end();
  await once(incoming, "end");
  assert.equal(bytes, 21_000_000);
});

test("an answer that breaks off is broken off for the client, too", async (t) => {
  const half = await backend(t, (_incoming, outgoing) => {
    outgoing.writeHead(200, { "content-length": "10" });
    outgoing.write("half", () => outgoing.destroy());
  });
  const { url } = await proxyOf(t, [half]);
  const answer = await fetch(url);
  await assert.rejects(answer.text());
});

test("a member that says nothing is given up after the read timeout", async (t) => {
  const silent = await backend(t, () => undefined);
  const { url, logger } = await proxyOf(t, [silent], 50);
  const answer = await fetch(url);
  assert.equal(answer.status, 502);
  assert.equal(
    await answer.text(),
    '{"message":"httpproxy: unable to get response from 1 endpoint(s)"}',
  );
  const line = logger.lines.find(({ message }) => message === "failed to direct request");
  assert.equal(line?.fields["error"], "i/o timeout");
});

test("a client that goes away ends its request at the member", async (t) => {
  let arrived: (incoming: IncomingMessage) => void = () => undefined;
  const atMember = new Promise<IncomingMessage>((resolve) => {
    arrived = resolve;
  });
  const silent = await backend(t, (incoming) => arrived(incoming));
  const { url, director } = await proxyOf(t, [silent]);
  const outgoing = request(url);
  outgoing.on("error", () => undefined);
  outgoing.end();
  const incoming = await atMember;
  const closed = once(incoming.socket, "close");
  outgoing.destroy();
  await closed;
  assert.equal(director.available.length, 1);
});
