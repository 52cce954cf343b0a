/**
 * Known passwords, tokens and keys go through a member that tells everything (`--log-level debug`,
 * every request slow enough to be traced), by every way in, right and wrong. Afterwards none of them
 * stands in its log, its files, its metrics or what it answered to others.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { WebSocket } from "ws";
import { bytes, RpcClient } from "../src/embed/e2e/rpc-client.ts";
import { until } from "../src/embed/e2e/wait.ts";
import { TestAuthority } from "../src/platform/tls/testing/authority.ts";
import { type EtcdProcess, missing, repositoryRoot, startEtcd } from "./harness.ts";
import { freePorts } from "../src/base/testing/free-ports.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const skip = missing("ours");
const scratch = mkdtempSync(join(tmpdir(), "etcd-secrets-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

const PASSWORDS = {
  root: "pW-root-4711-xyzzy",
  alice: "pW-alice-0815-plugh",
  changed: "pW-changed-1234-frotz",
  wrong: "pW-wrong-9999-gnusto",
} as const;

function file(name: string, content: string): string {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return path;
}

const authority = new TestAuthority();
const server = authority.issue();
const jwt = generateKeyPairSync("rsa", { modulusLength: 2048 });
const jwtKey = jwt.privateKey.export({ type: "pkcs1", format: "pem" }).toString();
const JWT =
  `jwt,sign-method=RS256,ttl=1h,priv-key=${file("jwt.key", jwtKey)},` +
  `pub-key=${file("jwt.pub", jwt.publicKey.export({ type: "spki", format: "pem" }).toString())}`;

/** Each line of a PEM key; all of them are secret. */
function linesOf(pem: string): string[] {
  return pem.split("\n").filter((line) => line.length > 30 && !line.startsWith("-----"));
}

/** A member, what was told to it in confidence, and what it said. */
class Interrogation {
  readonly etcd: EtcdProcess;
  readonly secrets = new Map<string, string>(
    Object.entries(PASSWORDS).map(([name, value]) => [`password of ${name}`, value]),
  );
  /** Everything that a member answered to whoever need not know. */
  readonly said: string[] = [];

  constructor(etcd: EtcdProcess) {
    this.etcd = etcd;
    for (const [what, pem] of [["TLS key", server.key] as const, ["JWT key", jwtKey] as const]) {
      for (const [i, line] of linesOf(pem).entries()) this.secrets.set(`${what}, line ${i}`, line);
    }
  }

  /** Remembers a token, and the letters that make a simple one. */
  token(token: string): string {
    this.secrets.set(`token ${this.secrets.size}`, token);
    return token;
  }

  async refused(call: Promise<unknown>): Promise<void> {
    const error = await call.then(
      () => undefined,
      (failure: unknown) => failure,
    );
    assert.ok(error instanceof Error, "a call that should have failed");
    this.said.push(error.message);
  }

  async post(path: string, body: string, headers: Record<string, string> = {}): Promise<string> {
    const response = await fetch(this.etcd.clientUrl + path, { method: "POST", body, headers });
    return await response.text();
  }

  /** Hears what the member says of itself, and stops it. */
  async finish(): Promise<void> {
    for (const path of ["/metrics", "/debug/vars", "/debug/requests", "/config", "/health", "/x"]) {
      this.said.push(await (await fetch(this.etcd.clientUrl + path)).text());
    }
    await this.etcd.stop();
  }

  assertNothingTold(): void {
    const places = new Map<string, string>([
      ["the log", this.etcd.logText],
      ["an answer", this.said.join("\n")],
    ]);
    for (const folder of ["wal", "snap"]) {
      const path = join(this.etcd.dataDir, "member", folder);
      for (const name of readdirSync(path)) {
        places.set(`${folder}/${name}`, readFileSync(join(path, name), "latin1"));
      }
    }
    for (const [place, content] of places) {
      for (const [what, secret] of this.secrets) {
        for (const form of [secret, Buffer.from(secret).toString("base64")]) {
          assert.ok(!content.includes(form), `${place} has the ${what}: ${around(content, form)}`);
        }
      }
    }
  }
}

function around(content: string, secret: string): string {
  const at = content.indexOf(secret);
  return content.slice(Math.max(0, at - 300), at + secret.length + 50);
}

async function overGrpc(it: Interrogation): Promise<string> {
  const client = await RpcClient.connect(Number(new URL(it.etcd.clientUrl).port));
  const { call } = client;
  const ask: typeof call = call.bind(client);
  const { root, alice, changed, wrong } = PASSWORDS;
  for (const [name, password] of Object.entries({ root, alice })) {
    await ask("/etcdserverpb.Auth/UserAdd", { name, password });
    await it.refused(ask("/etcdserverpb.Auth/UserAdd", { name, password }));
  }
  await it.refused(ask("/etcdserverpb.Auth/UserAdd", { name: "", password: wrong }));
  await ask("/etcdserverpb.Auth/RoleAdd", { name: "root" });
  await ask("/etcdserverpb.Auth/UserGrantRole", { user: "root", role: "root" });
  await it.refused(ask("/etcdserverpb.Auth/Authenticate", { name: "root", password: root }));
  await ask("/etcdserverpb.Auth/AuthEnable", {});
  for (const name of ["alice", "nobody", ""]) {
    await it.refused(ask("/etcdserverpb.Auth/Authenticate", { name, password: wrong }));
  }
  // A password where a name should be, and messages that are none.
  await it.refused(ask("/etcdserverpb.Auth/Authenticate", { name: "x", password: alice }));
  for (const path of ["Auth/Authenticate", "Auth/UserAdd", "Auth/UserChangePassword", "KV/Put"]) {
    const broken = Buffer.concat([Buffer.from([0x0a, 0x7f]), bytes(`${root}${alice}`)]);
    await it.refused(client.connection.unary(`/etcdserverpb.${path}`, broken));
  }
  const { token } = await ask("/etcdserverpb.Auth/Authenticate", { name: "root", password: root });
  it.token(token);
  for (const metadata of [
    { token },
    { authorization: token },
    { authorization: `Bearer ${token}` },
  ]) {
    await client.call("/etcdserverpb.KV/Put", { key: bytes("k"), value: bytes("v") }, { metadata });
  }
  const password = changed;
  const metadata = { token };
  await client.call(
    "/etcdserverpb.Auth/UserChangePassword",
    { name: "alice", password },
    { metadata },
  );
  for (const bad of [`${token}x`, `x${token}`, token.slice(1)]) {
    it.token(bad);
    const options = { metadata: { token: bad } };
    await it.refused(client.call("/etcdserverpb.KV/Range", { key: bytes("k") }, options));
  }
  const watch = client.watch({ metadata });
  await watch.create("k");
  watch.close();
  client.close();
  return token;
}

