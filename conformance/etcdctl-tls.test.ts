/**
 * etcdctl's TLS flags beside Debian's: both programs, the same certificates, the same two members of
 * Debian's etcd, one of which asks clients for certificates. And passwords that are typed on a
 * terminal, which Python's pty module stands for.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { missing, repositoryRoot, startEtcd } from "./harness.ts";
import { freePorts } from "../src/base/testing/free-ports.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const REFERENCE = process.env.ETCDCTL ?? "etcdctl";
const OURS = join(repositoryRoot, "bin", "etcdctl");
/** As JSON, or in 3.4 as text. */
const LOG_LINE = /^(\{"level"|\d{4}-\d\d-\d\d [\d:.]+ [A-Z] \| ).*\n/gm;
const LIMITS = ["--command-timeout=600ms", "--dial-timeout=600ms"];

const scratch = mkdtempSync(join(tmpdir(), "etcdctl-tls-"));
const members: ChildProcess[] = [];
after(() => {
  for (const member of members) member.kill("SIGKILL");
  rmSync(scratch, { recursive: true, force: true });
});

interface Said {
  readonly out: string;
  /** Without log lines. */
  readonly err: string;
  readonly status: number | null;
}

function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Said {
  const { PATH = "" } = process.env;
  const { stdout, stderr, status } = spawnSync(program, args, {
    encoding: "utf8",
    cwd: scratch,
    env: { PATH, HOME: scratch, ETCDCTL_API: "3", ETCD_NODE: process.execPath, ...env },
    timeout: PATIENCE_MS,
  });
  return { out: stdout, err: (stderr ?? "").replace(LOG_LINE, ""), status };
}

const skip =
  missing("reference") ||
  (run("openssl", ["version"]).status === 0 ? false : "openssl is missing") ||
  (run(OURS, ["version"]).status === 0 ? false : "etcdctl is not built");

function openssl(...args: string[]): void {
  const { status, err } = run("openssl", args);
  assert.equal(status, 0, err);
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

function makeAuthority(name: string): void {
  const files = ["-keyout", `${name}.key`, "-out", `${name}.crt`];
  openssl("req", "-x509", ...NEW_KEY, ...files, "-days", "30", "-subj", `/CN=${name}`);
}

function makeLeaf(name: string, alternatives: string): void {
  openssl(
    "req",
    ...NEW_KEY,
    "-keyout",
    `${name}.key`,
    "-out",
    `${name}.csr`,
    "-subj",
    `/CN=${name}`,
  );
  const extensions = `subjectAltName=${alternatives}\nextendedKeyUsage=serverAuth,clientAuth\n`;
  writeFileSync(join(scratch, `${name}.ext`), extensions);
  const authority = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"];
  const files = ["-in", `${name}.csr`, "-out", `${name}.crt`, "-extfile", `${name}.ext`];
  openssl("x509", "-req", ...files, ...authority, "-days", "30");
}

/** Returns its address once it serves. */
async function startMember(name: string, cert: string, ...more: string[]): Promise<string> {
  const [clientPort, peerPort] = await freePorts(2);
  const client = `https://127.0.0.1:${clientPort}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  const member = spawn(
    process.env.ETCD_BINARY ?? "etcd",
    [
      `--name=${name}`,
      `--data-dir=${join(scratch, name)}`,
      `--cert-file=${join(scratch, `${cert}.crt`)}`,
      `--key-file=${join(scratch, `${cert}.key`)}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=${name}=${peer}`,
      "--logger=zap",
      ...more,
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  members.push(member);
  let log = "";
  for await (const chunk of member.stderr ?? []) {
    log += String(chunk);
    if (/serving client/.test(log)) break;
  }
  assert.match(log, /serving client/);
  return client;
}

let strict = "";
let wrongName = "";

before(async () => {
  if (skip !== false) return;
  makeAuthority("ca");
  makeAuthority("other");
  makeLeaf("server", "IP:127.0.0.1,DNS:localhost");
  makeLeaf("root", "DNS:root");
  makeLeaf("wrong", "DNS:elsewhere.example");
  writeFileSync(join(scratch, "text.pem"), "hello\n");
  const nothing = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
  writeFileSync(join(scratch, "bad.pem"), nothing);
  const trusted = `--trusted-ca-file=${join(scratch, "ca.crt")}`;
  strict = await startMember("strict", "server", "--client-cert-auth", trusted);
  wrongName = await startMember("wrongName", "wrong");
});

test("every combination of TLS flags ends as with the reference", { skip }, () => {
  const own = "--cacert ca.crt --cert root.crt --key root.key";
  const host = strict.replace("https://", "");
  const lines = [
    `--endpoints ${strict} ${own} put k v`,
    `--endpoints ${strict} ${own} get k`,
    `--endpoints ${strict} ${own} member list`,
    `--endpoints https://localhost:${host.split(":")[1]} ${own} get k`,
    `--endpoints ${host} ${own} get k`,
    `--endpoints ${host} ${own} --insecure-transport=false get k`,
    `--endpoints ${host} get k`,
    `--endpoints http://${host} ${own} get k`,
    `--endpoints ${strict} --cacert ca.crt get k`,
    `--endpoints ${strict} --cert root.crt --key root.key get k`,
    `--endpoints ${strict} --cacert other.crt --cert root.crt --key root.key get k`,
    `--endpoints ${strict} --cert root.crt --key root.key --insecure-skip-tls-verify get k`,
    `--endpoints ${strict} --cacert ca.crt --cert other.crt --key other.key get k`,
    `--endpoints ${strict} --cacert ca.crt --cert root.crt --key other.key get k`,
    `--endpoints ${strict} --cacert ca.crt --cert root.crt get k`,
    `--endpoints ${strict} --cacert ca.crt --key root.key get k`,
    `--endpoints ${strict} --cacert none --cert root.crt --key root.key get k`,
    `--endpoints ${strict} --cacert ca.crt --cert none --key root.key get k`,
    `--endpoints ${strict} --cacert ca.crt --cert root.crt --key none get k`,
    `--endpoints ${strict} --cacert bad.pem --cert root.crt --key root.key get k`,
    `--endpoints ${strict} --cacert ca.crt --cert bad.pem --key root.key get k`,
    `--endpoints ${strict} --cacert ca.crt --cert text.pem --key root.key get k`,
    `--endpoints ${strict} --cacert ca.crt --cert root.key --key root.key get k`,
    `--endpoints ${strict} --cacert ca.crt --cert root.crt --key text.pem get k`,
    `--endpoints ${strict} --cacert ca.crt --cert root.crt --key root.crt get k`,
    `--endpoints ${strict} --cacert= get k`,
    `--endpoints ${wrongName} --cacert ca.crt get k`,
    `--endpoints ${wrongName} --cacert ca.crt --insecure-skip-tls-verify get k`,
  ];
  for (const line of lines) {
    const args = [...LIMITS, ...line.split(" ")];
    assert.deepEqual(run(OURS, args), run(REFERENCE, args), line);
  }
  const env = {
    ETCDCTL_CACERT: "ca.crt",
    ETCDCTL_CERT: "root.crt",
    ETCDCTL_KEY: "root.key",
    ETCDCTL_ENDPOINTS: strict,
  };
  for (const line of ["get k", "get k --cert other.crt"]) {
    assert.deepEqual(run(OURS, line.split(" "), env), run(REFERENCE, line.split(" "), env), line);
  }
});

