/**
 * `etcd --proxy on|readonly` beside a reference etcd's, in front of the reference's member with its
 * v2 API: the same requests, the same answers; and what is left on disk.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { until } from "../src/embed/e2e/wait.ts";
import {
  binaryOf,
  type EtcdKind,
  type EtcdProcess,
  missing,
  startEtcd,
  versionOf,
} from "./harness.ts";
import { freePorts } from "../src/base/testing/free-ports.ts";

/** 3.6 has no proxy any more. */
const isTooNew = !/^3\.[345]\./.test(versionOf("reference") ?? "");
const skip =
  missing("ours") || missing("reference") || (isTooNew && "the reference has no v2 proxy");
const scratch = mkdtempSync(join(tmpdir(), "etcd-v2-proxy-"));
let member: EtcdProcess;

class ProxyProcess {
  readonly url: string;
  readonly directory: string;
  readonly #child: ChildProcess;
  log = "";

  constructor(kind: EtcdKind, port: number, peerURL: string, flags: readonly string[]) {
    this.url = `http://127.0.0.1:${port}`;
    this.directory = join(scratch, `${kind}-${port}`);
    const own = ["--data-dir", this.directory, "--listen-client-urls", this.url];
    const old = kind === "reference" ? ["--logger=zap", "--log-outputs=stderr"] : [];
    const cluster = ["--initial-cluster", `default=${peerURL}`];
    this.#child = spawn(binaryOf(kind), [...old, ...own, ...cluster, ...flags], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { PATH: process.env["PATH"] ?? "", ETCD_NODE: process.execPath },
    });
    this.#child.stderr?.on("data", (text) => {
      this.log += String(text);
    });
  }

  /** Serves, and has found the member. */
  async serving(): Promise<this> {
    await until(() => this.log.includes("endpoints found"), `the proxy to serve: ${this.log}`);
    await until(
      async () => (await ask(this.url, "GET /version").catch(() => undefined)) !== undefined,
      "an answer",
    );
    return this;
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    if (this.#child.exitCode === null && this.#child.signalCode === null)
      await once(this.#child, "exit");
  }
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

const SHOWN = [
  "content-type",
  "allow",
  "x-etcd-cluster-id",
  "x-etcd-index",
  "access-control-allow-origin",
  "access-control-allow-methods",
];

function ask(url: string, line: string, body = ""): Promise<Answer> {
  const [method = "", path = ""] = line.split(" ");
  return new Promise((resolve, reject) => {
    const form = body === "" ? {} : { "content-type": "application/x-www-form-urlencoded" };
    const outgoing = httpRequest(
      `${url}${path}`,
      { method, headers: form, agent: false },
      (incoming) => {
        let text = "";
        incoming.on("error", reject);
        incoming.on("data", (part) => {
          text += String(part);
        });
        incoming.on("end", () => {
          const headers = Object.fromEntries(
            SHOWN.map((name) => [name, onlyOnce(incoming.headers[name])]),
          );
          resolve({ status: incoming.statusCode, headers, body: text });
        });
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

/** etcd's proxy adds what the member has said already. */
function onlyOnce(value: string | string[] | undefined): string | undefined {
  const text = String(value);
  const half = /^(.*), \1$/.exec(text);
  return half?.[1] ?? text;
}

before(async () => {
  if (skip !== false) return;
  member = await startEtcd({ kind: "reference", flags: ["--enable-v2"] });
});
after(async () => {
  if (skip === false) await member[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true, force: true });
});

async function proxy(
  t: { after(run: () => Promise<void>): void },
  kind: EtcdKind,
  ...flags: string[]
): Promise<ProxyProcess> {
  const [port = 0] = await freePorts(1);
  const started = new ProxyProcess(kind, port, member.peerUrl, flags);
  t.after(() => started.kill());
  return await started.serving();
}

const REQUESTS: readonly (readonly [line: string, body?: string])[] = [
  ["PUT /v2/keys/a", "value=1"],
  ["GET /v2/keys/a"],
  ["GET /v2/keys/a?quorum=true"],
  ["HEAD /v2/keys/a"],
  ["PUT /v2/keys/a?prevValue=2", "value=3"],
  ["PUT /v2/keys/large", `value=${"x".repeat(300_000)}`],
  ["GET /v2/keys/none"],
  ["DELETE /v2/keys/a"],
  ["GET /v2/keys/a?wait=true&waitIndex=1"],
  ["GET /health"],
  ["GET /version"],
  ["GET /nowhere"],
  ["OPTIONS /v2/keys/a"],
  ["POST /v2/config/local/proxy"],
];

/** Without what differs from request to request. */
function plain({ status, headers, body }: Answer): unknown {
  const text = body.replace(/"(modifiedIndex|createdIndex|index)":\d+/g, '"$1":N');
  return {
    status,
    headers: { ...headers, "x-etcd-index": typeof headers["x-etcd-index"] },
    body: text,
  };
}

/** From an empty store. */
async function answers({ url }: ProxyProcess): Promise<unknown[]> {
  for (const key of ["a", "large"]) await ask(member.clientUrl, `DELETE /v2/keys/${key}`);
  const all: unknown[] = [];
  for (const [line, body] of REQUESTS) all.push([line, plain(await ask(url, line, body))]);
  return all;
}

for (const mode of ["on", "readonly"]) {
  test(`a proxy that is ${mode} answers as the reference's`, { skip }, async (t) => {
    const ours = await proxy(t, "ours", "--proxy", mode);
    const theirs = await proxy(t, "reference", "--proxy", mode);
    assert.deepEqual(await answers(ours), await answers(theirs));
    const config = await ask(ours.url, "GET /v2/config/local/proxy");
    assert.deepEqual(config, await ask(theirs.url, "GET /v2/config/local/proxy"));
    const [file, other] = [ours, theirs].map(({ directory }) =>
      readFileSync(join(directory, "proxy", "cluster"), "utf8"),
    );
    assert.equal(file, other);
  });
}

test(
  "a member that goes away and comes back, in the words of the reference",
  { skip },
  async (t) => {
    const own = await startEtcd({ kind: "reference", flags: ["--enable-v2"] });
    t.after(() => own[Symbol.asyncDispose]());
    const kinds = ["ours", "reference"] as const;
    const proxies = await Promise.all(
      kinds.map(async (kind) => {
        const [port = 0] = await freePorts(1);
        const flags = [
          "--proxy",
          "on",
          "--proxy-failure-wait",
          "1000",
          "--proxy-refresh-interval",
          "60000",
        ];
        const started = new ProxyProcess(kind, port, own.peerUrl, flags);
        t.after(() => started.kill());
        return await started.serving();
      }),
    );
    await own.stop();
    for (const path of ["GET /health", "GET /health"]) {
      const [ours, theirs] = await Promise.all(proxies.map(({ url }) => ask(url, path)));
      assert.deepEqual(ours, theirs, path);
    }
    await own.start();
    for (const { url } of proxies) {
      await until(async () => (await ask(url, "GET /health")).status === 200, "the member again");
    }
  },
);
