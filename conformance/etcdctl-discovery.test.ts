/**
 * `etcdctl --discovery-srv` beside Debian's, for API v3 and v2: both programs ask the same DNS
 * server (dnsmasq on a loopback address of its own) for SRV records that lead to members of
 * Debian's etcd. A mount namespace gives them another /etc/resolv.conf; the machine's stays.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type EtcdProcess, missing, repositoryRoot, startEtcd } from "./harness.ts";
import { freePorts } from "../src/base/testing/free-ports.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const REFERENCE = process.env.ETCDCTL ?? "etcdctl";
const OURS = join(repositoryRoot, "bin", "etcdctl");
/** As JSON, or in 3.4 as text. */
const LOG_LINE = /^(\{"level"|\d{4}-\d\d-\d\d [\d:.]+ [A-Z] \| ).*\n/gm;
const WITH_RESOLVER = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';

const scratch = mkdtempSync(join(tmpdir(), "etcdctl-discovery-"));
const resolver = join(scratch, "resolv.conf");
/** Port 53 of another address each time, so runs side by side do not meet. */
const dnsAddress = `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(2, 255)}`;
writeFileSync(resolver, `nameserver ${dnsAddress}\n`);

let securePort = 0;
let dns: ChildProcess | undefined;
let plain: EtcdProcess | undefined;
let secure: EtcdProcess | undefined;
after(async () => {
  dns?.kill("SIGKILL");
  await plain?.[Symbol.asyncDispose]();
  await secure?.[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true, force: true });
});

interface Said {
  readonly out: string;
  /** Without log lines. */
  readonly err: string;
  readonly status: number | null;
}

/** Runs a program that sees our name server. */
function run(program: string, line: string, env: Readonly<Record<string, string>>): Said {
  const args = line.split(" ").filter((word) => word !== "");
  const command = ["--mount", "sh", "-c", WITH_RESOLVER, resolver, program, ...args];
  const { PATH = "" } = process.env;
  const { stdout, stderr, status } = spawnSync("unshare", command, {
    encoding: "utf8",
    cwd: scratch,
    env: { PATH, HOME: scratch, ETCD_NODE: process.execPath, ...env },
    timeout: PATIENCE_MS,
  });
  return { out: stdout ?? "", err: (stderr ?? "").replace(LOG_LINE, ""), status };
}

function whyNot(): string | false {
  const absent = missing("reference");
  if (absent !== false) return absent;
  if (spawnSync("dnsmasq", ["--version"]).status !== 0) return "dnsmasq is missing";
  if (spawnSync("openssl", ["version"]).status !== 0) return "openssl is missing";
  if (run("true", "", {}).status !== 0) return "mount namespaces are not permitted";
  if (run(REFERENCE, "version", { ETCDCTL_API: "3" }).status !== 0) return "no etcdctl of Debian";
  return run(OURS, "version", {}).status === 0 ? false : "etcdctl is not built";
}

const skip = whyNot();

function openssl(...args: string[]): void {
  const { status, stderr } = spawnSync("openssl", args, { cwd: scratch, encoding: "utf8" });
  assert.equal(status, 0, stderr);
}

/** server.crt for the member's name and for the domain, signed by itself. */
function makeCertificate(): void {
  const names = "subjectAltName=DNS:member.secure.test,DNS:secure.test";
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const files = ["-keyout", "server.key", "-out", "server.crt", "-days", "30"];
  openssl("req", "-x509", ...key, ...files, "-subj", "/CN=server", "-addext", names);
}

const portOf = (etcd: EtcdProcess): string => new URL(etcd.clientUrl).port;

/** A member that speaks TLS on a second address, which is what its record names. */
async function startSecureMember(port: number): Promise<EtcdProcess> {
  const files = ["cert", "key"].map(
    (kind) => `--${kind}-file=${join(scratch, kind === "cert" ? "server.crt" : "server.key")}`,
  );
  const [other] = await freePorts(1);
  return await startEtcd({
    kind: "reference",
    flags: [
      ...files,
      "--enable-v2",
      `--listen-client-urls=http://127.0.0.1:${other},https://127.0.0.1:${port}`,
      `--advertise-client-urls=https://member.secure.test:${port}`,
    ],
    readyText: /serving (insecure )?client/,
  });
}

