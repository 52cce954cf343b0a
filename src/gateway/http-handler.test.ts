import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { createMetricsHandler } from "./http-handler.ts";
import { cleanPath, hostName } from "./http-text.ts";
import type { Mount } from "./mounts.ts";
import { FakeResponse, fakeRequest, GatewayWorld } from "./testing/world.ts";

const CORS = {
  "access-control-allow-headers": "accept, content-type, authorization",
  "access-control-allow-methods": "POST, GET, OPTIONS, PUT, DELETE",
  "access-control-allow-origin": "*",
};
const TEXT = "text/plain; charset=utf-8";
const PLAIN = { ...CORS, "content-type": TEXT, "x-content-type-options": "nosniff" };

test("/version tells server, cluster and storage version", async () => {
  const world = new GatewayWorld();
  const response = await world.fetch("/version");
  const body = '{"etcdserver":"3.6.14","etcdcluster":"3.6.0","storage":"3.6.0"}';
  assert.equal(response.status, 200);
  assert.equal(response.body, body);
  assert.deepEqual(response.headers, {
    ...CORS,
    "content-type": "application/json",
    "content-length": "63",
  });
  world.health.versions = { server: "3.6.14", cluster: undefined, storage: undefined };
  assert.equal(
    (await world.fetch("/version")).body,
    '{"etcdserver":"3.6.14","etcdcluster":"not_decided","storage":"unknown"}',
  );
});

test("plain endpoints answer only GET", async () => {
  const world = new GatewayWorld();
  const urls = ["/version", "/health", "/livez", "/readyz", "/readyz/non_learner", "/debug/vars"];
  for (const url of urls) {
    for (const method of ["POST", "PUT", "DELETE", "HEAD"]) {
      const response = await world.fetch(url, { method });
      assert.equal(response.status, 405, `${method} ${url}`);
      assert.equal(response.body, method === "HEAD" ? "" : "Method Not Allowed\n");
      assert.deepEqual(response.headers, { allow: "GET", ...PLAIN, "content-length": "19" });
    }
  }
});

test("unknown paths are Go's 404", async () => {
  const world = new GatewayWorld();
  for (const url of [
    "/",
    "/nope",
    "/v2/keys",
    "/version/",
    "/livez/",
    "/livez/ping",
    "/health/x",
  ]) {
    const response = await world.fetch(url, url === "/nope" ? { method: "POST" } : {});
    assert.equal(response.status, 404, url);
    assert.equal(response.body, "404 page not found\n");
    assert.deepEqual(response.headers, { ...PLAIN, "content-length": "19" });
  }
  assert.equal((await world.fetch("/debug/pprof/")).status, 404, "profiles are off by default");
});

test("what is mounted sees the cleaned path, and its requests pass the access rules", async () => {
  const mount = (prefix: string): Mount => [
    prefix,
    (path, _request, response) => {
      response.head(200, {});
      response.end(`${prefix} ${path}`);
    },
  ];
  const world = new GatewayWorld({
    mounts: [mount("/v2/keys"), mount("/v2/keys/"), mount("/dashboard/"), mount("/v2/keys/_x/")],
  });
  const table: [string, string][] = [
    ["/v2/keys", "/v2/keys /v2/keys"],
    ["/v2/keys/", "/v2/keys/ /v2/keys/"],
    ["/v2/keys/a%20b/c?wait=true", "/v2/keys/ /v2/keys/a b/c"],
    ["/v2/keys/_x/y", "/v2/keys/_x/ /v2/keys/_x/y"],
    ["/dashboard/index.html", "/dashboard/ /dashboard/index.html"],
  ];
  for (const [url, body] of table) {
    const response = await world.fetch(url);
    assert.equal(response.body, body);
    assert.deepEqual(response.headers, CORS);
  }
  for (const [url, location] of [
    ["/dashboard?a=b", "/dashboard/?a=b"],
    ["/v2//keys/../keys/a", "/v2/keys/a"],
  ] as const) {
    const response = await world.fetch(url);
    assert.equal(response.status, 307);
    assert.equal(response.headers.location, location);
  }
  assert.equal((await world.fetch("/v2/stats/self")).status, 404);
  assert.equal((await world.fetch("/dashboards/")).status, 404);
  const guarded = new GatewayWorld({ mounts: [mount("/v2/")], hostWhitelist: ["ok.test"] });
  assert.equal((await guarded.fetch("/v2/keys")).status, 421);
});

