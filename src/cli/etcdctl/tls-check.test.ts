/** What `etcdctl tls check` says of servers with every kind of bad certificate. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { createServer as createTcpServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { createServer, type TlsOptions } from "node:tls";
import { test } from "node:test";
import { SystemClock } from "../../env/system-clock.ts";
import { type Issued, TestAuthority } from "../../platform/tls/testing/authority.ts";
import { findingsOf } from "./tls-findings.ts";
import { probe } from "./tls-probe.ts";

const authority = new TestAuthority();
const stranger = new TestAuthority("stranger");

interface Case {
  readonly shown?: Issued;
  readonly server?: TlsOptions;
  readonly ca?: string;
  readonly own?: Issued;
}

async function listening<T extends Server>(server: T): Promise<T> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** "level: text" of every finding about a server that answers with SETTINGS. */
async function check(given: Case = {}): Promise<string[]> {
  const { shown = authority.issue({ untilHours: 24 * 60 }), own } = given;
  const server = await listening(
    createServer({ ...shown, ALPNProtocols: ["h2"], ...given.server }, (socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])));
    }),
  );
  server.on("tlsClientError", () => undefined);
  return judge(server, given.ca ?? authority.cert, own);
}

async function judge(server: Server, ca: string, own?: Issued): Promise<string[]> {
  const { port } = server.address() as AddressInfo;
  const seen = await probe({ host: "127.0.0.1", port }, { ca, ...own }, 10_000);
  server.close();
  const found = findingsOf(seen, {
    name: "127.0.0.1",
    hasAuthorities: true,
    own: own && new X509Certificate(own.cert),
    nowMs: new SystemClock().wallMs(),
  });
  return found.map(({ level, text }) => `${level}: ${text}`);
}

test("nothing is found on a good server", async () => {
  assert.deepEqual(await check(), []);
  assert.deepEqual(await check({ own: authority.issue({ untilHours: 24 * 60 }) }), []);
});

test("a chain that leads nowhere is told with the authority that is missing", async () => {
  const [unknown = ""] = await check({ ca: stranger.cert });
  assert.match(unknown, /^wrong: the certificate is signed by "CN=test authority", which is none/);
  const twin = new TestAuthority("test authority");
  const [forged = ""] = await check({ ca: twin.cert });
  assert.match(forged, /^wrong: the signature is not by "CN=test authority"/);
});

test("dates are told with how long is left, or since when it is over", async () => {
  const [old = ""] = await check({ shown: authority.issue({ fromHours: -2, untilHours: -1 }) });
  assert.match(old, /^wrong: the certificate has expired at \d{4}-\d\d-\d\dT/);
  const [young = ""] = await check({ shown: authority.issue({ fromHours: 1 }) });
  assert.match(young, /^wrong: the certificate is valid only from .* on$/);
  const [soon = ""] = await check({ shown: authority.issue({ untilHours: 60 }) });
  assert.match(soon, /^warning: the certificate expires at .*, in 2 days$/);
});

test("a certificate for others, or for nobody, is told with its names", async () => {
  const untilHours = 24 * 60;
  assert.deepEqual(
    await check({ shown: authority.issue({ hosts: ["a.example", "10.0.0.1"], untilHours }) }),
    ["wrong: the certificate is for DNS:a.example, IP Address:10.0.0.1, not for 127.0.0.1"],
  );
  const [nameless = ""] = await check({ shown: authority.issue({ hosts: [], untilHours }) });
  assert.match(nameless, /^wrong: the certificate names no host: it has no subjectAltName/);
});

test("key usage is told for what it forbids", async () => {
  const untilHours = 24 * 60;
  const [client = ""] = await check({ shown: authority.issue({ usages: ["client"], untilHours }) });
  assert.match(client, /^wrong: the certificate may not be used by servers/);
  const [server = ""] = await check({ shown: authority.issue({ usages: ["server"], untilHours }) });
  assert.match(server, /^warning: the certificate may not be used by clients/);
  const own = authority.issue({ usages: ["server"], untilHours });
  const [mine = ""] = await check({ own });
  assert.match(mine, /^wrong: the certificate of --cert may not be used by clients/);
});

test("a server that does not take this client is told apart from one that wants a certificate", async () => {
  const server = { requestCert: true, rejectUnauthorized: true, ca: authority.cert };
  const [none = ""] = await check({ server });
  assert.match(
    none,
    /^wrong: the server hung up on a client without a certificate.*--cert and --key/,
  );
  const own = stranger.issue({ commonName: "ann", untilHours: 24 * 60 });
  const [other = ""] = await check({ server, own });
  assert.match(other, /^wrong: the server does not accept "O=test, CN=ann" of --cert/);
});

test("a server without TLS, and one without HTTP/2, are named as such", async () => {
  const plain = await listening(
    createTcpServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    }),
  );
  const [spoken = ""] = await judge(plain, authority.cert);
  assert.match(spoken, /^wrong: the server does not speak TLS here/);
  const [without = ""] = await check({ server: { ALPNProtocols: ["http/1.1"] } });
  assert.match(without, /^wrong: (the server does not offer HTTP\/2|no TLS connection)/);
});
