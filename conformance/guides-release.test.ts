/**
 * A release as the guides install it: the archive is built, takes the place of the download, is
 * unpacked with their commands, and its programs run on a PATH without Node.js. Needs Node.js 26:
 * the one that runs the test, or the one that `ETCD_RELEASE_NODE` names. Takes a minute or two.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { SERVER_VERSION } from "../src/api/version.ts";
import { buildRelease, nodeProblem, releaseName } from "../tools/release.ts";
import { repositoryRoot } from "./harness.ts";
import { freePorts } from "../src/base/testing/free-ports.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const node = [process.env.ETCD_RELEASE_NODE, process.execPath].find(
  (each) => each !== undefined && each !== "" && nodeProblem(each) === undefined,
);
const skip = node === undefined ? "no Node.js 26 to build executables of" : false;

/** Has a shell's tools, but no node. */
const PLAIN_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/bin";

let folder = "";
let archive = "";

before(async () => {
  if (node === undefined) return;
  folder = mkdtempSync(join(tmpdir(), "etcd-release-test-"));
  const report = (line: string): void => {
    process.stderr.write(`${line}\n`);
  };
  archive = await buildRelease({ root: repositoryRoot, node, out: folder, report });
});

after(() => {
  if (folder !== "") rmSync(folder, { recursive: true });
});

/** Runs a script in the folder of the release. */
function run(script: string): { stdout: string; stderr: string; status: number | null } {
  return spawnSync("/bin/bash", ["-c", script], {
    cwd: folder,
    env: { PATH: `${PLAIN_PATH}:/usr/bin`, HOME: folder },
    encoding: "utf8",
  });
}

test("unpacked as the guides do it, the programs say their versions", { skip }, () => {
  const unpacked = run(`
    ETCD_VER=v${SERVER_VERSION}
    rm -rf etcd-download-test && mkdir -p etcd-download-test
    tar xzvf ${archive} -C etcd-download-test --strip-components=1`);
  assert.equal(unpacked.status, 0, unpacked.stderr);
  const server = run("etcd-download-test/etcd --version");
  assert.match(server.stdout, new RegExp(`^etcd Version: ${SERVER_VERSION}\nGit SHA: .+\n`));
  const tool = run("etcd-download-test/etcdctl version");
  assert.match(tool.stdout, new RegExp(`^etcdctl version: ${SERVER_VERSION}\nAPI version: `));
  assert.equal(tool.stderr, "");
});

test("the archive has one directory, its texts, and programs for everyone", { skip }, () => {
  run(`tar -xzvf ${archive} && mkdir -p bin && mv ${releaseName()}/etcd* bin`);
  assert.deepEqual(readdirSync(join(folder, "bin")).sort(), ["etcd", "etcdctl", "etcdutl"]);
  for (const text of ["README.md", "LICENSE", "LICENSES.txt", "Documentation/deployment.md"]) {
    assert.ok(existsSync(join(folder, releaseName(), text)), text);
  }
  assert.equal(statSync(join(folder, "bin", "etcd")).mode & 0o777, 0o755);
});

test(
  "without Node.js a member serves, keeps its data over a restart, and leaves no file",
  { skip },
  async () => {
    const [client = 0, peer = 0, otherClient = 0, otherPeer = 0] = await freePorts(4);
    const etcdctl = (command: string): string =>
      run(`bin/etcdctl --endpoints=127.0.0.1:${client} ${command}`).stdout;

    const first = await start(flagsOf(client, peer));
    assert.equal(etcdctl("put foo bar"), "OK\n");
    // Locks are native code, which every start takes out of the executable.
    const second = await start(flagsOf(otherClient, otherPeer), "db file is flocked by another");
    await stop(second, "SIGKILL");
    await stop(first);

    const again = await start(flagsOf(client, peer));
    assert.equal(etcdctl("get foo"), "foo\nbar\n");
    await stop(again);
    assert.deepEqual(readdirSync(join(folder, "tmp")), []);
    const status = run("bin/etcdutl hashkv data/member/snap/db");
    assert.equal(status.status, 0, status.stderr);
  },
);

test(
  "without Node.js a member logs users in, makes its own certificate and serves the dashboard",
  { skip },
  async () => {
    const [client = 0, peer = 0] = await freePorts(2);
    const url = `https://127.0.0.1:${client}`;
    const member = await start([
      ...flagsOf(client, peer).map((flag) => flag.replace(/(client-urls=)http:.*/, `$1${url}`)),
      ...["--auto-tls", "--enable-dashboard", "--data-dir=secured"],
    ]);
    const etcdctl = (command: string) =>
      run(`bin/etcdctl --endpoints=${url} --insecure-skip-tls-verify ${command}`);
    assert.equal(etcdctl("user add root:secret").status, 0);
    assert.equal(etcdctl("user grant-role root root").status, 0);
    assert.equal(etcdctl("auth enable").stdout, "Authentication Enabled\n");
    assert.equal(etcdctl("--user root:secret put foo bar").stdout, "OK\n");
    assert.match(etcdctl("--user root:wrong put foo bar").stderr, /invalid user ID or password/);
    const page = run(`curl --silent --insecure ${url}/dashboard/`);
    const script = /src="\.?\/?([^"]+\.js)"/.exec(page.stdout)?.[1];
    assert.ok(script !== undefined, page.stdout);
    const code = run(
      `curl --silent --insecure --output /dev/null --write-out '%{http_code}' ${url}/dashboard/${script}`,
    );
    assert.equal(code.stdout, "200");
    await stop(member);
  },
);

function flagsOf(client: number, peer: number): string[] {
  return [
    "--data-dir=data",
    `--listen-client-urls=http://127.0.0.1:${client}`,
    `--advertise-client-urls=http://127.0.0.1:${client}`,
    `--listen-peer-urls=http://127.0.0.1:${peer}`,
    `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
    `--initial-cluster=default=http://127.0.0.1:${peer}`,
  ];
}

/** Settles when the log says `until`. */
async function start(
  flags: readonly string[],
  until = "ready to serve client requests",
): Promise<ChildProcess> {
  run("mkdir -p tmp");
  const child = spawn(join(folder, "bin", "etcd"), flags, {
    cwd: folder,
    env: { PATH: PLAIN_PATH, TMPDIR: join(folder, "tmp") },
    stdio: ["ignore", "ignore", "pipe"],
  });
  process.once("exit", () => child.kill("SIGKILL"));
  await new Promise<void>((resolve, reject) => {
    let text = "";
    const timer = setTimeout(() => reject(new Error(`not ready; log:\n${text}`)), PATIENCE_MS);
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      if (!text.includes(until)) return;
      clearTimeout(timer);
      resolve();
    });
    child.once("close", () => reject(new Error(`ended; log:\n${text}`)));
  });
  return child;
}

async function stop(child: ChildProcess, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
  const closed = new Promise((resolve) => child.once("close", resolve));
  child.kill(signal);
  await closed;
}