test("two handlers at one path are a mistake of the composition", () => {
  const nothing: Mount = ["/version", () => {}];
  assert.throws(() => new GatewayWorld({ mounts: [nothing] }), /mounted at one path/);
});

test("/health of a healthy member", async () => {
  const world = new GatewayWorld();
  const response = await world.fetch("/health");
  assert.equal(response.status, 200);
  assert.equal(response.body, '{"health":"true","reason":""}');
  assert.deepEqual(response.headers, { ...CORS, "content-type": TEXT, "content-length": "29" });
  assert.match(world.metrics.render(), /^etcd_server_health_success 1$/m);
});

test("/health names what is wrong: alarms first, then the leader, then the read", async () => {
  const world = new GatewayWorld();
  const expectReason = async (url: string, reason: string): Promise<void> => {
    const response = await world.fetch(url);
    assert.equal(response.status, reason === "" ? 200 : 503, url);
    if (reason === "") return;
    assert.equal(response.body, `${JSON.stringify({ health: "false", reason })}\n`);
    assert.equal(response.headers["content-type"], TEXT);
    assert.equal(response.headers["x-content-type-options"], "nosniff");
  };
  world.health.linearizable = async () => {
    throw new Error("etcdserver: request timed out");
  };
  await expectReason("/health", "RANGE ERROR:etcdserver: request timed out");
  await expectReason("/health?serializable=true", "");
  world.health.leader = false;
  await expectReason("/health", "RAFT NO LEADER");
  await expectReason("/health?serializable=true", "");
  world.health.alarmNames = ["NOSPACE", "CORRUPT"];
  await expectReason("/health?serializable=true", "ALARM NOSPACE");
  await expectReason("/health?serializable=true&exclude=NOSPACE", "ALARM CORRUPT");
  await expectReason("/health?serializable=true&exclude=NOSPACE&exclude=CORRUPT", "");
  world.health.alarmNames = ["FUTURE"];
  await expectReason("/health?exclude=", "ALARM UNKNOWN");
  assert.match(world.metrics.render(), /^etcd_server_health_failures 5$/m);
});

test("a read that hangs fails the check after the request timeout", async () => {
  const world = new GatewayWorld();
  let aborted = false;
  world.health.linearizable = (signal) =>
    new Promise(() => {
      signal.addEventListener("abort", () => {
        aborted = true;
      });
    });
  const response = world.start("/health");
  await new Promise(setImmediate);
  world.clock.advance(7000);
  await response.ended;
  assert.equal(
    response.body,
    '{"health":"false","reason":"RANGE ERROR:etcdserver: request timed out"}\n',
  );
  assert.equal(aborted, true);
});

test("/health of a member with the v2 API reads that, and gives up after a second", async () => {
  const world = new GatewayWorld();
  let reads = 0;
  world.health.v2Read = async () => {
    reads++;
  };
  world.health.linearizable = async () => assert.fail("the v3 store was read");
  assert.equal((await world.fetch("/health")).status, 200);
  assert.equal(reads, 1);
  world.health.v2Read = () => new Promise(() => {});
  const hanging = world.start("/health?serializable=true");
  await new Promise(setImmediate);
  world.clock.advance(1000);
  await hanging.ended;
  assert.equal(
    hanging.body,
    '{"health":"false","reason":"QGET ERROR:etcdserver: request timed out"}\n',
  );
});

