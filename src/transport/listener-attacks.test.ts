/** Attacks and misuse through real sockets: what a listener must survive while others are served. */
import assert from "node:assert/strict";
import { connect as tcpConnect, type Socket } from "node:net";
import { after, test } from "node:test";
import type { HttpHandler } from "../env/http.ts";
import { connect } from "./client/connection.ts";
import { type Listener, listen, type ListenerOptions } from "./listener.ts";
import { ManualClock } from "./testing/core-harness.ts";
import { ECHO_METHODS, EchoService, SILENT_LOGGER, SystemClock } from "./testing/echo-service.ts";
import { call, grpcHead, HELLO, headers, ping, rst, settings } from "./testing/raw-frames.ts";

const open: { stop(): unknown }[] = [];
after(async () => {
  for (const item of open) await item.stop();
});

const hello: HttpHandler = {
  handle(request, response) {
    if (request.path === "/throw") throw new Error("handler bug");
    response.head(200, { "content-type": "text/plain" });
    response.end(`${request.method} ${request.path}`);
  },
};

async function serve(options: Partial<ListenerOptions> = {}) {
  const service = new EchoService();
  const listener: Listener = await listen(
    { host: "127.0.0.1", port: 0 },
    {
      service,
      http: hello,
      methods: ECHO_METHODS,
      clock: new SystemClock(),
      logger: SILENT_LOGGER,
      ...options,
    },
  );
  open.push({ stop: () => listener.stop(0) });
  return { service, listener, port: "port" in listener.address ? listener.address.port : 0 };
}

function rawSocket(port: number): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = tcpConnect(port, "127.0.0.1", () => resolve(socket));
    socket.on("error", () => {});
    open.push({ stop: () => socket.destroy() });
  });
}

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.destroyed) resolve();
    socket.on("close", () => resolve());
    socket.resume();
  });

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const FLOODS: readonly (readonly [string, (i: number) => Uint8Array])[] = [
  ["pings", () => ping()],
  ["rapid resets", (i) => Buffer.concat([call(2 * i + 1, "x", "Hang"), rst(2 * i + 1)])],
  ["SETTINGS", () => settings({ 4: 1_000 })],
  ["garbage", (i) => Buffer.alloc(64, i)],
];

for (const [what, next] of FLOODS) {
  test(`a flood of ${what} is cut off while other connections are served`, async () => {
    const { port } = await serve();
    const attacker = await rawSocket(port);
    const gone = closed(attacker);
    const flood = Array.from({ length: 5_000 }, (_, i) => next(i));
    attacker.write(Buffer.concat([HELLO, ...flood]));
    const good = await connect("127.0.0.1", port);
    for (let i = 0; i < 20; i++) await good.unary("/test.Echo/Echo", Buffer.from("ok"));
    await gone;
    await good.unary("/test.Echo/Echo", Buffer.from("still ok"));
    good.close();
  });
}

test("a preface that does not come closes the connection after ten seconds", async () => {
  const clock = new ManualClock();
  const { port, listener } = await serve({ clock });
  const silent = await rawSocket(port);
  const slow = await rawSocket(port);
  slow.write(HELLO.subarray(0, 20));
  while (listener.connections < 2) await nextTurn();
  clock.advance(9_000);
  assert.equal(listener.connections, 2);
  clock.advance(1_500);
  await Promise.all([closed(silent), closed(slow)]);
});

test("a peer that sends requests and reads no answer is not read any further", async () => {
  const { port, service, listener } = await serve();
  const socket = await rawSocket(port);
  socket.pause();
  const wide = Buffer.concat([HELLO.subarray(0, 24), settings({ 4: 2 ** 31 - 1 })]);
  // The connection's window stays at 64 KiB without WINDOW_UPDATE; open it as well.
  const update = Buffer.from([0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, 0, 0, 0]);
  socket.write(Buffer.concat([wide, update]));
  // One call at a time: a burst would arrive in one piece and meet the output limit instead.
  let sent = 0;
  const calls = (): number => service.batches.reduce((sum, n) => sum + n, 0);
  while (calls() === sent && sent < 60) {
    socket.write(call(2 * sent + 1, "1000000", "Big"));
    sent += 1;
    for (let turns = 0; turns < 20_000 && calls() < sent; turns++) await nextTurn();
  }
  assert.ok(calls() < 40, `${calls()} calls of 1 MB were taken from a peer that reads nothing`);
  assert.equal(listener.connections, 1);
});

// Where a listening socket cannot be paused; src/embed/listening.test.ts has the other case.
test("connections above the limit are closed when they cannot wait", async () => {
  const { port } = await serve({ maxConnections: 2 });
  const first = await connect("127.0.0.1", port);
  await connect("127.0.0.1", port).then((second) => open.push({ stop: () => second.close() }));
  await assert.rejects(connect("127.0.0.1", port), { code: 14 });
  await first.unary("/test.Echo/Echo", Buffer.from("x"));
  first.close();
});

