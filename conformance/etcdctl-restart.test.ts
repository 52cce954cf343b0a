/** Go clients that stay connected while our member is stopped or killed, and starts again. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { after, test } from "node:test";
import { until } from "../src/embed/e2e/wait.ts";
import { type EtcdProcess, missing, startEtcd } from "./harness.ts";

const ETCDCTL = process.env.ETCDCTL ?? "etcdctl";
const { PATH = "", HOME = "" } = process.env;
const ENV = { PATH, HOME, ETCDCTL_API: "3" };
const running = new Set<ChildProcess>();
after(() => {
  for (const child of running) child.kill("SIGKILL");
});

const skip =
  missing("ours") ||
  (spawnSync(ETCDCTL, ["version"], { env: ENV }).error !== undefined && "etcdctl is not installed");

/** A command that runs on; `output` grows. */
class LongCommand {
  output = "";
  readonly #child: ChildProcess;

  constructor(etcd: EtcdProcess, ...args: string[]) {
    this.#child = spawn(ETCDCTL, ["--endpoints", etcd.clientUrl, ...args], {
      env: ENV,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const child = this.#child;
    running.add(child);
    child.once("exit", () => running.delete(child));
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.output += text;
    });
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async shows(text: string): Promise<void> {
    await until(() => this.output.includes(text), `${JSON.stringify(text)} in ${this.output}`);
  }

  stop(): void {
    this.#child.kill("SIGINT");
  }
}

function ctl(etcd: EtcdProcess, ...args: string[]): string {
  const run = spawnSync(ETCDCTL, ["--endpoints", etcd.clientUrl, ...args], {
    env: ENV,
    encoding: "utf8",
  });
  assert.equal(run.status, 0, run.stderr);
  return run.stdout;
}

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  test(
    `a watch of etcdctl goes on after ${signal} and a new start, without gap or repeat`,
    { skip },
    async () => {
      await using etcd = await startEtcd();
      const watch = new LongCommand(etcd, "watch", "key", "--prefix", "--rev=1");
      let expected = "";
      for (let round = 0; round < 3; round++) {
        for (let i = 0; i < 3; i++) {
          ctl(etcd, "put", `key${i}`, `${round}`);
          expected += `PUT\nkey${i}\n${round}\n`;
        }
        await watch.shows(expected);
        await etcd.stop(signal);
        await etcd.start();
      }
      ctl(etcd, "put", "key", "last");
      await watch.shows(`${expected}PUT\nkey\nlast\n`);
      assert.equal(watch.output, `${expected}PUT\nkey\nlast\n`);
      assert.ok(watch.isRunning);
      watch.stop();
    },
  );
}

test("a lease is kept alive, and a lock held, by clients across a restart", { skip }, async () => {
  await using etcd = await startEtcd();
  const lease = /lease ([0-9a-f]+) granted/.exec(ctl(etcd, "lease", "grant", "60"))?.[1] ?? "";
  ctl(etcd, "put", "kept", "x", `--lease=${lease}`);
  const keeper = new LongCommand(etcd, "lease", "keep-alive", lease);
  const holder = new LongCommand(etcd, "lock", "a-lock");
  await keeper.shows("keepalived with TTL(60)");
  await holder.shows("a-lock/");
  const second = new LongCommand(etcd, "lock", "a-lock");
  await until(
    () => ctl(etcd, "get", "a-lock", "--prefix", "--keys-only").trim().split(/\s+/).length === 2,
    "the second to wait",
  );
  await etcd.restart();
  assert.match(ctl(etcd, "lease", "timetolive", lease, "--keys"), /attached keys\(\[kept\]\)/);
  assert.ok(keeper.isRunning && holder.isRunning && second.isRunning);
  assert.equal(second.output, "");
  holder.stop();
  await second.shows("a-lock/");
  assert.notEqual(second.output, holder.output);
  second.stop();
  keeper.stop();
});