test("/livez and /readyz run their checks", async () => {
  const world = new GatewayWorld();
  const table: [string, string][] = [
    ["/livez", "ok\n"],
    ["/livez?verbose", "[+]serializable_read ok\nok\n"],
    ["/livez?verbose=false", "[+]serializable_read ok\nok\n"],
    ["/livez?exclude=serializable_read&verbose", "ok\n"],
    ["/livez/serializable_read?verbose", "[+]serializable_read ok\nok\n"],
    ["/readyz", "ok\n"],
    [
      "/readyz?verbose",
      "[+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\n" +
        "[+]non_learner ok\nok\n",
    ],
    [
      "/readyz?verbose&exclude=linearizable_read&exclude=nope&exclude=",
      "[+]data_corruption ok\n[+]serializable_read ok\n[+]non_learner ok\nok\n",
    ],
    ["/readyz/data_corruption", "ok\n"],
  ];
  for (const [url, body] of table) {
    const response = await world.fetch(url);
    assert.equal(response.status, 200, url);
    assert.equal(response.body, body, url);
    assert.deepEqual(response.headers, { ...PLAIN, "content-length": String(body.length) });
  }
  assert.deepEqual(
    world.logger.lines.find((line) => line.level === "warn"),
    {
      level: "warn",
      message: "some health checks cannot be excluded",
      fields: { "missing-health-checks": '"nope"' },
    },
  );
});

test("failed checks are named, verbose or not", async () => {
  const world = new GatewayWorld();
  world.health.learner = true;
  world.health.alarmNames = ["NOSPACE", "CORRUPT"];
  world.health.linearizable = async () => {
    throw new Error("etcdserver: leader changed");
  };
  const response = await world.fetch("/readyz");
  assert.equal(response.status, 503);
  assert.equal(
    response.body,
    "[-]data_corruption failed: alarm activated: CORRUPT\n[+]serializable_read ok\n" +
      "[-]linearizable_read failed: etcdserver: leader changed\n" +
      "[-]non_learner failed: not supported for learner\n\n",
  );
  assert.equal((await world.fetch("/readyz/serializable_read")).status, 200);
  world.health.alarmNames = ["NOSPACE"];
  assert.equal((await world.fetch("/readyz/data_corruption")).status, 200);
  const metrics = world.metrics.render();
  assert.match(metrics, /^etcd_server_healthcheck\{name="non_learner",type="readyz"\} 0$/m);
  assert.match(
    metrics,
    /^etcd_server_healthchecks_total\{name="serializable_read",status="success",type="readyz"\} 2$/m,
  );
});

test("/metrics in plain and compressed form, for any method", async () => {
  const world = new GatewayWorld();
  world.metrics.counter({ name: "a_total", help: "" }).add(2);
  const plain = await world.fetch("/metrics");
  assert.match(plain.body, /^a_total 2$/m);
  const type = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
  assert.equal(plain.headers["content-type"], type);
  assert.equal((await world.fetch("/metrics", { method: "POST" })).status, 200);
  assert.equal((await world.fetch("/metrics", { method: "HEAD" })).body, "");
  const headers = { "accept-encoding": "deflate, gzip;q=0.5" };
  const packed = await world.fetch("/metrics", { headers });
  assert.equal(packed.headers["content-encoding"], "gzip");
  const unpacked = gunzipSync(Buffer.from(packed.body, "latin1")).toString();
  assert.deepEqual(unpacked.match(/^promhttp.*$/gm), [
    "promhttp_metric_handler_requests_in_flight 1",
    'promhttp_metric_handler_requests_total{code="200"} 3',
    'promhttp_metric_handler_requests_total{code="500"} 0',
    'promhttp_metric_handler_requests_total{code="503"} 0',
  ]);
  const others = (text: string): string => text.replace(/^promhttp.*$/gm, "");
  assert.equal(others(unpacked), others(plain.body));
  const refused = { "accept-encoding": "gzip;q=0" };
  assert.equal(
    (await world.fetch("/metrics", { headers: refused })).headers["content-encoding"],
    undefined,
  );
});

