/** The program as a process: the start script, exit codes, what goes to which stream. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { packageRoot } from "../base/testing/package-root.ts";
import { findDefaultHost } from "./default-host.ts";
import { inspectDataDir } from "./data-dir.ts";
import { goArchitecture } from "../base/go-names.ts";
import { runtimeProblem } from "./runtime.ts";
import { ETCD_PROGRAM } from "./testing/etcd-process.ts";

const scratch = mkdtempSync(join(tmpdir(), "etcd bin "));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** An installation whose program only tells how it was called. */
function fakeInstallation(): string {
  const root = join(scratch, "an installation");
  mkdirSync(join(root, "bin"), { recursive: true });
  mkdirSync(join(root, "dist"), { recursive: true });
  for (const name of ["etcd", "launch.sh"]) {
    copyFileSync(join(packageRoot(), "bin", name), join(root, "bin", name));
  }
  chmodSync(join(root, "bin", "etcd"), 0o755);
  writeFileSync(
    join(root, "dist", "etcd.cjs"),
    "console.log(JSON.stringify({ args: process.argv.slice(2), node: process.env.ETCD_NODE ?? null }));" +
      "process.exitCode = 7;",
  );
  return root;
}

function run(file: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const result = spawnSync(file, args, {
    encoding: "utf8",
    env: { PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, ...env },
  });
  const { status, stdout, stderr } = result;
  return { status, stdout, stderr };
}

test("the script runs node with the arguments as they are and prints nothing itself", () => {
  const script = join(fakeInstallation(), "bin", "etcd");
  const args = ["--name", "a b", "", "*", "--"];
  const told = run(script, args, { ETCD_NODE: process.execPath });
  assert.equal(told.stderr, "");
  assert.equal(told.stdout, `${JSON.stringify({ args, node: null })}\n`);
  assert.equal(told.status, 7);
});

test("the script works through symbolic links, relative and absolute, and on the PATH", () => {
  const root = fakeInstallation();
  const links = join(scratch, "some links");
  mkdirSync(links, { recursive: true });
  symlinkSync(join(root, "bin", "etcd"), join(links, "absolute"));
  symlinkSync("absolute", join(links, "relative"));
  symlinkSync("../an installation/bin/etcd", join(links, "etcd"));
  const env = { ETCD_NODE: process.execPath };
  for (const name of ["absolute", "relative", "etcd"]) {
    assert.equal(run(join(links, name), [], env).status, 7, name);
  }
  const onPath = run("/bin/sh", ["-c", "etcd"], { ...env, PATH: `${links}:/usr/bin:/bin` });
  assert.equal(onPath.status, 7);
});

test("the script says what is missing", () => {
  const root = fakeInstallation();
  const script = join(root, "bin", "etcd");
  const noNode = run(script, [], { ETCD_NODE: "/nowhere/node" });
  assert.equal(noNode.status, 1);
  assert.match(noNode.stderr, /Node\.js is missing.*\/nowhere\/node/);
  rmSync(join(root, "dist"), { recursive: true });
  const noBuild = run(script, [], { ETCD_NODE: process.execPath });
  assert.equal(noBuild.status, 1);
  assert.match(noBuild.stderr, /etcd\.cjs is missing\. Run 'npm ci'/);
});

function runEtcd(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return run(process.execPath, [ETCD_PROGRAM, ...args], env);
}

test("--version prints four lines with etcd's labels", () => {
  const { status, stdout, stderr } = runEtcd(["--version"]);
  assert.equal(status, 0);
  assert.equal(stderr, "");
  assert.match(
    stdout,
    /^etcd Version: 3\.6\.\d+\nGit SHA: \S.*\nGo Version: node v\d+\.\d+\.\d+\nGo OS\/Arch: \w+\/\w+\n$/,
  );
});

test("--help goes to standard output behind the usage, a mistake to standard error", () => {
  const help = runEtcd(["--help"]);
  assert.equal(help.status, 0);
  assert.match(help.stderr, /^Usage:/);
  assert.match(help.stdout, /^\nMember:\n {2}--name 'default'\n/);
  const mistake = runEtcd(["--nope"]);
  assert.equal(mistake.status, 2);
  assert.equal(mistake.stdout, "");
  assert.match(mistake.stderr, /^flag provided but not defined: -nope\nUsage:/);
});

