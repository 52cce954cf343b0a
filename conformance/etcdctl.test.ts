/**
 * The same etcdctl commands (Debian's, written in Go) against a reference etcd and against ours:
 * output and exit code must be equal, except for the exact list in etcdctl-differences.ts. A
 * difference that is not listed fails, and so does a listed one that is gone or has changed.
 *
 * `ETCDCTL_DIFFERENCES=print` prints the list as it is now; `ETCDCTL` names another client.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ETCDCTL_CASES, type EtcdctlCase } from "./etcdctl-cases.ts";
import { ETCDCTL_DIFFERENCES, type EtcdctlDifference } from "./etcdctl-differences.ts";
import { type EtcdProcess, missing, startEtcd, versionOf } from "./harness.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const ETCDCTL = process.env.ETCDCTL ?? "etcdctl";
const RETRY_INTERVAL_MS = 20;
/** Both members have the ids that follow from this address, whatever port they listen on. */
const PEER_URL = "http://127.0.0.1:2380";

interface Outcome {
  readonly name: string;
  readonly text: string;
}

function missingEtcdctl(): string | false {
  const run = spawnSync(ETCDCTL, ["version"], { env: { ...process.env, ETCDCTL_API: "3" } });
  return run.error === undefined ? false : `${ETCDCTL} does not run`;
}

/** Runs the cases against one member. */
class Script {
  readonly #etcd: EtcdProcess;
  readonly #directory: string;
  readonly #captured = new Map<string, string>();
  readonly outcomes: Outcome[] = [];

  constructor(etcd: EtcdProcess) {
    this.#etcd = etcd;
    this.#directory = join(dirname(etcd.dataDir), "script");
    mkdirSync(this.#directory);
  }

  async run(step: EtcdctlCase): Promise<void> {
    const command = this.#start(step);
    if (step.during !== undefined || step.until !== undefined) {
      if (step.ready !== undefined) await command.printed(step.ready);
      this.#capture(step, command.output);
      for (const inner of step.during ?? []) {
        if (inner.retry === undefined) await this.run(inner);
        else await this.#retry(inner, inner.retry);
      }
      if (step.until !== undefined) await command.printed(step.until);
      command.interrupt();
    }
    await command.ended;
    this.#capture(step, command.output);
    await this.#keep(step, command);
  }

  async #keep({ name }: EtcdctlCase, { output, errors, ended }: Command): Promise<void> {
    const parts = errors === "" ? [output] : [output, `errors: ${errors}`];
    this.outcomes.push({ name, text: this.#comparable(`${parts.join("")}exit ${await ended}`) });
  }

  /** Repeats a command until it prints what is expected; only the last time counts. */
  async #retry(step: EtcdctlCase, wanted: RegExp): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const command = this.#start(step);
      await command.ended;
      if (wanted.test(command.output)) {
        await this.#keep(step, command);
        return;
      }
      if (Date.now() > deadline) throw new Error(`${step.name}: ${command.output}`);
      await sleep(RETRY_INTERVAL_MS);
    }
  }

  #start(step: EtcdctlCase): Command {
    const args = step.args.map((argument) => this.#fill(argument));
    return new Command(step.name, ["--endpoints", this.#etcd.clientUrl, ...args], {
      stdin: step.stdin,
      keepsInput: step.until !== undefined,
      directory: this.#directory,
    });
  }

