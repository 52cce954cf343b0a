/** One member with certificates: every listener, every way to be refused, and new files. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Issued } from "../../platform/tls/testing/authority.ts";
import { text } from "./rpc-client.ts";
import { type Member, TlsWorld } from "./tls-world.ts";
import { until } from "./wait.ts";
import { freePorts } from "../../base/testing/free-ports.ts";

const world = new TlsWorld();
after(() => world[Symbol.asyncDispose]());

const SERVER = { ...world.pair("server", world.authority.issue()), trustedCaFile: world.ca };

function rejections({ logger }: Member): unknown[] {
  return logger.lines
    .filter(({ message }) => message === "rejected connection on client endpoint")
    .map(({ fields }) => fields.error);
}

function serialOf(answer: unknown): string | undefined {
  return (answer as { serial?: string }).serial;
}

test("https, http and unixs addresses of one member serve side by side", async () => {
  const socket = `unixs://${join(world.directory, "sock")}`;
  const member = await world.start("side", {
    ...SERVER,
    listenClientUrls: ["https://127.0.0.1:0", "http://127.0.0.1:0", socket],
    advertiseClientUrls: ["https://127.0.0.1:1"],
  });
  // Sorted, as etcd sorts them.
  const [plain = "", secure = "", unix = ""] = member.etcd.clientAddresses;
  assert.match(secure, /^https:/);
  assert.match(plain, /^http:/);
  assert.equal(unix, socket);
  await world.client(secure).kv.put("a", "secure");
  const { kvs } = await world.client(unix).kv.get("a");
  assert.equal(text(kvs[0]?.value), "secure");
  const health = await (await fetch(`${plain}/health`)).json();
  assert.equal((health as { health: string }).health, "true");
  const answer = await world.get(`${secure}/health`);
  assert.equal(typeof answer === "string" ? answer : answer.status, 200);
  const said = member.logger.messages();
  assert.equal(said.filter((each) => each === "serving client traffic securely").length, 2);
  assert.ok(said.includes("serving client traffic insecurely; this is strongly discouraged!"));
});

test("http and https share one address and port, and each connection says which it is", async () => {
  const [port = 0] = await freePorts(1);
  const [plain, secure] = [`http://127.0.0.1:${port}`, `https://127.0.0.1:${port}`];
  const member = await world.start("shared", {
    ...SERVER,
    listenClientUrls: [secure, plain],
    advertiseClientUrls: [secure],
  });
  assert.deepEqual(member.etcd.clientAddresses, [plain, secure]);
  await world.client(secure).kv.put("a", "secure");
  await world.client(plain).kv.put("b", "plain");
  const { kvs } = await world.client(plain).kv.get("a");
  assert.equal(text(kvs[0]?.value), "secure");
  const health = await (await fetch(`${plain}/health`)).json();
  assert.equal((health as { health: string }).health, "true");
  const answer = await world.get(`${secure}/health`);
  assert.equal(typeof answer === "string" ? answer : answer.status, 200);
  // One byte is enough to tell; the rest of the request may take its time.
  const slow = connect(port, "127.0.0.1");
  slow.write("G");
  await until(() => slow.bytesWritten === 1, "the first byte");
  slow.end("ET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  let said = "";
  for await (const chunk of slow.setEncoding("utf8")) said += chunk;
  assert.match(said, /^HTTP\/1\.1 200 OK/);
  const lines = member.logger.messages();
  assert.ok(lines.includes("serving client traffic securely"));
  assert.ok(lines.includes("serving client traffic insecurely; this is strongly discouraged!"));
});

test("an https address alone refuses what is no TLS", async () => {
  const member = await world.start("secure", {
    ...SERVER,
    listenClientUrls: ["https://127.0.0.1:0"],
    advertiseClientUrls: ["https://127.0.0.1:1"],
  });
  const [secure = ""] = member.etcd.clientAddresses;
  await assert.rejects(fetch(`${secure.replace("https", "http")}/health`));
  await until(() => rejections(member).length > 0, "the line about it");
  assert.match(String(rejections(member)[0]), /first record does not look like a TLS handshake/);
});

test("every secure listener of clients refuses who has no good certificate, and says why", async () => {
  const [http = 0, metrics = 0] = await freePorts(2);
  const bob = world.authority.issue({ commonName: "bob" });
  const crlFile = world.file("list.crl", world.authority.revoke([bob.cert]));
  const member = await world.start("closed", {
    ...SERVER,
    clientCertAuth: true,
    clientCrlFile: crlFile,
    listenClientUrls: ["https://127.0.0.1:0"],
    advertiseClientUrls: ["https://127.0.0.1:1"],
    listenClientHttpUrls: [`https://127.0.0.1:${http}`],
    listenMetricsUrls: [`https://127.0.0.1:${metrics}`],
  });
  const [grpc = ""] = member.etcd.clientAddresses;
  await world.client(grpc).kv.put("a", "b");
  for (const port of [http, metrics]) {
    const answer = await world.get(`https://127.0.0.1:${port}/health`);
    assert.equal(typeof answer === "string" ? answer : answer.status, 200);
  }
  const strangers: readonly [Partial<Issued>, RegExp][] = [
    [{}, /didn't provide a certificate/],
    [bob, /serial [0-9a-f]+ revoked/],
  ];
  for (const [shown, reason] of strangers) {
    for (const port of [new URL(grpc).port, http, metrics]) {
      const seen = rejections(member).length;
      const answer = await world.get(`https://127.0.0.1:${port}/health`, shown);
      assert.equal(typeof answer, "string", `port ${port}: ${JSON.stringify(answer)}`);
      await until(() => rejections(member).length > seen, "the reason in the log");
      assert.match(String(rejections(member).at(-1)), reason);
    }
  }
});

test("a new certificate is shown to new connections, and old ones live on", async () => {
  const files = world.pair("moving", world.authority.issue());
  const member = await world.start("reload", {
    ...files,
    listenClientUrls: ["https://127.0.0.1:0"],
    advertiseClientUrls: ["https://127.0.0.1:1"],
  });
  const [url = ""] = member.etcd.clientAddresses;
  const client = world.client(url);
  const watch = client.watch("k", { startRevision: 1 });
  const events = watch[Symbol.asyncIterator]();
  const first = events.next();
  await client.kv.put("k", "1");
  assert.equal((await first).done, false);
  const before = serialOf(await world.get(`${url}/health`));
  world.pair("moving", world.authority.issue());
  const renewed = serialOf(await world.get(`${url}/health`));
  assert.notEqual(renewed, before);
  world.file("moving.crt", "rubbish");
  assert.equal(serialOf(await world.get(`${url}/health`)), renewed);
  assert.ok(
    member.logger
      .messages("warn")
      .includes("cannot use changed TLS files; the last good ones stay in force"),
  );
  const { body } = (await world.get(`${url}/metrics`)) as { body: string };
  assert.match(body, /etcd_tls_reload_failures_total\{[^}]*What="certificate"[^}]*\} 1/);
  const second = events.next();
  await client.kv.put("k", "2");
  assert.equal((await second).done, false);
});

test("files that cannot serve refuse the start in etcd's words", async () => {
  const { certFile, keyFile } = SERVER;
  const other = world.pair("other", world.authority.issue());
  const listenClientUrls = ["https://127.0.0.1:0"];
  const advertiseClientUrls = ["https://127.0.0.1:1"];
  const cases = [
    [{ certFile, keyFile: other.keyFile }, "tls: private key does not match public key"],
    [{ certFile: "/none", keyFile }, "open /none: no such file or directory"],
    [{ certFile, keyFile, trustedCaFile: "/none" }, "open /none: no such file or directory"],
    // A key among the authorities: somebody has mixed the files up.
    [{ certFile, keyFile, trustedCaFile: keyFile }, "x509: malformed tbs certificate"],
    [
      { certFile, keyFile, clientCrlFile: world.file("x.crl", "x"), clientCertAuth: true },
      "x509: malformed crl",
    ],
  ] as const;
  for (const [files, message] of cases) {
    const start = world.start("refused", { listenClientUrls, advertiseClientUrls, ...files });
    await assert.rejects(start, { message });
  }
});

test("--auto-tls makes a certificate once, and serves with it", async () => {
  const input = {
    autoTls: true,
    listenClientUrls: ["https://127.0.0.1:0"],
    advertiseClientUrls: ["https://127.0.0.1:1"],
  };
  const member = await world.start("auto", input);
  const [url = ""] = member.etcd.clientAddresses;
  assert.equal(await world.get(`${url}/health`), "DEPTH_ZERO_SELF_SIGNED_CERT");
  // Whoever trusts the file trusts the member; at the next start it is the same.
  const ca = readFileSync(join(world.directory, "auto", "fixtures", "client", "cert.pem"), "utf8");
  const trusting = await world.get(`${url}/health`, { ca });
  assert.equal(typeof trusting === "string" ? trusting : trusting.status, 200);
  await member.etcd.stop();
  const again = await world.start("auto", input);
  const later = await world.get(`${again.etcd.clientAddresses[0]}/health`, { ca });
  assert.equal(serialOf(later), serialOf(trusting));
});
