import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import {
  type AddressInfo,
  connect as netConnect,
  createServer,
  type Server,
  type Socket,
} from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import type { SecuredConnection } from "../../env/tls.ts";
import { SystemClock } from "../../env/system-clock.ts";
import { MemoryLogger, VirtualClock } from "../../env/testing/index.ts";
import { type Issued, TestAuthority } from "./testing/authority.ts";
import { NodeTlsAcceptor } from "./tls-acceptor.ts";
import { SilentConnections } from "./silent-connections.ts";
import { TlsCredentials } from "./tls-credentials.ts";
import { NO_TLS, type TlsSettings } from "./tls-settings.ts";

const directory = mkdtempSync(join(tmpdir(), "tls-"));
after(() => rmSync(directory, { recursive: true }));

const authority = new TestAuthority();
const stranger = new TestAuthority("another authority");
const server = authority.issue({ commonName: "server" });

function file(name: string, content: string | Uint8Array): string {
  const path = join(directory, name);
  // Put in place at once, as tools that renew certificates do.
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
  return path;
}

function pairSettings(issued: Issued = server): TlsSettings {
  return {
    ...NO_TLS,
    certFile: file("server.crt", issued.cert),
    keyFile: file("server.key", issued.key),
  };
}

function trusting(more: Partial<TlsSettings> = {}): TlsSettings {
  return { ...pairSettings(), trustedCaFile: file("ca.crt", authority.cert), ...more };
}

/** A listener that greets whoever may talk. */
class World implements AsyncDisposable {
  readonly logger = new MemoryLogger();
  readonly secured: SecuredConnection[] = [];
  readonly acceptor: NodeTlsAcceptor;
  readonly #failures: string[] = [];
  #onRejected: (() => void) | undefined;
  readonly #server: Server;
  readonly #clients: TLSSocket[] = [];

