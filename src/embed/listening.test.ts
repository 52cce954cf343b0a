/** Where a member listens, and what becomes of more connections than it may have. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { test } from "node:test";
import { systemCalls } from "../platform/system-calls.ts";
import { joinHostPort } from "../base/port.ts";
import {
  type ListenAddress,
  ListeningSocket,
  type ListeningOptions,
  remoteAddress,
} from "../transport/listening-socket.ts";

const hasIPv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1"),
);

/** A listening socket that greets; what it logs and whom it greets. */
class Greeter implements AsyncDisposable {
  readonly warnings: string[] = [];
  readonly remotes: string[] = [];
  readonly #accepted: Socket[] = [];
  #socket: ListeningSocket | undefined;

  async bind(
    host: string,
    options: Partial<ListeningOptions> = {},
    askedPort = 0,
  ): Promise<number> {
    const logger = { warn: (message: string) => this.warnings.push(message) };
    const all = { logger, ...options };
    this.#socket = await ListeningSocket.bind({ host, port: askedPort }, all, (socket) => {
      this.#accepted.push(socket);
      this.remotes.push(remoteAddress(socket));
      socket.resume().write("hello");
    });
    assert.ok("port" in this.#socket.address);
    return this.#socket.address.port;
  }

  close(): void {
    this.#socket?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    for (const socket of this.#accepted) socket.destroy();
  }
}

async function greeted(socket: Socket): Promise<string> {
  const [data] = (await once(socket, "data")) as [Buffer];
  return data.toString();
}

test(
  "a listener on 0.0.0.0 serves both families, and names IPv4 clients as such",
  {
    skip: hasIPv6 ? false : "this machine has no IPv6",
  },
  async () => {
    for (const wildcard of ["0.0.0.0", "::", ""]) {
      await using greeter = new Greeter();
      const port = await greeter.bind(wildcard);
      for (const host of ["127.0.0.1", "::1"]) {
        const client = connect(port, host);
        assert.equal(await greeted(client), "hello", `${host} on ${wildcard}`);
        client.destroy();
      }
      assert.match(greeter.remotes[0] ?? "", /^127\.0\.0\.1:\d+$/);
      assert.match(greeter.remotes[1] ?? "", /^\[::1\]:\d+$/);
    }
  },
);

test("a listener on one address of one family serves no other", async () => {
  await using greeter = new Greeter();
  const port = await greeter.bind("127.0.0.1");
  const [error] = (await once(connect(port, "::1"), "error")) as [Error & { code?: string }];
  assert.match(String(error.code), /ECONNREFUSED|EADDRNOTAVAIL|ENETUNREACH/);
});

// Surplus connections were closed, and clients saw resets instead of waiting as with etcd.
test(
  "connections beyond the limit are logged and wait until others end",
  {
    skip: process.platform !== "linux",
  },
  async () => {
    const calls = systemCalls();
    assert.ok(!(calls instanceof Error));
    await using greeter = new Greeter();
    const port = await greeter.bind("127.0.0.1", { maxConnections: 2, duplicate: calls.duplicate });
    const clients = Array.from({ length: 5 }, () => connect(port, "127.0.0.1"));
    const greetings = clients.map((client, i) => greeted(client).then(() => i));
    await Promise.all(clients.map((client) => once(client, "connect")));
    assert.deepEqual(await Promise.all(greetings.slice(0, 2)), [0, 1]);
    assert.equal(greeter.remotes.length, 2);
    assert.deepEqual(greeter.warnings, [
      "the limit of connections is reached; further ones wait until one ends",
    ]);
    // One place is freed at a time, and taken by who has waited longest.
    for (const waiting of [2, 3, 4]) {
      clients[waiting - 2]?.destroy();
      assert.equal(await greetings[waiting], waiting);
      assert.equal(greeter.remotes.length, waiting + 1);
    }
    for (const client of clients) client.destroy();
  },
);

test(
  "a full listener that is closed leaves nothing behind",
  {
    skip: process.platform !== "linux",
  },
  async () => {
    const calls = systemCalls();
    assert.ok(!(calls instanceof Error));
    await using greeter = new Greeter();
    const port = await greeter.bind("127.0.0.1", { maxConnections: 1, duplicate: calls.duplicate });
    const served = connect(port, "127.0.0.1");
    assert.equal(await greeted(served), "hello");
    const waiting = connect(port, "127.0.0.1");
    await once(waiting, "connect");
    const ended = once(waiting, "error");
    greeter.close();
    await ended;
    const [refused] = (await once(connect(port, "127.0.0.1"), "error")) as [
      Error & { code?: string },
    ];
    assert.equal(refused.code, "ECONNREFUSED");
    served.destroy();
  },
);

test(
  "a port that is shared serves whoever listens, on both families, and one that is not is in use",
  { skip: process.platform !== "linux" },
  async () => {
    const calls = systemCalls();
    assert.ok(!(calls instanceof Error));
    const { bindSharedPort: bindShared } = calls;
    for (const host of ["0.0.0.0", "127.0.0.1", ...(hasIPv6 ? ["::1"] : [])]) {
      await using first = new Greeter();
      await using second = new Greeter();
      const port = await first.bind(host, { bindShared });
      assert.equal(await second.bind(host, { bindShared }, port), port);
      const message = `listen tcp ${joinHostPort(host, port)}: bind: address already in use`;
      await assert.rejects(new Greeter().bind(host, {}, port), { message });
      for (const left of [first, second]) {
        const client = connect(port, host === "0.0.0.0" ? "127.0.0.1" : host);
        assert.equal(await greeted(client), "hello");
        client.destroy();
        left.close();
      }
    }
  },
);

test("an address that cannot be bound is refused in Go's words", async () => {
  const listen = (address: ListenAddress): Promise<unknown> =>
    ListeningSocket.bind(address, { logger: { warn: () => undefined } }, () => undefined);
  const long = `/tmp/${"x".repeat(110)}`;
  for (const [address, message] of [
    [{ host: "127.0.0.1", port: 70_000 }, "listen tcp: address 70000: invalid port"],
    [
      { path: "/nonexistent/a.sock" },
      "listen unix /nonexistent/a.sock: bind: no such file or directory",
    ],
    // Node would listen at the first 107 bytes.
    [{ path: long }, `listen unix ${long}: bind: invalid argument`],
  ] as const) {
    await assert.rejects(listen(address), { message });
  }
});
