/**
 * The guides' three members with `etcd-cluster`, from the Procfile of this repository and in its
 * own form: one cluster, whose members are stopped and started again.
 *
 * The ports are those of the Procfile, because the IDs in the guides follow from them.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { promisify } from "node:util";
import { binaryOf, type EtcdKind, missing, repositoryRoot } from "./harness.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const scratch = mkdtempSync(join(tmpdir(), "etcd-guide-cluster-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** The folder from which a kind's members run: the Procfile names `bin/etcd`. */
function folderOf(kind: EtcdKind): string {
  const folder = join(scratch, kind);
  mkdirSync(join(folder, "bin"), { recursive: true });
  const link = join(folder, "bin", "etcd");
  if (!existsSync(link)) symlinkSync(binaryOf(kind), link);
  return folder;
}

const LAUNCHER = join(repositoryRoot, "bin", "etcd-cluster");
const PROCFILE = join(repositoryRoot, "Procfile");
const ETCDCTL = join(repositoryRoot, "bin", "etcdctl");
const ENV = { ...process.env, XDG_RUNTIME_DIR: scratch, ETCDCTL_API: "3" };
const TIMEOUT_MS = 3 * PATIENCE_MS;

/** As the guides print them. */
const MEMBERS = `8211f1d0f64f3269, started, infra1, http://127.0.0.1:12380, http://127.0.0.1:12379, false
91bc3c398fb3c146, started, infra2, http://127.0.0.1:22380, http://127.0.0.1:22379, false
fd422379fda50e48, started, infra3, http://127.0.0.1:32380, http://127.0.0.1:32379, false
`;

interface Launched extends AsyncDisposable {
  readonly child: ChildProcess;
  text(): string;
}

function launch(cwd: string, args: readonly string[]): Launched {
  const child = spawn(LAUNCHER, args, { cwd, env: ENV, stdio: ["ignore", "pipe", 2] });
  const closed = once(child, "close");
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  return {
    child,
    text: () => text,
    async [Symbol.asyncDispose]() {
      child.kill("SIGINT");
      await closed;
    },
  };
}

/** Not blocking, so that the launcher's output is read meanwhile. */
async function command(program: string, args: readonly string[]): Promise<string> {
  const options = { cwd: scratch, env: ENV, timeout: PATIENCE_MS };
  try {
    return (await promisify(execFile)(program, args, options)).stdout;
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}

function etcdctl(port: number, ...words: string[]): Promise<string> {
  return command(ETCDCTL, [`--endpoints=http://localhost:${port}`, ...words]);
}

/** A put through the member, tried until the cluster has a leader. */
async function put(port: number, key: string): Promise<void> {
  for (let attempt = 0; attempt < 10; attempt++) {
    if ((await etcdctl(port, "put", key, "value")) === "OK\n") return;
  }
  assert.fail(`no put through ${port} was answered`);
}

for (const kind of ["ours", "reference"] as const) {
  const options = { skip: missing(kind), timeout: TIMEOUT_MS };

  test(`the Procfile's three members are the guides' cluster (${kind})`, options, async () => {
    await using launcher = launch(folderOf(kind), ["-f", PROCFILE, "start"]);
    await put(22379, "first");
    assert.equal(await etcdctl(22379, "member", "list"), MEMBERS);
    assert.equal(await command(LAUNCHER, ["run", "status"]), "*etcd1\n*etcd2\n*etcd3\n");

    await command(LAUNCHER, ["run", "stop", "etcd2"]);
    assert.equal(await command(LAUNCHER, ["run", "status"]), "*etcd1\n etcd2\n*etcd3\n");
    await put(12379, "second");
    await command(LAUNCHER, ["run", "restart", "etcd3"]);
    await command(LAUNCHER, ["run", "start", "etcd2"]);
    await put(22379, "third");
    assert.equal(
      await etcdctl(22379, "get", "", "--prefix", "--keys-only"),
      "first\n\nsecond\n\nthird\n\n",
    );

    const table = await command(LAUNCHER, ["status"]);
    assert.equal(table.match(/\| +true \| +false \|/g)?.length, 1, `one leader:\n${table}`);
    assert.match(launcher.text(), /^[\d:.]{12} etcd2 {3}\| INFO {2}\S.*$/m);
    assert.equal(await command(LAUNCHER, ["stop"]), "stopped etcd1, etcd2, etcd3\n");
  });

  test(`our own form makes the same cluster without a Procfile (${kind})`, options, async () => {
    await using launcher = launch(folderOf(kind), [
      "start",
      "--temporary",
      "--binary",
      binaryOf(kind),
    ]);
    await put(12379, "first");
    assert.equal(await etcdctl(32379, "member", "list"), MEMBERS);
    launcher.child.kill("SIGINT");
    await once(launcher.child, "exit");
    assert.equal(launcher.child.exitCode, 0);
  });
}

test(
  "the leader of a cluster with --auto-tls is cut off under load, and comes back",
  { skip: missing("ours"), timeout: TIMEOUT_MS },
  async () => {
    await using launcher = launch(scratch, ["start", "--temporary", "--auto-tls"]);
    const run = (...words: string[]) => command(LAUNCHER, ["run", ...words]);
    await until(() => launcher.text(), /look at it and break it/);
    const leaders = (timeline: string): RegExpMatchArray[] => [
      ...timeline.matchAll(/(\S+) \| term \d+: leads/g),
    ];
    const first = await until(() => run("timeline"), /(\S+) \| term \d+: leads/);
    const leader = first.match(/(\S+) \| term \d+: leads/)?.[1] ?? "";
    await run("load", "on");
    await run("partition", leader);
    await until(async () => String(leaders(await run("timeline")).length >= 2), /true/);
    const next = leaders(await run("timeline")).at(-1)?.[1] ?? "";
    assert.notEqual(next, leader);
    const port = 12379 + 10000 * (Number(next.slice("etcd".length)) - 1);
    const flags = [`--endpoints=https://localhost:${port}`, "--insecure-skip-tls-verify"];
    assert.equal(await command(ETCDCTL, [...flags, "put", "key", "value"]), "OK\n");
    await run("heal");
    await until(
      () => run("timeline"),
      new RegExp(`whole again[\\s\\S]*${leader} \\| .*follows ${next}`),
    );
    assert.match(await run("load"), /[1-9]\d* calls answered[\s\S]*verdict: linearizable/);
  },
);

/** Asks until the answer is as expected; the test's time limit ends it. */
async function until(ask: () => string | Promise<string>, expected: RegExp): Promise<string> {
  for (;;) {
    const answer = await ask();
    if (expected.test(answer)) return answer;
    await nextTurn();
  }
}