  private constructor(settings: TlsSettings, names?: Readonly<Record<string, string>>) {
    const credentials = new TlsCredentials({
      settings,
      onReloadFailure: (what, error) => this.#failures.push(`${what}: ${error.message}`),
    });
    const lookup = names && {
      reverse: () => Promise.reject(new Error("no such host")),
      lookup: async (name: string) => [names[name] ?? ""],
    };
    this.acceptor = new NodeTlsAcceptor({
      credentials,
      clock: new SystemClock(),
      logger: this.logger,
      rejectedMessage: "rejected",
      names: lookup,
      onOutcome: (outcome) => {
        if (outcome === "rejected") this.#onRejected?.();
      },
    });
    this.acceptor.onSecured = (connection) => {
      this.secured.push(connection);
      connection.stream.end("hello");
    };
    this.#server = createServer({ pauseOnConnect: true }, (socket) => {
      this.acceptor.accept(socket);
    });
  }

  static async open(settings: TlsSettings, names?: Record<string, string>): Promise<World> {
    const world = new World(settings, names);
    await new Promise<void>((resolve) => world.#server.listen(0, "127.0.0.1", resolve));
    return world;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get failures(): readonly string[] {
    return this.#failures;
  }

  /** What the listener logged of its last refusal. */
  get refusal(): unknown {
    return this.logger.lines.filter((line) => line.message === "rejected").at(-1)?.fields["error"];
  }

  /** The next refusal. */
  rejection(): Promise<void> {
    return new Promise((resolve) => {
      this.#onRejected = resolve;
    });
  }

  /** "hello", or "" when the listener hangs up; rejects when the handshake itself fails. */
  greet(options: ConnectionOptions = {}): Promise<string> {
    return new Promise((resolve, reject) => {
      let heard = "";
      const client = connect({
        host: "127.0.0.1",
        port: this.port,
        ca: [authority.cert, stranger.cert],
        ...options,
      });
      this.#clients.push(client);
      client.on("data", (chunk) => {
        heard += String(chunk);
      });
      client.once("secureConnect", () => client.on("error", () => resolve(heard)));
      client.once("error", (error: NodeJS.ErrnoException) =>
        reject(new Error(error.code ?? error.message)),
      );
      client.once("close", () => resolve(heard));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.destroy();
    this.acceptor.stop();
    for (const { stream } of this.secured) stream.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

test("a listener with a certificate serves whoever trusts it, with the protocol they ask for", async () => {
  await using world = await World.open(pairSettings());
  assert.equal(await world.greet(), "hello");
  assert.equal(await world.greet({ ALPNProtocols: ["h2"] }), "hello");
  assert.equal(await world.greet({ ALPNProtocols: ["http/1.1"] }), "hello");
  assert.deepEqual(
    world.secured.map(({ protocol }) => protocol),
    [undefined, "h2", "http/1.1"],
  );
  assert.equal(world.secured[0]?.certificateName, undefined);
  assert.match(world.secured[0]?.remote ?? "", /^127\.0\.0\.1:\d+$/);
});

test("with a trusted CA, only clients with a good certificate are let in", async () => {
  const good = authority.issue({ commonName: "ann", usages: ["client"] });
  const revoked = authority.issue({ commonName: "revoked" });
  const settings = trusting({ crlFile: file("crl", authority.revoke([revoked.cert])) });
  await using world = await World.open(settings);
  assert.equal(await world.greet(good), "hello");
  assert.equal(world.secured[0]?.certificateName, "ann");
  const unknown = /signed by unknown authority/;
  const refused: [string, ConnectionOptions, RegExp][] = [
    ["no certificate", {}, /didn't provide a certificate/],
    ["another authority", stranger.issue(), unknown],
    ["expired", authority.issue({ fromHours: -5, untilHours: -1 }), /expired or is not yet valid/],
    ["not yet valid", authority.issue({ fromHours: 5 }), /expired or is not yet valid/],
    ["for servers only", authority.issue({ usages: ["server"] }), /incompatible key usage/],
    ["revoked", revoked, /certificate serial [0-9a-f]+ revoked/],
  ];
  for (const [name, options, reason] of refused) {
    const heard = await world.greet(options).catch((error: Error) => error.message);
    assert.notEqual(heard, "hello", name);
    assert.match(String(world.refusal), reason, name);
  }
  assert.equal(world.secured.length, 1);
});

test("revocation lists are taken as DER and as PEM, and anew when they change", async () => {
  const one = authority.issue();
  const other = authority.issue();
  const crlFile = file("changing.crl", authority.revoke([one.cert], "pem"));
  await using world = await World.open(trusting({ crlFile }));
  assert.notEqual(await world.greet(one), "hello");
  assert.equal(await world.greet(other), "hello");
  file("changing.crl", authority.revoke([other.cert]));
  assert.equal(await world.greet(one), "hello");
  assert.notEqual(await world.greet(other), "hello");
  file("changing.crl", "not a list");
  assert.notEqual(await world.greet(other), "hello");
  assert.deepEqual(world.failures, ["revocations: x509: malformed crl"]);
});

test("certificates may be asked for a common name or a host name", async () => {
  const named = authority.issue({ commonName: "ann" });
  const hosted = authority.issue({ commonName: "bob", hosts: ["node.example"] });
  {
    await using world = await World.open(trusting({ allowedCommonNames: ["x", "ann"] }));
    assert.equal(await world.greet(named), "hello");
    assert.notEqual(await world.greet(hosted), "hello");
    assert.equal(world.refusal, "client certificate authentication failed");
  }
  await using world = await World.open(trusting({ allowedHostnames: ["node.example"] }));
  assert.equal(await world.greet(hosted), "hello");
  assert.notEqual(await world.greet(named), "hello");
});

test("the log says where a refused connection came from", async () => {
  await using world = await World.open(trusting({ allowedCommonNames: ["ann"] }));
  const named = authority.issue({ commonName: "bob" });
  const foreign = stranger.issue({ commonName: "ann" });
  // The last one hangs up, as it does not trust the listener.
  for (const options of [{}, foreign, named, { ...named, ca: stranger.cert }]) {
    const rejected = world.rejection();
    await world.greet(options).catch(() => undefined);
    await rejected;
    const { fields } = world.logger.lines.at(-1) ?? {};
    assert.match(
      String(fields?.["remote-addr"]),
      /^127\.0\.0\.1:[0-9]+$/,
      String(fields?.["error"]),
    );
  }
});

test("a member's certificate must be for the address that it comes from", async () => {
  const table: [string, readonly string[], boolean][] = [
    ["its address", ["127.0.0.1"], true],
    ["another address", ["10.0.0.1"], false],
    ["another address, but a name of it", ["10.0.0.1", "here.example"], true],
    ["a name that leads to it", ["here.example"], true],
    ["a name that leads elsewhere", ["there.example"], false],
    ["no address and no name", [], true],
  ];
  const names = { "here.example": "127.0.0.1", "there.example": "10.0.0.1" };
  await using world = await World.open(trusting(), names);
  for (const [name, hosts, isIn] of table) {
    const heard = await world.greet(authority.issue({ hosts }));
    assert.equal(heard === "hello", isIn, name);
  }
  assert.equal(world.refusal, 'tls: "127.0.0.1" does not match any of DNSNames ["there.example"]');
});

test("a renewed certificate serves new connections; a broken one leaves the last good one", async () => {
  await using world = await World.open(pairSettings());
  const shown = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const client = connect({ host: "127.0.0.1", port: world.port, ca: authority.cert });
      client.once("error", reject);
      client.once("secureConnect", () => {
        resolve(String(client.getPeerCertificate().subject.CN));
        client.destroy();
      });
    });
  assert.equal(await shown(), "server");
  pairSettings(authority.issue({ commonName: "renewed" }));
  assert.equal(await shown(), "renewed");
  file("server.key", "not a key");
  assert.equal(await shown(), "renewed");
  assert.match(world.failures[0] ?? "", /^certificate: tls: failed to find any PEM data in key/);
  assert.equal(world.failures.length, 1);
  pairSettings(authority.issue({ commonName: "again" }));
  assert.equal(await shown(), "again");
});

test("what is no TLS is refused and logged", async () => {
  await using world = await World.open(pairSettings());
  await new Promise<void>((resolve) => {
    const socket = netConnect(world.port, "127.0.0.1", () =>
      socket.write("GET / HTTP/1.1\r\n\r\n"),
    );
    socket.resume();
    socket.on("error", () => undefined);
    socket.once("close", () => resolve());
  });
  assert.equal(world.refusal, "tls: first record does not look like a TLS handshake");
  assert.equal(await world.greet(), "hello");
});

/** The first record of a client of TLS 1.2. */
const HELLO = Buffer.from(
  [
    "16030100830100007f03038e41a96832dc9d491a0387d119ec6a35bc876be726e40cf24bebd28742ba853f0000",
    "04c02b00ff01000052000b000403000102000a000c000a001d0017001e00190018002300000016000000170000",
    "000d002a0028040305030603080708080809080a080b0804080508060401050106010303030103020402050206",
    "02",
  ].join(""),
  "hex",
);

test("of too many handshakes that idle the oldest ends, and others are served", async () => {
  await using world = await World.open(pairSettings());
  const open = (): Promise<{ closed: boolean; destroy(): void }> =>
    new Promise((resolve, reject) => {
      const state = { closed: false, destroy: () => socket.destroy() };
      const socket = netConnect(world.port, "127.0.0.1", () => socket.write(HELLO));
      // The server's half of the handshake.
      socket.once("data", () => resolve(state));
      socket.once("error", reject);
      socket.once("close", () => {
        state.closed = true;
      });
    });
  const idle: { closed: boolean; destroy(): void }[] = [];
  for (let i = 0; i < 1000; i++) idle.push(await open());
  assert.equal(idle[0]?.closed, false);
  assert.equal(await world.greet(), "hello");
  assert.equal(await world.greet(), "hello");
  assert.equal(idle.filter(({ closed }) => closed).length, 1);
  assert.equal(idle[0]?.closed, true);
  for (const socket of idle) socket.destroy();
});

test("who says nothing in time is told of and closed", () => {
  const clock = new VirtualClock();
  const order: string[] = [];
  const silent = new SilentConnections({
    clock,
    limit: 2,
    timeoutMs: 10_000,
    onTimeout: () => order.push("told"),
  });
  silent.add({ destroy: () => order.push("closed") } as unknown as Socket);
  clock.advance(9999);
  assert.deepEqual(order, []);
  clock.advance(1);
  assert.deepEqual(order, ["told", "closed"]);
});

test("of too many connections that say nothing the oldest ends", () => {
  const closed: number[] = [];
  const silent = new SilentConnections({
    clock: new VirtualClock(),
    limit: 2,
    timeoutMs: 60_000,
    onTimeout: () => undefined,
  });
  const sockets = [0, 1, 2, 3].map((i) => ({ destroy: () => closed.push(i) }) as unknown as Socket);
  for (const socket of sockets.slice(0, 3)) silent.add(socket);
  assert.deepEqual(closed, [0]);
  const [, second, , fourth] = sockets;
  assert.ok(second !== undefined && fourth !== undefined);
  assert.equal(silent.delete(second), true);
  silent.add(fourth);
  assert.deepEqual(closed, [0]);
  silent.stop();
  assert.deepEqual(closed, [0, 2, 3]);
});

test("files that cannot serve are refused at start, in Go's words", () => {
  const other = authority.issue();
  const table: [string, Partial<TlsSettings>, RegExp][] = [
    ["no key", { keyFile: "" }, /^KeyFile and CertFile must both be present\[key: , cert: /],
    ["missing", { certFile: join(directory, "no") }, /^open .*\/no: no such file or directory$/],
    ["another key", { keyFile: file("o.key", other.key) }, /private key does not match public key/],
    ["no PEM", { certFile: file("x", "x") }, /failed to find any PEM data in certificate input/],
    ["a key for a certificate", { certFile: file("k", other.key) }, /skipping PEM blocks/],
    ["a damaged key", { keyFile: file("d", damaged(other.key)) }, /failed to parse private key/],
    ["a damaged CA", { trustedCaFile: file("c", damaged(other.cert)) }, /malformed certificate/],
    ["no list", { crlFile: file("l", other.cert) }, /malformed crl/],
    ["half a client pair", { clientCertFile: "x" }, /must both be present or both absent/],
  ];
  const onReloadFailure = (): void => undefined;
  for (const [name, more, message] of table) {
    const settings = { ...pairSettings(), ...more };
    assert.throws(() => new TlsCredentials({ settings, onReloadFailure }), { message }, name);
  }
});

/** The same block, with bytes that mean nothing. */
function damaged(pem: string): string {
  return pem.replace(/\n[^-]+\n/, "\nAAAA\n");
}
