/**
 * v2 discovery against a store of a few lines, and against services that answer anything else.
 * Real ones are asked in conformance.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer, Server as SecureServer } from "node:https";
import { connect } from "node:net";
import { test } from "node:test";
import type { Clock } from "../env/clock.ts";
import type { DiscoveryError } from "../env/discovery.ts";
import { SystemClock } from "../env/system-clock.ts";
import { MemoryLogger } from "../env/testing/index.ts";
import { TestAuthority } from "../platform/tls/testing/authority.ts";
import { V2Discovery } from "./v2-discovery.ts";

type Handler = (request: IncomingMessage, response: ServerResponse) => unknown;

/** Serves until the test ends; the URL has no slash at its end. */
async function serve(handler: Handler, server: Server | SecureServer = createServer()) {
  server.on("request", handler);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  return {
    url: `http${server instanceof SecureServer ? "s" : ""}://127.0.0.1:${port}`,
    server,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

/** One token with hidden `_config`, as etcd's store serves it. */
class TinyStore {
  readonly nodes: { key: string; value: string; createdIndex: number; modifiedIndex: number }[] =
    [];
  readonly #waiting = new Set<() => void>();
  #index = 3;

  constructor(size: string) {
    this.put("/t/_config/size", size);
  }

  put(key: string, value: string) {
    this.#index++;
    const node = { key, value, createdIndex: this.#index, modifiedIndex: this.#index };
    this.nodes.push(node);
    for (const wake of this.#waiting) wake();
    return node;
  }

  handle: Handler = async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://x");
    const answer = (status: number, body: unknown): void => {
      response.writeHead(status, { "X-Etcd-Index": String(this.#index) });
      response.end(JSON.stringify(body));
    };
    const known = this.nodes.find(({ key }) => key === pathname);
    if (request.method === "PUT") {
      let form = "";
      for await (const chunk of request) form += String(chunk);
      const fault = { errorCode: 105, message: "Key already exists", cause: pathname, index: 9 };
      if (known !== undefined) answer(412, fault);
      else answer(201, { node: this.put(pathname, new URLSearchParams(form).get("value") ?? "") });
      return;
    }
    if (searchParams.get("wait") === "true") {
      const since = Number(searchParams.get("waitIndex"));
      const look = (): void => {
        const found = this.nodes.find(
          (node) => node.modifiedIndex >= since && node.key.startsWith(pathname),
        );
        if (found === undefined) return;
        this.#waiting.delete(look);
        answer(200, { node: found });
      };
      this.#waiting.add(look);
      look();
      return;
    }
    const nodes = this.nodes.filter(({ key }) => !key.includes("_config"));
    if (pathname === "/t") answer(200, { node: { key: "/t", dir: true, nodes } });
    else if (known !== undefined) answer(200, { node: known });
    else answer(404, { errorCode: 100, message: "Key not found", cause: pathname, index: 9 });
  };
}

/** The time that a request may take. */
const REQUEST_MS = 5000;

/** Pauses are over at once, behind `onPause`; requests may take their time. */
function hastyClock(onPause: () => unknown): Clock {
  const real = new SystemClock();
  return {
    nowMs: () => 0,
    wallMs: () => 0,
    setTimer: (delayMs, fire) => {
      if (delayMs === REQUEST_MS) return real.setTimer(delayMs, fire);
      void Promise.resolve(onPause()).then(() => setImmediate(fire));
      return { cancel: () => undefined };
    },
  };
}

interface More {
  readonly proxy?: string;
  readonly authorities?: readonly string[];
  readonly self?: string;
  readonly onPause?: () => unknown;
}

function joinAs(url: string, id: bigint, more: More = {}) {
  const logger = new MemoryLogger();
  const clock = hastyClock(more.onPause ?? (() => assert.fail("a pause")));
  const discovery = new V2Discovery(
    { url, proxy: more.proxy ?? "", authorities: () => more.authorities ?? [] },
    { clock, logger },
  );
  const joined = discovery.join(id, more.self ?? `m${id}=http://10.0.0.${id}:2380`);
  return { logger, discovery, joined };
}

const ALL = "m1=http://10.0.0.1:2380,m2=http://10.0.0.2:2380,m3=http://10.0.0.3:2380";

test("members wait for each other, and the surplus one is told who the cluster is", async () => {
  await using service = await serve(new TinyStore("3").handle);
  const url = `${service.url}/t`;
  const first = joinAs(url, 1n);
  const joining = [first, joinAs(url, 2n), joinAs(url, 3n)];
  const clusters = await Promise.all(joining.map(({ joined }) => joined));
  for (const cluster of clusters) assert.equal(cluster.split(",").sort().join(), ALL);
  const own = first.logger.lines.find(({ fields }) => fields.self === "1");
  assert.equal(own?.message, "found self from discovery server");
  const surplus = joinAs(url, 4n);
  await assert.rejects(surplus.joined, (error: DiscoveryError) => {
    assert.equal(error.message, "failed to join discovery cluster (discovery: cluster is full)");
    assert.equal(error.cluster, clusters[0]);
    return true;
  });
  assert.equal(await surplus.discovery.members(), clusters[0]);
});

test("a member that has registered before is refused, and so is a name that is taken", async () => {
  await using service = await serve(new TinyStore("2").handle);
  const url = `${service.url}/t`;
  const waiting = joinAs(url, 1n);
  while (!waiting.logger.messages().some((text) => text.endsWith("waiting for more"))) {
    await new Promise(setImmediate);
  }
  await assert.rejects(joinAs(url, 1n).joined, {
    failure: "duplicateID",
    reason: "discovery: found duplicate id",
  });
  const second = joinAs(url, 2n, { self: "m1=http://10.0.0.2:2380" }).joined;
  for (const end of await Promise.allSettled([second, waiting.joined])) {
    assert.equal(end.status, "rejected");
    assert.equal((end.reason as DiscoveryError).failure, "duplicateName");
    assert.equal((end.reason as DiscoveryError).reason, "discovery: found duplicate name");
  }
});

const STORE_SIZES: readonly (readonly [size: string, reason: string])[] = [
  ["three", "discovery: size key is bad"],
  ["", "discovery: size key is bad"],
  ["-1", "discovery: size key is bad"],
  ["0", "discovery: size key is bad"],
];
for (const [size, reason] of STORE_SIZES) {
  test(`a size of ${JSON.stringify(size)} is refused`, async () => {
    await using service = await serve(new TinyStore(size).handle);
    await assert.rejects(joinAs(`${service.url}/t`, 1n).joined, { reason });
  });
}

const reply =
  (status: number, body: string, headers = {}): Handler =>
  (_request, response) => {
    response.writeHead(status, headers);
    response.end(body);
  };

const ENDS: readonly (readonly [what: string, handler: Handler, reason: string])[] = [
  ["HTML", reply(200, "<html></html>"), "discovery: bad discovery endpoint"],
  ["a page for what is not found", reply(404, "<html>"), "discovery: bad discovery endpoint"],
  ["a list", reply(200, "[]"), "discovery: bad discovery endpoint"],
  ["JSON without a node", reply(200, '{"ok":true}'), "discovery: bad discovery endpoint"],
  [
    "another type of value",
    reply(200, '{"node":{"value":3}}'),
    "discovery: bad discovery endpoint",
  ],
  ["nothing at all", reply(200, ""), "client: response body is empty"],
  [
    "an error of the store",
    reply(404, '{"errorCode":100,"message":"Key not found","cause":"/t","index":7}'),
    "100: Key not found (/t) [7]",
  ],
];
for (const [what, handler, reason] of ENDS) {
  test(`a service that answers with ${what} ends the start`, async () => {
    await using service = await serve(handler);
    await assert.rejects(joinAs(`${service.url}/t`, 1n).joined, { reason });
  });
}

test("a service that does not answer ends the start after five seconds", async () => {
  await using service = await serve(() => undefined);
  await assert.rejects(joinAs(`${service.url}/t`, 1n).joined, {
    reason: "context deadline exceeded",
  });
});

const RETRIED: readonly (readonly [what: string, handler: Handler, detail: RegExp])[] = [
  ["no leader", reply(503, ""), /^error #0: client: etcd member \S+ has no leader\n$/],
  ["a gateway's error", reply(502, ""), /^error #0: .* returns server error \[Bad Gateway\]\n$/],
  [
    "a redirect to itself",
    (r, s) => reply(307, "", { Location: `http://${r.headers.host}/t` })(r, s),
    /too many redirects/,
  ],
  ["a redirect to nowhere", reply(302, ""), /location header not set/],
  ["a connection that ends", (request) => request.destroy(), /^error #0: EOF\n$/],
  ["an endless page", (_r, s) => s.end("x".repeat(5 << 20)), /answer is larger than 4194304 bytes/],
];
for (const [what, handler, detail] of RETRIED) {
  test(`a service that answers with ${what} is asked again`, async () => {
    const store = new TinyStore("1");
    let current = handler;
    await using service = await serve((request, response) => current(request, response));
    const { joined, logger } = joinAs(`${service.url}/t`, 1n, {
      onPause: () => {
        current = store.handle;
      },
    });
    assert.equal(await joined, "m1=http://10.0.0.1:2380");
    const warning = logger.lines.find(({ fields }) => "err-detail" in fields);
    assert.equal(warning?.message, "failed to get from discovery server");
    assert.match(String(warning?.fields["err-detail"]), detail);
    const retry = logger.lines.find(({ fields }) => "backoff" in fields);
    assert.deepEqual(
      [retry?.message, retry?.fields.reason, retry?.fields.backoff],
      ["retry connecting to discovery service", "cluster status check", "2s"],
    );
  });
}

test("a registration without an answer is not repeated", async () => {
  const store = new TinyStore("1");
  await using service = await serve((request, response) =>
    request.method === "PUT" ? request.destroy() : store.handle(request, response),
  );
  await assert.rejects(joinAs(`${service.url}/t`, 1n).joined, { reason: "EOF" });
});

test("a URL that is none, or a proxy that is none, is refused at once", async () => {
  for (const url of ["token", "ftp://host/t", "http:///t", "https://"]) {
    await assert.rejects(joinAs(url, 1n).joined, { reason: "discovery: invalid URL" }, url);
  }
  await assert.rejects(joinAs("http://127.0.0.1:1/t", 1n, { proxy: "a b" }).joined, {
    reason: 'invalid proxy address "a b"',
  });
});

test("a proxy carries the requests, by their whole URL", async () => {
  await using service = await serve(new TinyStore("1").handle);
  const asked: string[] = [];
  await using proxy = await serve((request, response) => {
    asked.push(request.url ?? "");
    const to = new URL(request.url ?? "");
    const onward = connect(Number(to.port), to.hostname, () => {
      onward.write(`${request.method} ${to.pathname}${to.search} HTTP/1.1\r\nHost: x\r\n`);
      const length = request.headers["content-length"];
      if (length !== undefined) onward.write(`Content-Length: ${length}\r\n`);
      onward.write("Connection: close\r\n\r\n");
      request.on("data", (chunk) => onward.write(chunk));
      onward.pipe(response.socket ?? onward);
    });
  });
  const { joined, logger } = joinAs(`${service.url}/t`, 1n, { proxy: new URL(proxy.url).host });
  assert.equal(await joined, "m1=http://10.0.0.1:2380");
  assert.ok(
    asked.length >= 5 && asked.every((url) => url.startsWith(`${service.url}/t`)),
    `${asked}`,
  );
  assert.ok(logger.messages().includes("running proxy with discovery"));
});

for (const scheme of ["http", "https"] as const) {
  test(`a proxy of ${scheme} that wants a password opens the way to a service of https`, async () => {
    const authority = new TestAuthority();
    const { cert, key } = authority.issue();
    const asked: string[] = [];
    await using service = await serve((request, response) => {
      assert.equal(request.headers["proxy-authorization"], undefined);
      return store.handle(request, response);
    }, createSecureServer({ cert, key }));
    const store = new TinyStore("1");
    const bare = scheme === "http" ? createServer() : createSecureServer({ cert, key });
    await using proxy = await serve(() => assert.fail("not a tunnel"), bare);
    proxy.server.on("connect", (request, client) => {
      asked.push(`${request.url} ${request.headers["proxy-authorization"]}`);
      const { hostname, port } = new URL(`http://${request.url}`);
      const beyond = connect(Number(port), hostname, () => {
        client.write("HTTP/1.1 200 Connection established\r\n\r\n");
        beyond.pipe(client).pipe(beyond);
      });
      client.on("error", () => beyond.destroy());
      beyond.on("error", () => client.destroy());
    });
    const there = proxy.url.replace("//", "//me:p%40ss@");
    const more = { proxy: there, authorities: [authority.cert] };
    const { joined, logger } = joinAs(`${service.url}/t`, 1n, more);
    assert.equal(await joined, "m1=http://10.0.0.1:2380");
    const expected = `${new URL(service.url).host} Basic ${btoa("me:p@ss")}`;
    assert.deepEqual([...new Set(asked)], [expected]);
    assert.ok(!JSON.stringify(logger.lines).includes("p%40ss"));
  });
}

test("a proxy that refuses to open a way is asked again, and its reason is told", async () => {
  await using proxy = await serve(() => assert.fail("not a tunnel"));
  let refusals = 0;
  proxy.server.on("connect", (_request, client) => {
    refusals++;
    client.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
  });
  const logger = await new Promise<MemoryLogger>((resolve) => {
    const onPause = (): unknown => {
      if (refusals < 2) return undefined;
      resolve(asking.logger);
      return new Promise(() => {});
    };
    const asking = joinAs("https://127.0.0.1:1/t", 1n, { proxy: proxy.url, onPause });
  });
  assert.match(JSON.stringify(logger.lines), /Proxy Authentication Required/);
});
