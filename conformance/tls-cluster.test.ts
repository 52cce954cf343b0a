/**
 * Members of both kinds that talk TLS to each other, with certificates of one authority: they hold
 * the same data, catch up from each other's databases, and serve each other's tools.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { TestAuthority } from "../src/platform/tls/testing/authority.ts";
import { assertAgreement, randomLoad, Writer } from "./cluster-world.ts";
import { type EtcdKind, EtcdProcess, missing, repositoryRoot } from "./harness.ts";
import { freePorts } from "../src/base/testing/free-ports.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const skip = missing("reference", "ours");
const SEED = Number(process.env.ETCD_SEED ?? Date.now() % 1_000_000_007);
const LOAD = 300;
/** More than etcd keeps for a member that is behind. */
const ENTRIES_BEHIND = 8000;

const scratch = mkdtempSync(join(tmpdir(), "etcd-tls-cluster-"));
after(() => rmSync(scratch, { recursive: true, force: true }));
const authority = new TestAuthority();

function file(name: string, content: string | Buffer): string {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return path;
}

const member = authority.issue({ commonName: "member" });
const crl = file("revoked.crl", authority.revoke([authority.issue().cert]));
const ca = file("ca.crt", authority.cert);
const cert = file("member.crt", member.cert);
const key = file("member.key", member.key);
const SECURITY = [
  ...[`--cert-file=${cert}`, `--key-file=${key}`, `--trusted-ca-file=${ca}`, "--client-cert-auth"],
  ...[`--peer-cert-file=${cert}`, `--peer-key-file=${key}`, `--peer-trusted-ca-file=${ca}`],
  ...["--peer-client-cert-auth", "--snapshot-count=100"],
  ...[`--client-crl-file=${crl}`, `--peer-crl-file=${crl}`],
];
const BY_NAME = "--peer-cert-allowed-cn=member";
const BY_HOST = "--peer-cert-allowed-hostname=localhost";

class SecureCluster implements AsyncDisposable {
  readonly members: EtcdProcess[] = [];
  readonly secureUrls: string[] = [];

  /** `rule` says which certificates are members'. */
  static async start(kinds: readonly EtcdKind[], rule: string): Promise<SecureCluster> {
    const world = new SecureCluster();
    const ports = await freePorts(3 * kinds.length);
    const at = (i: number, which: 0 | 1 | 2): number => ports[3 * i + which] ?? 0;
    const peerUrl = (i: number): string => `https://127.0.0.1:${at(i, 1)}`;
    const initial = kinds.map((_, i) => `m${i}=${peerUrl(i)}`).join(",");
    for (const [i, kind] of kinds.entries()) {
      const secureUrl = `https://127.0.0.1:${at(i, 2)}`;
      const flags = [
        `--listen-client-urls=http://127.0.0.1:${at(i, 0)},${secureUrl}`,
        `--listen-peer-urls=${peerUrl(i)}`,
        `--initial-advertise-peer-urls=${peerUrl(i)}`,
        `--initial-cluster=${initial}`,
        ...SECURITY,
        rule,
      ];
      world.members.push(new EtcdProcess({ kind, name: `m${i}`, flags }, at(i, 0), at(i, 1)));
      world.secureUrls.push(secureUrl);
    }
    await Promise.all(world.members.map((each) => each.start()));
    return world;
  }

  get clientUrls(): string[] {
    return this.members.map(({ clientUrl }) => clientUrl);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((each) => each[Symbol.asyncDispose]()));
  }
}

const OURS = join(repositoryRoot, "bin", "etcdctl");
const REFERENCE = process.env.ETCDCTL ?? "etcdctl";

function etcdctl(program: string, endpoint: string, ...args: string[]): string {
  const files = [`--cacert=${ca}`, `--cert=${cert}`, `--key=${key}`];
  const { PATH = "" } = process.env;
  const { stdout, stderr } = spawnSync(program, ["--endpoints", endpoint, ...files, ...args], {
    encoding: "utf8",
    env: { PATH, HOME: scratch, ETCDCTL_API: "3", ETCD_NODE: process.execPath },
    timeout: PATIENCE_MS,
  });
  // Since 3.6 it says in its log that it does not know the variable.
  return stdout + stderr.replace(/^\{"level":"warn",.*unrecognized environment variable.*\n/m, "");
}

for (const [kinds, rule] of [
  [["ours", "reference", "ours"], BY_NAME],
  [["reference", "ours", "reference"], BY_HOST],
] as const) {
  test(`${kinds.join(", ")} with ${rule} hold the same (seed ${SEED})`, { skip }, async () => {
    await using world = await SecureCluster.start(kinds, rule);
    await randomLoad(world.clientUrls, SEED, LOAD);
    await assertAgreement(world.members);
    for (const [i, url] of world.secureUrls.entries()) {
      for (const program of [OURS, REFERENCE]) {
        assert.equal(etcdctl(program, url, "put", `by/${i}`, program), "OK\n");
        assert.equal(etcdctl(program, url, "get", `by/${i}`), `by/${i}\n${program}\n`);
      }
    }
    await assertAgreement(world.members);
  });
}

test("databases are sent both ways over TLS to a member that was away", { skip }, async () => {
  await using world = await SecureCluster.start(["reference", "ours", "ours"], BY_NAME);
  for (const away of [world.members[0], world.members[1]]) {
    assert.ok(away !== undefined);
    await away.stop();
    const others = world.members.filter((each) => each !== away);
    const writer = new Writer(
      others.map(({ clientUrl }) => clientUrl),
      20_000,
      32,
    );
    while (writer.attempts < ENTRIES_BEHIND) await new Promise((next) => setImmediate(next));
    await writer.stop();
    await away.start();
    await assertAgreement(world.members, [writer]);
  }
});