async function overGateway(it: Interrogation, token: string): Promise<void> {
  const { changed, wrong, root } = PASSWORDS;
  const login = JSON.stringify({ name: "alice", password: changed });
  it.token((JSON.parse(await it.post("/v3/auth/authenticate", login)) as { token: string }).token);
  it.said.push(
    await it.post("/v3/auth/authenticate", JSON.stringify({ name: "alice", password: wrong })),
    await it.post("/v3/auth/authenticate", `{"name":"root","password":["${root}"]}`),
    await it.post("/v3/auth/authenticate", `{"name":"root","password":"${root}"`),
    await it.post("/v3/auth/authenticate", `{"name":"root","password":"${root}",}`),
    await it.post("/v3/auth/user/add", `{"name":7,"password":"${wrong}"}`, {
      authorization: token,
    }),
    await it.post("/v3/auth/user/changepw", `{"name":"x","password":"${wrong}"}`),
    await it.post("/v3/kv/range", '{"key":"aw=="}', { authorization: token }),
    await it.post("/v3/kv/range", '{"key":"aw=="}', { authorization: `Bearer ${token}x` }),
    await it.post(`/v3/nothing?token=${token}`, "{}", { authorization: token }),
  );
  const url = `${it.etcd.clientUrl.replace("http", "ws")}/v3/watch`;
  for (const shown of [token, `${token}x`]) {
    const socket = new WebSocket(url, ["Bearer", shown]);
    const ended = new Promise((resolve) => {
      socket.once("message", resolve);
      socket.once("close", resolve);
      socket.once("error", resolve);
    });
    socket.once("open", () => socket.send('{"create_request":{"key":"aw=="}}'));
    it.said.push(String(await ended));
    socket.terminate();
  }
}

function withEtcdctl(it: Interrogation): void {
  const { root, changed, wrong } = PASSWORDS;
  const { PATH = "" } = process.env;
  const env = { PATH, HOME: scratch, ETCD_NODE: process.execPath };
  const run = (args: readonly string[], more: Record<string, string> = {}): void => {
    const { stdout, stderr } = spawnSync(
      join(repositoryRoot, "bin", "etcdctl"),
      ["--endpoints", it.etcd.clientUrl, "--debug", ...args],
      { encoding: "utf8", env: { ...env, ...more }, timeout: PATIENCE_MS },
    );
    it.said.push(stdout, stderr);
  };
  run(["--user", `root:${root}`, "get", "k"]);
  run(["--user", "root", "--password", wrong, "get", "k"]);
  run(["get", "k"], { ETCDCTL_USER: `alice:${changed}` });
  run(["get", "k"], { ETCDCTL_USER: "alice", ETCDCTL_PASSWORD: wrong });
  run(["--user", `root:${root}`, "user", "add", `bob:${wrong}`]);
  run(["--user", `root:${root}`, "user", "add", `bob:${wrong}`]);
  run(["--user", `root:${root}`, "--no-such-flag", "get", "k"]);
}

for (const [kind, flag] of Object.entries({ simple: "simple", "JSON web": JWT })) {
  test(`passwords, ${kind} tokens and keys are told to nobody`, { skip }, async () => {
    const [port = 0] = await freePorts(1);
    const plain = `http://127.0.0.1:${port}`;
    await using etcd = await startEtcd({
      kind: "ours",
      flags: [
        ...[`--listen-client-urls=https://127.0.0.1:${port},${plain}`, "--log-level=debug"],
        ...[`--cert-file=${file("s.crt", server.cert)}`, `--key-file=${file("s.key", server.key)}`],
        ...[`--auth-token=${flag}`, "--bcrypt-cost=4", "--enable-pprof", "--snapshot-count=5"],
        ...["--warning-apply-duration=1ns", "--warning-unary-request-duration=1ns"],
      ],
    });
    Object.defineProperty(etcd, "clientUrl", { value: plain });
    const it = new Interrogation(etcd);
    const token = await overGrpc(it);
    await overGateway(it, token);
    withEtcdctl(it);
    await until(() => etcd.logText.includes("saved snapshot"), "a snapshot");
    await it.finish();
    // Otherwise nothing would have been tried.
    assert.match(etcd.logText, /"level":"debug"/);
    assert.match(etcd.logText, /apply request took too long/);
    assert.match(etcd.logText, /invalid auth token/);
    it.assertNothingTold();
  });
}