test("/debug/vars has expvar's shape", async () => {
  const world = new GatewayWorld({ raftStatus: () => ({ term: 2 }), fileDescriptorLimit: () => 9 });
  const response = await world.fetch("/debug/vars");
  assert.equal(response.headers["content-type"], "application/json; charset=utf-8");
  assert.match(response.body, /^\{\n"cmdline": \["etcd","--name","m1"\],\n/);
  const parsed = JSON.parse(response.body);
  assert.equal(parsed.file_descriptor_limit, 9);
  assert.deepEqual(parsed["raft.status"], { term: 2 });
  assert.ok(parsed.memstats.HeapAlloc > 0);
});

test("profiles are served when enabled", async () => {
  const world = new GatewayWorld({ pprof: true });
  assert.equal((await world.fetch("/debug/pprof")).headers.location, "/debug/pprof/");
  assert.match((await world.fetch("/debug/pprof/")).body, /<a href="heap">/);
  assert.equal((await world.fetch("/debug/pprof/cmdline")).body, "etcd\0--name\0m1");
  assert.equal((await world.fetch("/debug/pprof/symbol")).body, "num_symbols: 1\n");
  const unknown = await world.fetch("/debug/pprof/nope");
  assert.equal(unknown.status, 404);
  assert.equal(unknown.body, "Unknown profile\n");
  const running = world.start("/debug/pprof/profile?seconds=0.2&format=v8");
  const second = await world.fetch("/debug/pprof/profile?seconds=1");
  assert.equal(second.status, 500);
  assert.match(second.body, /cpu profiling already in use/);
  world.clock.advance(200);
  await running.ended;
  assert.equal(running.status, 200);
  assert.ok(Array.isArray(JSON.parse(running.body).nodes));
  assert.equal((await world.fetch("/debug/pprof/profile?seconds=999999")).status, 400);
});

test("OPTIONS is answered for any path", async () => {
  const world = new GatewayWorld();
  const response = await world.fetch("/v3/kv/range", { method: "OPTIONS" });
  assert.equal(response.status, 200);
  assert.equal(response.body, "");
  assert.deepEqual(response.headers, { ...CORS, "content-length": "0" });
});

test("with --cors only the named origins get CORS headers, and others cannot act", async () => {
  const world = new GatewayWorld({ cors: ["http://a.test"] });
  world.service.onUnary = (call) => call.fail(3, "reached");
  const post = (headers: Record<string, string>) =>
    world.fetch("/v3/kv/range", { body: "{}", headers });
  const allowed = await post({ origin: "http://a.test" });
  assert.equal(allowed.status, 400);
  assert.equal(allowed.headers["access-control-allow-origin"], "http://a.test");
  assert.equal(allowed.headers.vary, "Origin");
  const foreign = await post({ origin: "http://evil.test" });
  assert.equal(foreign.status, 403);
  assert.equal(foreign.body, "origin not allowed\n");
  assert.equal((await post({})).status, 400, "no browser, no origin");
  assert.equal((await post({ origin: "http://127.0.0.1:2379" })).status, 400, "same origin");
  assert.equal((await post({ origin: "null" })).status, 403);
  const version = await world.fetch("/version", { headers: { origin: "http://evil.test" } });
  assert.equal(version.status, 200);
  assert.equal(version.headers["access-control-allow-origin"], undefined);
  const preflight = await world.fetch("/v3/kv/put", {
    method: "OPTIONS",
    headers: { origin: "http://evil.test" },
  });
  assert.equal(preflight.status, 200);
  assert.equal(preflight.headers["access-control-allow-origin"], undefined);
});

test("the Host whitelist holds on plain connections only", async () => {
  const world = new GatewayWorld({ hostWhitelist: ["ok.test", "::1"] });
  const get = (host: string, secure = false) =>
    world.fetch("/version", { headers: { host }, secure });
  assert.equal((await get("ok.test")).status, 200);
  assert.equal((await get("ok.test:2379")).status, 200);
  assert.equal((await get("[::1]:2379")).status, 200);
  assert.equal((await get("evil.test", true)).status, 200);
  const refused = await get("evil.test:2379");
  assert.equal(refused.status, 421);
  assert.deepEqual(refused.headers, {
    "content-type": TEXT,
    "x-content-type-options": "nosniff",
    "content-length": String(refused.body.length),
  });
  assert.equal(
    refused.body,
    `
etcd received your request, but the Host header was unrecognized.

To fix this, choose one of the following options:
- Enable TLS, then any HTTPS request will be allowed.
- Add the hostname you want to use to the whitelist in settings.
  - e.g. etcd --host-whitelist "evil.test"

This requirement has been added to help prevent "DNS Rebinding" attacks (CVE-2018-5702).

`,
  );
  assert.deepEqual(world.logger.lines.at(-1), {
    level: "warn",
    message: "rejecting HTTP request to prevent DNS rebinding attacks",
    fields: { host: "evil.test" },
  });
  assert.equal((await get("")).status, 421);
});

test("a certificate that the gateway would ignore is refused while auth is on", async () => {
  let enabled = true;
  const world = new GatewayWorld({ clientCertAuth: true, authEnabled: () => enabled });
  world.service.onUnary = (call) => {
    assert.equal(call.certificateName, undefined);
    call.fail(3, "reached");
  };
  const post = (certificateName?: string) =>
    world.fetch("/v3/kv/range", {
      body: "{}",
      secure: true,
      ...(certificateName === undefined ? {} : { certificateName }),
    });
  const refused = await post("alice");
  assert.equal(
    refused.body,
    "CommonName of client sending a request against gateway will be ignored " +
      "and not used as expected\n",
  );
  assert.equal(refused.headers["content-type"], TEXT);
  assert.match((await post("")).body, /reached/);
  assert.match((await post()).body, /reached/);
  enabled = false;
  assert.match((await post("alice")).body, /reached/);
});

test("hosts lose their port by Go's rules", () => {
  const table: [string, string][] = [
    ["localhost", "localhost"],
    ["localhost:2379", "localhost"],
    ["localhost.:2379", "localhost."],
    ["127.0.0.1:2379", "127.0.0.1"],
    ["[::1]:2379", "::1"],
    ["[::1]", "[::1]"],
    ["::1", "::1"],
    ["localhost:::::", "localhost:::::"],
    ["localhost:", "localhost"],
    ["", ""],
  ];
  for (const [host, name] of table) assert.equal(hostName(host), name, host);
});

test("paths are cleaned as Go's router cleans them", () => {
  const table: [string, string][] = [
    ["", "/"],
    ["/", "/"],
    ["//", "/"],
    ["/a/", "/a/"],
    ["/a//b/./c/../d", "/a/b/d"],
    ["/../../a", "/a"],
    ["/a/..", "/"],
  ];
  for (const [path, cleaned] of table) assert.equal(cleanPath(path), cleaned, path);
});

test("the metrics listener serves metrics and health, and nothing else", async () => {
  const world = new GatewayWorld();
  const handler = createMetricsHandler({
    source: world.health,
    metrics: world.metrics,
    exposition: world.metrics,
    logger: world.logger,
    clock: world.clock,
    requestTimeoutMs: 7000,
  });
  const statuses: Record<string, number> = {};
  for (const url of ["/metrics", "/health", "/livez", "/readyz", "/version", "/v3/kv/range"]) {
    const response = new FakeResponse();
    handler.handle(fakeRequest(url), response);
    await response.ended;
    statuses[url] = response.status;
    assert.equal(response.headers["access-control-allow-origin"], undefined);
  }
  assert.deepEqual(statuses, {
    "/metrics": 200,
    "/health": 200,
    "/livez": 200,
    "/readyz": 200,
    "/version": 404,
    "/v3/kv/range": 404,
  });
});