function field(line: unknown, name: string): unknown {
  return (line as Record<string, unknown>)[name];
}

test("settings that cannot work are refused in the log with exit code 1", () => {
  const { status, stdout, stderr } = runEtcd(["--election-timeout", "1"]);
  assert.equal(status, 1);
  assert.equal(stdout, "");
  const last: unknown = JSON.parse(stderr.trim().split("\n").at(-1) ?? "");
  const [level, msg, error] = ["level", "msg", "error"].map((name) => field(last, name));
  assert.deepEqual(
    { level, msg, error },
    {
      level: "warn",
      msg: "failed to verify flags",
      error: "--election-timeout[1ms] should be at least as 5 times as --heartbeat-interval[100ms]",
    },
  );
});

test("a gateway that would listen to itself is refused, behind what it has logged", () => {
  const { status, stdout, stderr } = runEtcd(["gateway", "start", "--endpoints=127.0.0.1:23790"]);
  assert.equal(status, 1);
  assert.match(stdout, /^SRV or endpoint .* should not resolve to the gateway listen addr/);
  assert.match(stderr, /^\{"level":"info","ts":.*,"msg":"Running: ","args":.*\}\n$/);
});

test("the log names the source of a line, although the program is one file", () => {
  const { stderr } = run(join(packageRoot(), "bin", "etcd"), ["--election-timeout", "1"], {
    ETCD_NODE: process.execPath,
  });
  const last: unknown = JSON.parse(stderr.trim().split("\n").at(-1) ?? "");
  const [, file = "", line = ""] = /^(.*):(\d+)$/.exec(`${field(last, "caller")}`) ?? [];
  const source = readFileSync(join(packageRoot(), "src", file), "utf8").split("\n");
  assert.match(source[Number(line) - 1] ?? "", /logger\[level\]\(/);
});

test("an old Node.js is told so", () => {
  assert.equal(runtimeProblem("20.19.0"), undefined);
  assert.equal(runtimeProblem("26.1.0"), undefined);
  assert.match(runtimeProblem("20.18.3") ?? "", /20\.18\.3 is too old; 20\.19 or newer/);
  assert.match(runtimeProblem("18.20.0") ?? "", /too old/);
  assert.equal(goArchitecture("x64"), "amd64");
  assert.equal(goArchitecture("arm64"), "arm64");
});

const ROUTES = `Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT
wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0000000A\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
`;

test("the machine's address is that of the default route's interface, IPv4 first", () => {
  const v4 = { address: "10.0.0.5", family: "IPv4", internal: false };
  const v6 = { address: "2001:db8::5", family: "IPv6", internal: false };
  const local = { address: "fe80::5", family: "IPv6", internal: false };
  assert.equal(findDefaultHost(ROUTES, { eth0: [local, v6, v4], wlan0: [] }), "10.0.0.5");
  assert.equal(findDefaultHost(ROUTES, { eth0: [local, v6] }), "2001:db8::5");
  assert.equal(findDefaultHost(ROUTES, { lo: [v4] }), undefined);
  assert.equal(findDefaultHost("", { eth0: [v4] }), undefined);
});

test("a data directory is known by what lies in it", () => {
  const root = mkdtempSync(join(scratch, "data-"));
  assert.deepEqual(inspectDataDir(join(root, "absent")), { kind: "empty", strangers: [] });
  writeFileSync(join(root, "stranger"), "");
  assert.deepEqual(inspectDataDir(root), { kind: "empty", strangers: ["stranger"] });
  mkdirSync(join(root, "member"));
  assert.deepEqual(inspectDataDir(root), { kind: "member", strangers: ["stranger"] });
  mkdirSync(join(root, "proxy"));
  const both = inspectDataDir(root);
  assert.ok(both.kind === "unusable" && both.message.startsWith("invalid datadir;"));
  const file = inspectDataDir(join(root, "stranger"));
  assert.ok(file.kind === "unusable" && file.error?.includes("not a directory"));
});
