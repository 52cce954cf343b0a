/**
 * `etcd-discovery` as the public service of the guides, over https: its token brings members of
 * the reference and ours together, by the guide's commands.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { TestAuthority } from "../src/platform/tls/testing/authority.ts";
import { EtcdProcess, missing, repositoryRoot } from "./harness.ts";
import { freePorts } from "../src/base/testing/free-ports.ts";

const curl = spawnSync("curl", ["--version"]).status === 0 ? false : "curl is missing";
const skip = missing("ours", "reference") || curl;
const scratch = mkdtempSync(join(tmpdir(), "etcd-discovery-"));
const authority = new TestAuthority();
let service: ChildProcess | undefined;
let url = "";

after(async () => {
  if (service?.exitCode === null) {
    service.kill();
    await new Promise((ended) => service?.once("close", ended));
  }
  rmSync(scratch, { recursive: true, force: true });
});

before(async () => {
  if (skip !== false) return;
  const { cert, key } = authority.issue({ hosts: ["127.0.0.1"] });
  for (const [name, text] of Object.entries({ "ca.crt": authority.cert, cert, key })) {
    writeFileSync(join(scratch, name), text);
  }
  const flags = ["--listen-url=https://127.0.0.1:0", "--cert-file=cert", "--key-file=key"];
  service = spawn(join(repositoryRoot, "bin", "etcd-discovery"), flags, {
    cwd: scratch,
    stdio: ["ignore", "ignore", "pipe"],
    env: { PATH: process.env.PATH, ETCD_NODE: process.execPath },
  });
  let log = "";
  for await (const chunk of service.stderr ?? []) {
    log += String(chunk);
    url = /"serving discovery","url":"([^"]+)"/.exec(log)?.[1] ?? "";
    if (url !== "") break;
  }
  assert.notEqual(url, "", log);
  service.stderr?.resume();
});

/** The guide's `curl https://discovery.etcd.io/new?size=3`. */
function newToken(): string {
  const args = ["--silent", "--cacert", join(scratch, "ca.crt"), `${url}/new?size=3`];
  return spawnSync("curl", args, { encoding: "utf8" }).stdout;
}

test(
  "1: curl …/new?size=3, etcd --discovery (three members), and their list",
  { skip },
  async () => {
    const token = newToken();
    assert.match(token, /^https:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32}$/);
    const ports = await freePorts(6);
    const env = { SSL_CERT_FILE: join(scratch, "ca.crt") };
    const members = (["ours", "reference", "ours"] as const).map((kind, i) => {
      const flags = [`--discovery=${token}`, "--initial-cluster="];
      const [client = 0, peer = 0] = ports.slice(2 * i);
      return new EtcdProcess({ kind, name: `etcd${i + 1}`, flags, env }, client, peer);
    });
    try {
      await Promise.all(members.map((member) => member.start()));
      const endpoints = members.map(({ clientUrl }) => clientUrl).join(",");
      const etcdctl = (...words: string[]): string => {
        const program = join(repositoryRoot, "bin", "etcdctl");
        return spawnSync(program, [`--endpoints=${endpoints}`, ...words], { encoding: "utf8" })
          .stdout;
      };
      const listed = etcdctl("member", "list")
        .split("\n")
        .map((line) => line.split(", ")[2] ?? "");
      assert.deepEqual(listed.sort(), ["", "etcd1", "etcd2", "etcd3"]);
      const health = etcdctl("endpoint", "health");
      assert.equal(health.match(/is healthy: successfully committed proposal/g)?.length, 3, health);
    } finally {
      await Promise.all(members.map((member) => member[Symbol.asyncDispose]()));
    }
  },
);
