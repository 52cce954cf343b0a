/**
 * `etcdctl` for API 2: Debian's, written in Go, and ours run the same command lines on two members
 * of a reference etcd that began alike. Output, errors and exit codes must be equal.
 *
 * `ETCDCTL_V2_DIFFERENCES=print` prints all that differ instead of failing at the first.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { textOfBytes } from "../src/base/raw-text.ts";
import { SERVER_VERSION } from "../src/api/version.ts";
import { SystemClock } from "../src/env/system-clock.ts";
import type { Io } from "../src/cli/framework/io.ts";
import { utilityDeps } from "../src/bin/utility-world.ts";
import { runEtcdctlV2 } from "../src/cli/v2/run.ts";
import { until } from "../src/embed/e2e/wait.ts";
import { V2_CASES, type V2Case } from "./etcdctl-v2-cases.ts";
import { type EtcdProcess, missing, startCluster, startEtcd } from "./harness.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const ETCDCTL = process.env.ETCDCTL_V2 ?? "/usr/bin/etcdctl";
/** Both members have the ids that follow from this address, whatever port they listen on. */
const PEER_URL = "http://127.0.0.1:2380";
const FLAGS = ["--enable-v2", `--initial-advertise-peer-urls=${PEER_URL}`];
const ALONE = [...FLAGS, `--initial-cluster=default=${PEER_URL}`];
const { PATH = "", HOME = "" } = process.env;

/** Our program beside this file, compiled or not. */
const OURS = fileURLToPath(
  new URL(
    import.meta.url.endsWith(".ts") ? "../src/bin/etcdctl.ts" : "../src/bin/etcdctl.js",
    import.meta.url,
  ),
);

interface Outcome {
  readonly out: string;
  readonly err: string;
  readonly code: number | null;
}

type Run = (args: readonly string[], step: V2Case) => Promise<Outcome>;

function environmentOf(step: V2Case, url: string): Record<string, string> {
  const env: Record<string, string> = { PATH, HOME, ETCDCTL_API: "2" };
  for (const [name, value] of Object.entries(step.env ?? {}))
    env[name] = value.replace("{url}", url);
  return env;
}

function missingEtcdctl(): string | false {
  const run = spawnSync(ETCDCTL, ["--version"], { env: { PATH, ETCDCTL_API: "2" } });
  return run.stdout?.includes("API version: 2") === true ? false : `${ETCDCTL} has no API 2`;
}

const skip = missing("reference") || missingEtcdctl();

function theirs(url: string): Run {
  return async (args, step) => {
    const { stdout, stderr, status } = spawnSync(ETCDCTL, args, {
      env: environmentOf(step, url),
      input: step.stdin ?? "",
      encoding: "utf8",
      timeout: PATIENCE_MS,
    });
    return { out: stdout, err: stderr, code: status };
  };
}

/** In this process, which is quicker than hundreds of processes. */
function ours(url: string): Run {
  return async (args, step) => {
    let out = "";
    let err = "";
    const text = (data: string | Uint8Array): string =>
      typeof data === "string" ? data : textOfBytes(data);
    let input = step.stdin ?? "";
    const io: Io = {
      argv: args,
      env: environmentOf(step, url),
      out: (data) => {
        out += text(data);
      },
      err: (data) => {
        err += text(data);
      },
      status: () => undefined,
      clock: new SystemClock({ holdsProcess: true }),
      stdin: {
        isTerminal: false,
        readLine: async () => {
          const [line = ""] = /^.*\n?/.exec(input) ?? [];
          input = input.slice(line.length);
          return line === "" ? undefined : line;
        },
        readAll: async () => Buffer.from(input),
      },
    };
    const code = await runEtcdctlV2(args, io, async () => utilityDeps(io, "json"));
    return { out, err, code };
  };
}