  #fill(text: string): string {
    return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
      if (name === "endpoint") return new URL(this.#etcd.clientUrl).host;
      if (name === "dir") return this.#directory;
      return this.#captured.get(name) ?? whole;
    });
  }

  #capture({ capture }: EtcdctlCase, output: string): void {
    if (capture === undefined) return;
    const found = capture[1].exec(output)?.[1];
    if (found !== undefined) this.#captured.set(capture[0], found);
  }

  /** Without what must differ: addresses, directories, chosen ids, times. */
  #comparable(output: string): string {
    let text = output
      .replaceAll(this.#etcd.clientUrl, "<url>")
      .replaceAll(new URL(this.#etcd.clientUrl).host, "<host>")
      .replaceAll(this.#directory, "<dir>")
      .replaceAll(versionOf(this.#etcd.kind) ?? "<version>", "<version>");
    for (const [name, value] of this.#captured) text = text.replaceAll(value, `<${name}>`);
    return text
      .replace(/client-[0-9a-f-]{36}|0x[0-9a-f]{9,}/g, "client-…")
      .replace(/LocalAddr: '[^']*'/g, "LocalAddr: …")
      .replace(/"(ts|took|caller)":("[^"]*"|[0-9.]+)/g, '"$1":…')
      .replace(/took( =)? [0-9.]+[µm]?s/g, "took$1 …")
      .replace(/remaining\(\d+s\)/g, "remaining(…)")
      .replace(
        /("?(?:dbSize(?:InUse)?|DBSize|raft(?:Applied)?Index|Raft(?:Applied)?Index)"? ?: ?)\d+/g,
        "$1…",
      )
      .replace(/[0-9.]+ kB/g, "… kB");
  }
}

interface CommandOptions {
  readonly stdin: string | undefined;
  /** Leaves the input open: its end would end the command. */
  readonly keepsInput: boolean;
  readonly directory: string;
}

class Command {
  readonly ended: Promise<string>;
  /** What it has printed. */
  output = "";
  /** What it has printed to standard error. */
  errors = "";
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #timer: NodeJS.Timeout;
  #onOutput: () => void = () => {};

  constructor(name: string, args: readonly string[], options: CommandOptions) {
    this.#name = name;
    const { PATH = "", HOME = "" } = process.env;
    this.#child = spawn(ETCDCTL, args, {
      cwd: options.directory,
      env: { PATH, HOME, ETCDCTL_API: "3" },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const child = this.#child;
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.output += text;
      this.#onOutput();
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.errors += text;
    });
    child.stdin?.on("error", () => undefined);
    child.stdin?.write(options.stdin ?? "");
    if (!options.keepsInput) child.stdin?.end();
    this.#timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
    this.ended = new Promise((resolve) => {
      child.once("close", (code, signal) => {
        clearTimeout(this.#timer);
        this.#onOutput();
        resolve(`${code ?? signal}`);
      });
    });
  }

  async printed(wanted: RegExp): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#onOutput = () => {
        if (wanted.test(this.output)) resolve();
        else if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
          reject(new Error(`${this.#name} ended without ${wanted}:\n${this.output}${this.errors}`));
        }
      };
      this.#onOutput();
    });
  }

  interrupt(): void {
    this.#child.kill("SIGINT");
  }
}

async function outcomesOf(kind: "ours" | "reference"): Promise<Outcome[]> {
  const flags = [
    `--initial-advertise-peer-urls=${PEER_URL}`,
    `--initial-cluster=default=${PEER_URL}`,
  ];
  await using etcd = await startEtcd({ kind, flags });
  const script = new Script(etcd);
  for (const step of ETCDCTL_CASES) await script.run(step);
  return script.outcomes;
}

/** Cases may share a name: the second is "… (2nd time)". */
function uniqueName(outcomes: readonly Outcome[], index: number): string {
  const name = outcomes[index]?.name ?? "";
  const before = outcomes.slice(0, index).filter((outcome) => outcome.name === name).length;
  return before === 0 ? name : `${name} (${["2nd", "3rd"][before - 1] ?? `${before + 1}th`} time)`;
}

function release(): string {
  return versionOf("reference")?.split(".").slice(0, 2).join(".") ?? "";
}

test(
  "etcdctl sees the same of a reference etcd and of ours",
  { skip: missing("ours", "reference") || missingEtcdctl(), timeout: 3 * PATIENCE_MS },
  async () => {
    const [reference, ours] = await Promise.all([outcomesOf("reference"), outcomesOf("ours")]);
    assert.equal(ours.length, reference.length);
    const found: Record<string, Omit<EtcdctlDifference, "reason">> = {};
    for (const [index, outcome] of reference.entries()) {
      const other = ours[index];
      assert.equal(other?.name, outcome.name);
      if (other.text === outcome.text) continue;
      found[uniqueName(reference, index)] = { reference: outcome.text, ours: other.text };
    }
    if (process.env.ETCDCTL_DIFFERENCES === "all") console.log(reference);
    if (process.env.ETCDCTL_DIFFERENCES === "print") {
      console.log(JSON.stringify(found, null, 2));
      return;
    }
    const known: Record<string, Omit<EtcdctlDifference, "reason">> = {};
    for (const [name, difference] of Object.entries(ETCDCTL_DIFFERENCES[release()] ?? {})) {
      known[name] = { reference: difference.reference, ours: difference.ours };
    }
    assert.deepEqual(found, known);
  },
);
