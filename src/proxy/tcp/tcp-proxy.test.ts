import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, type Server, type Socket, connect, createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { MemoryLogger } from "../../env/testing/memory-logger.ts";
import { SeededRandom } from "../../env/testing/seeded-random.ts";
import { VirtualClock } from "../../env/testing/virtual-clock.ts";
import { TcpProxy } from "./tcp-proxy.ts";

/** Says its name, then repeats what it hears and ends when the client does. */
async function backend(t: TestContext, name: string, port = 0): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    socket.write(name);
    socket.pipe(socket);
  }).listen(port, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

/** A port that nobody listens at. */
async function deadPort(t: TestContext): Promise<number> {
  const server = await backend(t, "");
  const port = portOf(server);
  server.close();
  await once(server, "close");
  return port;
}

async function world(t: TestContext, ports: readonly number[]) {
  const clock = new VirtualClock();
  const logger = new MemoryLogger();
  const proxy = await TcpProxy.start(
    {
      listen: { host: "127.0.0.1", port: 0 },
      endpoints: ports.map((port) => ({ host: "127.0.0.1", port, priority: 0, weight: 0 })),
      retryDelayMs: 60_000,
    },
    { clock, logger, random: new SeededRandom(1) },
  );
  t.after(() => proxy.stop());
  const address = proxy.address;
  assert.ok(address !== undefined && "port" in address);
  const open = (): Socket =>
    connect({ port: address.port, host: "127.0.0.1", allowHalfOpen: true });
  return { clock, logger, proxy, open };
}

/** Sends `text`, ends, and returns all that comes. */
async function talk(socket: Socket, text: string): Promise<string> {
  socket.end(text);
  const parts: Buffer[] = [];
  for await (const part of socket) parts.push(part);
  return Buffer.concat(parts).toString();
}

test("a client that has said all still gets its whole answer", async (t) => {
  const { open } = await world(t, [portOf(await backend(t, "a:"))]);
  const long = "x".repeat(3_000_000);
  assert.equal(await talk(open(), long), `a:${long}`);
});

test("clients are spread over the endpoints in turn", async (t) => {
  const ports = [portOf(await backend(t, "a")), portOf(await backend(t, "b"))];
  const { open } = await world(t, ports);
  const names = [];
  for (let i = 0; i < 4; i++) names.push(await talk(open(), ""));
  assert.deepEqual(names, ["a", "b", "a", "b"]);
});

test("a dead endpoint is passed over until it answers again", async (t) => {
  const dead = await deadPort(t);
  const { clock, logger, open } = await world(t, [dead, portOf(await backend(t, "alive"))]);
  for (let i = 0; i < 3; i++) assert.equal(await talk(open(), ""), "alive");
  const reason = `dial tcp 127.0.0.1:${dead}: connect: connection refused`;
  const lines = () =>
    logger.lines.map(({ message, fields }) => {
      const { error, ...rest } = fields as { error?: Error };
      return [message, { ...rest, ...(error && { error: error.message }) }];
    });
  const address = `127.0.0.1:${dead}`;
  const down = ["deactivated endpoint", { address, interval: "1m0s", error: reason }];
  assert.deepEqual(lines(), [down]);

  await backend(t, "again", dead);
  clock.advance(60_000);
  while (logger.lines.length < 2) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(lines(), [down, ["activated", { address }]]);
  const names = new Set([await talk(open(), ""), await talk(open(), "")]);
  assert.deepEqual(names, new Set(["alive", "again"]));
});

test("without an endpoint the client is closed", async (t) => {
  const { open } = await world(t, [await deadPort(t)]);
  assert.equal(await talk(open(), ""), "");
});

test("a broken connection breaks the other half", async (t) => {
  const server = await backend(t, "a");
  const accepted = once(server, "connection");
  const { open } = await world(t, [portOf(server)]);
  const socket = open();
  const [remote] = (await accepted) as [Socket];
  await once(socket, "data");
  const closed = once(socket, "close");
  remote.destroy();
  socket.end();
  await closed;
  const second = open();
  const [other] = (await once(server, "connection")) as [Socket];
  const ended = once(other, "close");
  second.on("error", () => undefined).resetAndDestroy();
  await ended;
});

test("stop closes the connections that are in use", async (t) => {
  const { open, proxy } = await world(t, [portOf(await backend(t, "a"))]);
  const socket = open();
  await once(socket, "data");
  const closed = once(socket, "close");
  proxy.stop();
  socket.end();
  await closed;
});