async function startNameServer(records: readonly string[]): Promise<void> {
  const settings = [
    "--no-resolv",
    "--no-hosts",
    "--bind-interfaces",
    "--local=/test/",
    "--pid-file",
  ];
  const server = spawn(
    "dnsmasq",
    [
      "--keep-in-foreground",
      "--conf-file=/dev/null",
      "--log-facility=-",
      "--user=root",
      `--listen-address=${dnsAddress}`,
      ...settings,
      ...records,
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  dns = server;
  let log = "";
  for await (const chunk of server.stderr) {
    log += String(chunk);
    if (log.includes("started, version")) break;
  }
  assert.match(log, /started, version/);
}

before(async () => {
  if (skip !== false) return;
  makeCertificate();
  const [first = 0, deadPort = 0] = await freePorts(2);
  securePort = first;
  plain = await startEtcd({ kind: "reference", flags: ["--enable-v2"] });
  secure = await startSecureMember(securePort);
  const record = (service: string, target: string, port: number | string): string =>
    `--srv-host=_etcd-client${service},${target},${port}`;
  await startNameServer([
    record("._tcp.plain.test", "member.plain.test", portOf(plain)),
    record("-blue._tcp.plain.test", "member.plain.test", portOf(plain)),
    record("-ssl._tcp.secure.test", "member.secure.test", securePort),
    record("-ssl._tcp.both.test", "member.secure.test", securePort),
    record("._tcp.both.test", "member.secure.test", portOf(plain)),
    `${record("._tcp.two.test", "member.plain.test", deadPort)},10`,
    `${record("._tcp.two.test", "member.plain.test", portOf(plain))},20`,
    record("-ssl._tcp.lost.test", "member.lost.test", securePort),
    "--address=/member.plain.test/127.0.0.1",
    "--address=/member.secure.test/127.0.0.1",
  ]);
});

const LIMITS = "--command-timeout=900ms --dial-timeout=900ms";
const CA = "--cacert server.crt";

/** The name server answers for .test alone, and refuses other domains. */
const V3_LINES = [
  "--discovery-srv plain.test put k v1",
  "--discovery-srv plain.test get k",
  "-d plain.test get k",
  "--discovery-srv plain.test member list -w json",
  "--discovery-srv plain.test --discovery-srv-name blue get k",
  "--discovery-srv plain.test --discovery-srv-name red get k",
  "--discovery-srv plain.test --endpoints 127.0.0.1:1 get k",
  "--discovery-srv plain.test --insecure-discovery=false --endpoints 127.0.0.1:1 get k",
  "--discovery-srv plain.test --insecure-discovery=false --endpoints {plain} get k",
  `--discovery-srv secure.test ${CA} put s v2`,
  `--discovery-srv secure.test ${CA} get s`,
  `--discovery-srv secure.test ${CA} --insecure-discovery=false get s`,
  "--discovery-srv secure.test get s",
  "--discovery-srv secure.test --insecure-skip-tls-verify --insecure-transport=false get s",
  `--discovery-srv both.test ${CA} --insecure-discovery=false get s`,
  "--discovery-srv two.test get k",
  "--discovery-srv lost.test get k",
  "--discovery-srv none.test get k",
  "--discovery-srv elsewhere.example get k",
  "--discovery-srv= --endpoints {plain} get k",
  "--discovery-srv none.test version",
];

test("endpoints from SRV records, API v3, as with the reference", { skip }, () => {
  const host = plain?.clientUrl.replace("http://", "") ?? "";
  for (const line of V3_LINES) {
    const whole = `${LIMITS} ${line.replace("{plain}", host)}`;
    const env = { ETCDCTL_API: "3" };
    const ours = run(OURS, whole, env);
    const theirs = run(REFERENCE, whole, env);
    if (line.endsWith("version")) {
      assert.deepEqual([ours.status, ours.err], [theirs.status, theirs.err], line);
    } else {
      assert.deepEqual(ours, theirs, line);
    }
  }
  const env = { ETCDCTL_API: "3", ETCDCTL_DISCOVERY_SRV: "plain.test" };
  assert.deepEqual(run(OURS, "get k", env), { out: "k\nv1\n", err: "", status: 0 });
});

test("endpoint health asks the discovered members", { skip }, () => {
  const { out, err, status } = run(OURS, "--discovery-srv plain.test endpoint health", {});
  assert.match(out + err, /^http:\/\/member\.plain\.test\.:\d+ is healthy: /);
  assert.equal(status, 0);
});

const V2_LINES = [
  "--discovery-srv plain.test --insecure-discovery --no-sync set k v1",
  "--discovery-srv plain.test --insecure-discovery get k",
  "-D plain.test --insecure-discovery ls",
  "--discovery-srv plain.test --insecure-discovery cluster-health",
  "--discovery-srv plain.test --endpoints http://127.0.0.1:1 get k",
  "--discovery-srv secure.test --ca-file server.crt set s v2",
  "--discovery-srv secure.test --ca-file server.crt --insecure-discovery get s",
  "--discovery-srv secure.test get s",
  "--endpoints {secure-address} --ca-file server.crt get s",
  "--discovery-srv both.test --ca-file server.crt get s",
  "--discovery-srv two.test --insecure-discovery --no-sync get k",
  "--discovery-srv lost.test get k",
  "--discovery-srv none.test get k",
  "--discovery-srv elsewhere.example get k",
];

test("endpoints from SRV records, API v2, as with the reference", { skip }, () => {
  for (const template of V2_LINES) {
    const line = template.replace("{secure-address}", `https://127.0.0.1:${securePort}`);
    const env = { ETCDCTL_API: "2" };
    assert.deepEqual(run(OURS, line, env), run(REFERENCE, line, env), line);
  }
});