test("a service that throws answers INTERNAL and keeps serving", async () => {
  const broken = {
    unary(): void {
      throw new Error("bug");
    },
    stream(): void {
      throw new Error("bug");
    },
  };
  const { port } = await serve({ service: broken });
  const client = await connect("127.0.0.1", port);
  for (let i = 0; i < 2; i++) {
    await assert.rejects(client.unary("/test.Echo/Echo", Buffer.alloc(0)), { code: 13 });
  }
  const error = await new Promise<{ code: number } | undefined>((resolve) => {
    client.stream("/test.Echo/Bidi", { onMessage() {}, onEnd: resolve });
  });
  assert.equal(error?.code, 13);
  client.close();
});

/** Sends raw HTTP/1.1 and resolves with everything that comes back. */
async function http1(port: number, text: string): Promise<string> {
  const socket = await rawSocket(port);
  let answer = "";
  socket.on("data", (chunk) => {
    answer += chunk.toString("latin1");
    // One complete answer on a connection that stays open is enough.
    if (/^HTTP\/1.1 2/.test(answer) && answer.endsWith("0\r\n\r\n")) socket.end();
  });
  socket.write(text, "latin1");
  await closed(socket);
  return answer;
}

const SMUGGLING: readonly (readonly [string, string])[] = [
  [
    "content-length with transfer-encoding",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
  ],
  [
    "two content-lengths",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nabcde",
  ],
  ["a blank before the colon", "GET / HTTP/1.1\r\nhost : a\r\n\r\n"],
  ["a folded header", "GET / HTTP/1.1\r\nhost: a\r\nx: b\r\n c\r\n\r\n"],
  ["a hexadecimal content-length", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0x4\r\n\r\nabcd"],
  [
    "an unknown transfer-encoding last",
    "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, foo\r\n\r\n",
  ],
  ["a bare carriage return", "GET / HTTP/1.1\r\nhost: a\rb: c\r\n\r\n"],
  ["NUL in a header", "GET / HTTP/1.1\r\nhost: a\r\nx: \0\r\n\r\n"],
  ["no host", "GET / HTTP/1.1\r\n\r\n"],
  ["headers above 16 KiB", `GET / HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(20_000)}\r\n\r\n`],
  ["garbage", "\x16\x03\x01\x02\x00\x01\x00"],
];

for (const [what, text] of SMUGGLING) {
  test(`HTTP/1.1 with ${what} is refused and the connection closed`, async () => {
    const { port } = await serve();
    const answer = await http1(port, text);
    assert.match(answer, /^(HTTP\/1.1 4(00|31) |$)/);
    assert.doesNotMatch(answer, /HTTP\/1.1 200/);
  });
}

test("a bad chunk ends the connection even when the answer has been given before", async () => {
  const { port } = await serve();
  const chunked = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n";
  const answer = await http1(port, `${chunked}GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n`);
  assert.doesNotMatch(answer, /smuggled/);
});

test("Upgrade: h2c is answered as HTTP/1.1, CONNECT refused, a handler's bug closes", async () => {
  const { port } = await serve();
  const upgrade =
    "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n";
  const end = await http1(
    port,
    `GET /x HTTP/1.1\r\nhost: a\r\n${upgrade}\r\nGET /y HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`,
  );
  assert.match(end, /^HTTP\/1.1 200 [\s\S]*GET \/x[\s\S]*HTTP\/1.1 200 [\s\S]*GET \/y/);
  assert.match(await http1(port, "CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n"), /^HTTP\/1.1 405 /);
  assert.equal(await http1(port, "GET /throw HTTP/1.1\r\nhost: a\r\n\r\n"), "");
});

test("what is no HTTP/1 is closed, and a body in a coding that nobody undoes is refused", async () => {
  const { port } = await serve();
  assert.equal(await http1(port, "GET /x\r\n\r\n"), "");
  assert.equal(await http1(port, "GET /x HTTP/2.0\r\nhost: a\r\n\r\n"), "");
  const gzip = "POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n";
  const answer = await http1(port, gzip);
  assert.match(answer, /^HTTP\/1.1 501 Not Implemented\r\n[\s\S]*Unsupported transfer encoding$/);
});

test("a WebSocket upgrade reaches its hook with the request", async () => {
  const { port } = await serve({
    onUpgrade: (request, socket) => {
      socket.end(`HTTP/1.1 101 Yes\r\n\r\n${request.path}`);
      return true;
    },
  });
  const text = "GET /ws HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
  assert.equal(await http1(port, text), "HTTP/1.1 101 Yes\r\n\r\n/ws");
});

test("HTTP/1.1 without a handler is closed", async () => {
  const { port } = await serve({ http: undefined });
  assert.equal(await http1(port, "GET / HTTP/1.1\r\nhost: a\r\n\r\n"), "");
});

test("a client that disappears cancels its streams", async () => {
  const { port, service } = await serve();
  const socket = await rawSocket(port);
  socket.write(Buffer.concat([HELLO, headers(1, grpcHead("Bidi"))]));
  while (service.streams.length === 0) await nextTurn();
  socket.destroy();
  while (service.cancelledStreams === 0) await nextTurn();
  assert.equal(service.streams[0]?.cancelled, true);
});