/** Starts a program on a terminal and types a line at each prompt, once nothing is echoed any more. */
const TYPIST = `
import os, pty, sys, select, termios, time
lines = sys.argv[1].split("|"); pid, fd = pty.fork()
if pid == 0: os.execvp(sys.argv[2], sys.argv[2:])
seen = b""; typed = 0; end = time.time() + 20
while time.time() < end:
    if select.select([fd], [], [], 0.05)[0]:
        try: data = os.read(fd, 4096)
        except OSError: break
        if not data: break
        seen += data
    hidden = not termios.tcgetattr(fd)[3] & termios.ECHO
    if hidden and typed < len(lines) and seen.count(b": ") > typed and seen.endswith(b": "):
        os.write(fd, lines[typed].encode() + b"\\n"); typed += 1
_, status = os.waitpid(pid, 0)
sys.stdout.write(seen.decode() + "status %d" % os.waitstatus_to_exitcode(status))
`;

test(
  "passwords are asked for on a terminal as the reference does, unseen",
  {
    skip: skip || (run("python3", ["--version"]).status === 0 ? false : "python3 is missing"),
  },
  async () => {
    await using first = await startEtcd({ kind: "reference" });
    await using second = await startEtcd({ kind: "reference" });
    const typed = (program: string, url: string, lines: string, command: string): string => {
      const args = ["-c", TYPIST, lines, program, "--endpoints", url, ...command.split(" ")];
      const { out, err } = run("python3", args);
      return (out + err).replace(/^\{"level".*\r?\n/gm, "").replace(/\r\n/g, "\n");
    };
    const steps: [lines: string, command: string][] = [
      ["geheim|geheim", "user add root"],
      ["one|two", "user add other"],
      ["pw|pw", "user add other"],
      ["new|new", "user passwd other"],
      ["geheim", "--user root user list"],
      ["", "user grant-role root root"],
      ["", "auth enable"],
      ["geheim", "--user root put k v"],
      ["falsch", "--user root put k v"],
      ["geheim", "--user=root get k"],
    ];
    for (const [lines, command] of steps) {
      const ours = typed(OURS, first.clientUrl, lines, command);
      assert.equal(ours, typed(REFERENCE, second.clientUrl, lines, command), command);
      for (const word of ["geheim", "falsch"]) assert.ok(!ours.includes(word), ours);
    }
  },
);
