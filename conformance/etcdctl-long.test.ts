/**
 * Commands of etcdctl that run until somebody ends them, ours and Debian's against Debian's etcd:
 * what they print, what they leave behind after SIGINT, and how they exit. And a load check.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type EtcdProcess, missing, repositoryRoot, startEtcd } from "./harness.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const REFERENCE = process.env.ETCDCTL ?? "etcdctl";
const PROGRAMS = [REFERENCE, join(repositoryRoot, "bin", "etcdctl")];
/** The scripts take a few seconds. */
const LOG_LINE = /^(\{"level"|\d{4}-\d\d-\d\d [\d:.]+ [A-Z] \| ).*\n/gm;

function environment(): NodeJS.ProcessEnv {
  const { PATH = "" } = process.env;
  return { PATH, HOME: "/nonexistent", ETCDCTL_API: "3", ETCD_NODE: process.execPath };
}

function run(program: string, args: readonly string[]) {
  const options = { encoding: "utf8", env: environment(), timeout: PATIENCE_MS } as const;
  const { stdout, stderr, status } = spawnSync(program, args, options);
  return { out: stdout, err: (stderr ?? "").replace(LOG_LINE, ""), status };
}

const skip =
  missing("reference") ||
  (PROGRAMS.every((program) => run(program, ["version"]).status === 0)
    ? false
    : "an etcdctl does not run");

interface Ended {
  readonly out: string;
  readonly err: string;
  readonly code: number | null;
}

interface Running extends AsyncDisposable {
  /** Waits until standard output has matched. */
  until(pattern: RegExp): Promise<void>;
  /** Sends a signal and waits for the end. */
  end(signal?: NodeJS.Signals): Promise<Ended>;
  /** Waits for the end. */
  done(): Promise<Ended>;
}

function start(program: string, args: readonly string[]): Running {
  const child = spawn(program, args, { env: environment(), stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let err = "";
  let look = (): void => undefined;
  child.stdout.on("data", (chunk) => {
    out += String(chunk);
    look();
  });
  child.stderr.on("data", (chunk) => {
    err += String(chunk);
  });
  const closed = new Promise<number | null>((resolve) => child.once("close", resolve));
  const done = async (): Promise<Ended> => {
    const code = await closed;
    return { out, err: err.replace(LOG_LINE, ""), code };
  };
  return {
    until: (pattern) =>
      new Promise((resolve, reject) => {
        look = () => {
          if (pattern.test(out)) resolve();
        };
        look();
        void closed.then(() => reject(new Error(`ended with ${out}${err}`)));
      }),
    end: async (signal = "SIGINT") => {
      child.kill(signal);
      return await done();
    },
    done,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await closed;
    },
  };
}

/** What each program makes of a script against a member of its own, without what must differ. */
async function compare(script: (program: string, etcd: EtcdProcess) => Promise<unknown>) {
  const seen: unknown[] = [];
  for (const program of PROGRAMS) {
    await using etcd = await startEtcd({ kind: "reference" });
    const said = JSON.stringify(await script(program, etcd));
    seen.push(
      JSON.parse(
        said.replace(/\/[0-9a-f]{14,16}\b/g, "/<lease>").replace(/[\d.]+[µm]?s\b/g, "<time>"),
      ),
    );
  }
  assert.deepEqual(seen[1], seen[0]);
}

test(
  "a lock and an election end with SIGINT, and give way to the next",
  { skip, timeout: PATIENCE_MS },
  async () => {
    await compare(async (program, { clientUrl }) => {
      const at = ["--endpoints", clientUrl];
      const said: unknown[] = [];
      const keys = (prefix: string) =>
        run(program, [...at, "get", "--prefix", prefix, "--keys-only"]);
      for (const [prefix, ...args] of [
        ["one", "lock", "one"],
        ["two", "elect", "two", "proposal"],
      ] as const) {
        await using first = start(program, [...at, ...args]);
        await first.until(new RegExp(`${prefix}/[0-9a-f]+\n`));
        await using second = start(program, [...at, ...args]);
        said.push(await first.end());
        await second.until(new RegExp(`${prefix}/[0-9a-f]+\n`));
        said.push(await second.end("SIGTERM"), keys(prefix));
      }
      await using leader = start(program, [...at, "elect", "three", "hello"]);
      await leader.until(/hello/);
      await using observer = start(program, [...at, "elect", "-l", "three"]);
      await observer.until(/hello/);
      said.push(await observer.end(), await leader.end());
      return said;
    });
  },
);

test(
  "make-mirror copies what is there, and what comes, until it is ended",
  { skip, timeout: PATIENCE_MS },
  async () => {
    await compare(async (program, { clientUrl }) => {
      await using target = await startEtcd({ kind: "reference" });
      const at = ["--endpoints", clientUrl];
      run(program, [...at, "put", "a/1", "one"]);
      run(program, [...at, "put", "b/1", "other"]);
      await using watch = start(program, [
        "--endpoints",
        target.clientUrl,
        "watch",
        "--rev=1",
        "--prefix",
        "z/",
      ]);
      const flags = ["--prefix=a/", "--dest-prefix=z/"];
      await using mirror = start(program, [...at, "make-mirror", target.clientUrl, ...flags]);
      await watch.until(/PUT\nz\/1\none\n/);
      run(program, [...at, "put", "a/2", "two"]);
      await watch.until(/PUT\nz\/2\ntwo\n/);
      run(program, [...at, "del", "a/1"]);
      await watch.until(/DELETE\nz\/1\n/);
      const { out } = await watch.end();
      await mirror.end("SIGTERM");
      return [out, run(program, ["--endpoints", target.clientUrl, "get", "--prefix", ""])];
    });
  },
);

/** A check takes a minute, so it runs beside all other tests: both programs on a member of ours. */
let checked: EtcdProcess | undefined;
let checks: readonly Running[] = [];
before(async () => {
  if (skip !== false) return;
  const member = await startEtcd({ kind: "ours" });
  checked = member;
  checks = PROGRAMS.map((program, i) => {
    const flags = ["--load=s", `--prefix=/check/${i}/`, "--auto-compact"];
    return start(program, ["--endpoints", member.clientUrl, "check", "perf", ...flags]);
  });
});
after(async () => {
  for (const check of checks) await check[Symbol.asyncDispose]();
  await checked?.[Symbol.asyncDispose]();
});

/** The lines, in 3.4 those behind its bar; without figures, which differ from run to run. */
function verdictOf(out: string): string {
  const [, verdict = ""] = /(?:^|\n)((?:Compact|PASS|FAIL|Slowest|Stddev)[\s\S]*)$/.exec(out) ?? [];
  return verdict.replace(/\d+\.\d{6}s/g, "…s").replace(/ \d+ writes/g, " … writes");
}

/** A machine with too much to do may fail it; the words and the exit code must fit all the same. */
const VERDICT =
  /^(PASS: Throughput is|FAIL: Throughput too low:) … writes\/s\n(PASS: Slowest request took|Slowest request took too long:) …s\n(PASS: Stddev is|Stddev too high:) …s\n(PASS|FAIL)\n$/;

test(
  "check datascale writes, tells what it took, and cleans up",
  { skip, timeout: PATIENCE_MS },
  async () => {
    await using etcd = await startEtcd({ kind: "ours" });
    const [, ours = ""] = PROGRAMS;
    const { out, status } = run(ours, ["--endpoints", etcd.clientUrl, "check", "datascale"]);
    assert.match(
      out,
      /^Start data scale check for work load \[10000 key-value pairs, 1024 bytes per key-value, 50 concurrent clients\]\.\n/,
    );
    assert.match(out, /PASS: Approximate system memory used : [\d.]+ MB\.\n$/);
    assert.equal(status, 0);
    const left = run(ours, ["--endpoints", etcd.clientUrl, "get", "--prefix", "/", "--keys-only"]);
    assert.equal(left.out, "");
  },
);

test("check perf ends with a verdict, its exit code, and nothing left", { skip }, async () => {
  for (const [i, check] of checks.entries()) {
    const { out, err, code } = await check.done();
    // Newer releases of the reference draw their bar there.
    if (PROGRAMS[i] !== REFERENCE) assert.equal(err, "");
    const verdict = verdictOf(out).replace(/^Compact(ing|ed) with revision \d+\n/gm, "");
    assert.match(verdict, VERDICT);
    const [, rate, slowest, stddev, all] = VERDICT.exec(verdict) ?? [];
    const passes = [rate, slowest, stddev].every((line) => line?.startsWith("PASS"));
    assert.equal(all, passes ? "PASS" : "FAIL");
    assert.equal(code, passes ? 0 : 1);
  }
  const [, ours = ""] = PROGRAMS;
  const at = ["--endpoints", checked?.clientUrl ?? ""];
  assert.equal(run(ours, [...at, "get", "--prefix", "/check/", "--keys-only"]).out, "");
});
