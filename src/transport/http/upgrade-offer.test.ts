/**
 * A request that offers an upgrade which nobody does is served wholly. Once its body was dropped:
 * a transaction of curl --http2 or of Java's HttpClient was answered with success and wrote nothing.
 */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { after, test } from "node:test";
import type { HttpHandler } from "../../env/http.ts";
import { type Listener, listen, type ListenerOptions } from "../listener.ts";
import { SILENT_LOGGER, SystemClock } from "../testing/echo-service.ts";

const open: { stop(): unknown }[] = [];
after(async () => {
  for (const item of open) await item.stop();
});

/** Answers with what it was sent; "/slow" only when it is told to. */
class Echo implements HttpHandler {
  readonly slow: (() => void)[] = [];

  readonly handle: HttpHandler["handle"] = (request, response) => {
    const { method, path } = request;
    request.readBody(1_000_000).then(
      (body) => {
        const text = `<${method} ${path} ${Buffer.from(body)}>`;
        const answer = (): void => {
          response.head(200, { "content-length": String(text.length) });
          response.end(text);
        };
        if (path === "/slow") this.slow.push(answer);
        else answer();
      },
      (error: Error) => response.end(`<${error.message}>`),
    );
  };
}

async function serve(options: Partial<ListenerOptions> = {}) {
  const echo = new Echo();
  const listener: Listener = await listen(
    { host: "127.0.0.1", port: 0 },
    { http: echo, methods: [], clock: new SystemClock(), logger: SILENT_LOGGER, ...options },
  );
  open.push({ stop: () => listener.stop(0) });
  return { echo, port: "port" in listener.address ? listener.address.port : 0 };
}

interface Client {
  readonly socket: Socket;
  send(text: string): void;
  /** Everything received, once `marker` is in it. */
  until(marker: string): Promise<string>;
}