function wordsOf(line: string): string[] {
  return (line.match(/'[^']*'|\S+/g) ?? []).map((word) => word.replace(/^'(.*)'$/s, "$1"));
}

async function outcomesOf(etcd: EtcdProcess, run: Run): Promise<string[]> {
  const { members } = (await (await fetch(`${etcd.clientUrl}/v2/members`)).json()) as {
    members: { id: string }[];
  };
  const outcomes: string[] = [];
  for (const step of V2_CASES) {
    const line = step.line.replaceAll("{url}", etcd.clientUrl).replaceAll("{id}", members[0]!.id);
    const endpoints = step.isBare === true ? [] : ["--endpoints", etcd.clientUrl];
    const { out, err, code } = await run([...endpoints, ...wordsOf(line)], step);
    const order = step.anyOrder === true ? sorted : (text: string): string => text;
    const text = `${order(out)}errors:\n${order(err)}exit ${code}`;
    outcomes.push(`${step.line}\n${comparable(text, etcd.clientUrl)}`);
  }
  return outcomes;
}

/** Errors of several endpoints come in the order in which they were tried. */
function sorted(text: string): string {
  return text
    .split("\n")
    .map((line) => line.replace(/^(.*; )?error #\d+: /, "").replace(/:(1|2|2379|4001):/, ":port:"))
    .sort()
    .join("\n");
}

/** Without what must differ: addresses, times, versions, what stty says of an input without echo. */
function comparable(text: string, url: string): string {
  return text
    .replaceAll(url, "<url>")
    .replaceAll(url.replace("http://", ""), "<host>")
    .replace(/"expiration":"[^"]*","ttl":\d+/g, '"expiration":…')
    .replace(/^TTL: [1-9]\d+$/gm, "TTL: …")
    .replace(/^stty: .*\n/gm, "")
    .replace(/(?<=version: |VERSION:\n {3})(\d+\.\d+\.\d+)/g, (version) =>
      version === "3.4.23" || version === SERVER_VERSION ? "<version>" : version,
    );
}

test(
  "both clients print the same and end the same way for every command line",
  { skip, timeout: 5 * PATIENCE_MS },
  async () => {
    await using first = await startEtcd({ kind: "reference", flags: ALONE });
    await using second = await startEtcd({ kind: "reference", flags: ALONE });
    const [expected, found] = await Promise.all([
      outcomesOf(first, theirs(first.clientUrl)),
      outcomesOf(second, ours(second.clientUrl)),
    ]);
    assertAlike(found, expected);
  },
);

test(
  "the client written in Go prints the same of either server for every command line",
  { skip: skip || missing("ours"), timeout: 10 * PATIENCE_MS },
  async () => {
    await using first = await startEtcd({ kind: "reference", flags: ALONE });
    await using second = await startEtcd({ kind: "ours", flags: ALONE });
    const [expected, found] = await Promise.all([
      outcomesOf(first, theirs(first.clientUrl)),
      outcomesOf(second, theirs(second.clientUrl)),
    ]);
    assertAlike(found, expected);
  },
);

function assertAlike(found: readonly string[], expected: readonly string[]): void {
  assert.equal(found.length, expected.length);
  for (const [index, text] of expected.entries()) {
    const other = found[index];
    if (process.env.ETCDCTL_V2_DIFFERENCES === "print") {
      if (other !== text) console.log(`--- reference: ${text}\n+++ ours: ${other}\n`);
    } else {
      assert.equal(other, text);
    }
  }
}

test(
  "an added member is shown as unstarted until it starts, and removed",
  { skip, timeout: 5 * PATIENCE_MS },
  async () => {
    await using cluster = await startCluster(["reference", "reference"], {
      flags: ["--enable-v2", "--strict-reconfig-check=false"],
    });
    const url = cluster.clientUrls[0]!;
    const steps = async (run: Run): Promise<string[]> => {
      const seen: string[] = [];
      let id: string | undefined;
      const step = async (line: string): Promise<void> => {
        const call = (): Promise<Outcome> =>
          run(["--endpoints", url, ...line.split(" ")], { line });
        let outcome = await call();
        // A member refuses a change while an earlier one is not applied everywhere.
        await until(async () => {
          if (!outcome.err.includes("has no leader")) return true;
          outcome = await call();
          return false;
        }, line);
        const { out, err, code } = outcome;
        id ??= /with ID (\w+) to/.exec(out)?.[1];
        const hide = (text: string): string => text.replaceAll(id ?? "<none>", "<added>");
        seen.push(
          hide(line),
          ...hide(`${out}${err}exit ${code}`)
            .split(/[\n,"]/)
            .sort(),
        );
      };
      await step("member add m9 http://127.0.0.1:9");
      await step("member list");
      await step("cluster-health");
      await step(`member remove ${id}`);
      await step(`member remove ${id}`);
      await step("member list");
      await step("cluster-health");
      return seen;
    };
    const expected = await steps(theirs(url));
    const unstarted = "<added>[unstarted]: peerURLs=http://127.0.0.1:9";
    assert.ok(expected.includes(unstarted), expected.join("\n"));
    assert.deepEqual(await steps(ours(url)), expected);
    await cluster.members[1]!.stop();
    const health = async (run: Run): Promise<Outcome> =>
      await run(["--endpoints", url, "cluster-health"], { line: "" });
    await until(
      async () => (await health(theirs(url))).out.includes("connection refused"),
      "refused",
    );
    assert.deepEqual(await health(ours(url)), await health(theirs(url)));
  },
);

const LONG: readonly (readonly string[])[] = [
  ["watch", "-f", "-r", "/w"],
  ["-o", "json", "watch", "--forever", "/w/a"],
  [
    "exec-watch",
    "-r",
    "/w",
    "--",
    "sh",
    "-c",
    "env | grep ^ETCD_WATCH | sort | tr '\\n' ' '; echo",
  ],
  ["exec-watch", "echo", "changed", "/w/a"],
];
const running = new Set<ReturnType<typeof spawn>>();
after(() => {
  for (const child of running) child.kill("SIGKILL");
});

test(
  "watches show every change and end with success on an interrupt",
  { skip, timeout: 5 * PATIENCE_MS },
  async () => {
    await using etcd = await startEtcd({ kind: "reference", flags: ["--enable-v2"] });
    const put = async (path: string, body: string): Promise<void> => {
      const response = await fetch(`${etcd.clientUrl}/v2/keys${path}`, {
        method: "PUT",
        headers: { "Content-Type": "application/x-www-form-urlencoded" },
        body,
      });
      assert.ok(response.ok);
    };
    for (const args of LONG) {
      const watches = [[ETCDCTL], [process.execPath, OURS]].map(([program = "", ...before]) => {
        const all = [...before, "--endpoints", etcd.clientUrl, ...args];
        const env = { PATH, HOME, ETCDCTL_API: "2" };
        const child = spawn(program, all, { env, stdio: ["ignore", "pipe", "pipe"] });
        running.add(child);
        const state = { child, out: "", err: "", ended: undefined as number | null | undefined };
        child.stdout.setEncoding("utf8").on("data", (text: string) => (state.out += text));
        child.stderr.setEncoding("utf8").on("data", (text: string) => (state.err += text));
        child.once("close", (code) => {
          running.delete(child);
          state.ended = code;
        });
        return state;
      });
      const watchers = async (): Promise<number> => {
        const response = await fetch(`${etcd.clientUrl}/v2/stats/store`);
        return ((await response.json()) as { watchers: number }).watchers;
      };
      await until(async () => (await watchers()) === 2, "two watchers");
      for (const value of ["1", "2"]) {
        await put("/w/a", `value=${value}`);
        const lines = Number(value);
        const isShown = ({ out }: { out: string }): boolean =>
          (out.match(/(value":"\d|^\d|VALUE|changed).*\n/gm) ?? []).length >= lines;
        await until(() => watches.every(isShown), `change ${value} of ${args.join(" ")}`);
        await until(async () => (await watchers()) === 2, "two watchers again");
      }
      for (const { child } of watches) child.kill("SIGINT");
      await until(() => watches.every(({ ended }) => ended !== undefined), "the end");
      const [reference, mine] = watches.map(({ out, err, ended }) => ({ out, err, ended }));
      assert.equal(reference?.ended, 0);
      assert.deepEqual(mine, reference, args.join(" "));
    }
  },
);