async function dial(port: number): Promise<Client> {
  const socket = connect(port, "127.0.0.1");
  open.push({ stop: () => socket.destroy() });
  socket.setNoDelay(true);
  let received = "";
  let wake = (): void => {};
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1");
    wake();
  });
  socket.on("close", () => wake());
  await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  return {
    socket,
    send: (text) => socket.write(text, "latin1"),
    async until(marker) {
      while (!received.includes(marker)) {
        assert.ok(!socket.destroyed, `closed before "${marker}": ${received}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return received;
    },
  };
}

const OFFERS: readonly string[] = [
  "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
  "connection: keep-alive, upgrade\r\nupgrade: websocket\r\n",
  "Connection: Upgrade\r\nUpgrade: TLS/1.0, made/up\r\nUpgrade: other\r\n",
  "Connection: Upgrade\r\nUpgrade: websocket\r\nX: 1\r\nExpect: 100-continue\r\n",
];

const BODIES: readonly (readonly [framing: string, body: string])[] = [
  ["Content-Length: 5\r\n", "hello"],
  ["Transfer-Encoding: chunked\r\n", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"],
];

const post = (fields: string, path = "/a"): string =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;

/** A hook that wants no socket, and one that is not there. */
const HOOKS: readonly Partial<ListenerOptions>[] = [{ onUpgrade: () => false }, {}];

test("the body of a request that offers an upgrade reaches its handler", async () => {
  for (const hook of HOOKS) {
    const { port } = await serve(hook);
    for (const offer of OFFERS) {
      for (const [framing, body] of BODIES) {
        const client = await dial(port);
        client.send(`${post(offer + framing)}${body}`);
        await client.until("<POST /a hello>");
        // Kept alive, offered again, and with nothing.
        client.send(`${post(offer + framing, "/b")}${body}GET /c HTTP/1.1\r\nHost: a\r\n\r\n`);
        await client.until("<GET /c >");
        client.send(`GET /d HTTP/1.1\r\nHost: a\r\n${offer}\r\n`);
        client.send("GET /e HTTP/1.1\r\nHost: a\r\n\r\n");
        assert.match(await client.until("<GET /e >"), /<POST \/b hello>[\s\S]*<GET \/d >/);
      }
    }
  }
});

test("it may arrive later, byte by byte, and behind other requests", async () => {
  for (const hook of HOOKS) {
    const { echo, port } = await serve(hook);
    for (const offer of OFFERS) {
      for (const [framing, body] of BODIES) {
        const client = await dial(port);
        for (const byte of post(offer + framing) + body) {
          client.send(byte);
          await new Promise(setImmediate);
        }
        await client.until("<POST /a hello>");
        const slow = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";
        client.send(`${slow}${post(offer + framing, "/b")}${body}${post("Content-Length: 0\r\n")}`);
        while (echo.slow.length === 0) await new Promise(setImmediate);
        echo.slow.pop()?.();
        assert.match(await client.until("<POST /a >"), /<GET \/slow >[\s\S]*<POST \/b hello>/);
      }
    }
  }
});

test("a client that waits for 100 Continue is told to go on", async () => {
  const { port } = await serve({ onUpgrade: () => false });
  const client = await dial(port);
  client.send(post(`${OFFERS[0]}Expect: 100-continue\r\nContent-Length: 5\r\n`));
  await client.until("HTTP/1.1 100 Continue\r\n\r\n");
  client.send("hello");
  await client.until("<POST /a hello>");
});

test("a large body that offers an upgrade arrives whole", async () => {
  const { port } = await serve();
  const client = await dial(port);
  const body = "0123456789".repeat(50_000);
  client.send(`${post(`${OFFERS[0]}Content-Length: ${body.length}\r\n`)}${body}`);
  await client.until(`<POST /a ${body}>`);
});

test("many offers on one connection leave nothing behind", async (t) => {
  const warnings: Error[] = [];
  const note = (warning: Error): unknown => warnings.push(warning);
  process.on("warning", note);
  t.after(() => process.off("warning", note));
  const { port } = await serve();
  const client = await dial(port);
  for (let i = 0; i < 30; i++) {
    client.send(`${post(`${OFFERS[0]}Content-Length: 5\r\n`, `/${i}`)}hello`);
    await client.until(`<POST /${i} hello>`);
  }
  assert.deepEqual(warnings, []);
});

test("a body that breaks off is no shorter body", async () => {
  const { port } = await serve();
  for (const offer of ["", OFFERS[0]]) {
    const client = await dial(port);
    const closed = new Promise((resolve) => client.socket.once("close", resolve));
    client.send(post(`${offer}Content-Length: 5\r\n`));
    client.socket.end();
    await closed;
  }
});

test("HTTP/1.0 is answered as HTTP/1.0, and closed unless it asks", async () => {
  const { port } = await serve();
  const client = await dial(port);
  client.send("POST /a HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx");
  assert.match(await client.until("<POST /a x>"), /^HTTP\/1\.0 200 OK\r\n/);
  client.send("GET /b HTTP/1.0\r\n\r\n");
  await new Promise((resolve) => client.socket.once("close", resolve));
  assert.match(await client.until("<GET /b >"), /\r\n\r\n<GET \/b >$/);
});

test("a request without one well-formed Host is refused, in its turn", async () => {
  const { port } = await serve();
  for (const [fields, status] of [
    ["", "400 Bad Request: missing required Host header"],
    ["Host: a\r\nHost: a\r\n", "400 Bad Request"],
    ["Host: a b\r\n", "400 Bad Request: malformed Host header"],
    ["Host: a@b\r\n", "400 Bad Request: malformed Host header"],
    [`Host: a/b\r\n${OFFERS[1]}`, "400 Bad Request: malformed Host header"],
  ] as const) {
    const client = await dial(port);
    client.send("GET /first HTTP/1.1\r\nHost: a:1,[::1]%25\r\n\r\n");
    client.send(`GET /second HTTP/1.1\r\n${fields}\r\n`);
    await new Promise((resolve) => client.socket.once("close", resolve));
    const all = await client.until("");
    assert.match(all, /^HTTP\/1\.1 200 OK\r\n[\s\S]*<GET \/first >/);
    assert.ok(all.includes(`HTTP/1.1 ${status}\r\n`), all);
    assert.doesNotMatch(all, /second/);
  }
});
