/**
 * Members as real processes for black-box tests: ours (`bin/etcd` of this repository) and a
 * reference etcd (Debian's, `/usr/bin/etcd`, or what `ETCD_BINARY` names), alone or as a cluster
 * in any mix. Ports are chosen anew for each start, data lives in a temporary directory, all log
 * lines are kept, and nothing survives the test: not even when it crashes.
 *
 *     await using etcd = await startEtcd({ kind: "ours" });
 *     await fetch(`${etcd.clientUrl}/health`);
 *
 * `ETCD_OURS` names another launcher than bin/etcd. Tests that need a binary pass
 * `skip: missing("reference")` so that its absence is reported by name.
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePorts } from "../src/base/testing/free-ports.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

export type EtcdKind = "ours" | "reference";

/** etcd 3.4 with JSON lines only logs the second. */
const READY_TEXT = /ready to serve client requests|serving client traffic/;

/** Root of the repository, wherever the compiled test runs. */
export const repositoryRoot: string = (() => {
  let path = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(path, "package.json"))) {
    const parent = dirname(path);
    if (parent === path) throw new Error("package.json of the repository not found");
    path = parent;
  }
  return path;
})();

/** The binary of a kind, whether it exists or not. */
export function binaryOf(kind: EtcdKind): string {
  if (kind === "reference") return process.env.ETCD_BINARY ?? "/usr/bin/etcd";
  return process.env.ETCD_OURS ?? join(repositoryRoot, "bin", "etcd");
}

const versions = new Map<EtcdKind, string | undefined>();

/** "3.4.23", or undefined when the binary is missing or does not run. */
export function versionOf(kind: EtcdKind): string | undefined {
  if (!versions.has(kind)) {
    const run = spawnSync(binaryOf(kind), ["--version"], {
      encoding: "utf8",
      env: environment(kind),
    });
    versions.set(kind, /^etcd Version: (\S+)/.exec(run.stdout ?? "")?.[1]);
  }
  return versions.get(kind);
}

/** As `skip` of a test: false, or why it cannot run. */
export function missing(...kinds: readonly EtcdKind[]): string | false {
  const kind = kinds.find((each) => versionOf(each) === undefined);
  return kind === undefined ? false : `${binaryOf(kind)} does not run`;
}

export interface EtcdOptions {
  /** Default "ours". */
  readonly kind?: EtcdKind;
  /** Default "default". */
  readonly name?: string;
  /** Kept when the member stops. Default: a temporary directory that is removed. */
  readonly dataDir?: string;
  /** More flags; later ones win. */
  readonly flags?: readonly string[];
  /** Environment besides PATH and HOME. */
  readonly env?: Readonly<Record<string, string>>;
  /** Text of the log line that ends the start. */
  readonly readyText?: string | RegExp;
}

export interface ExitInfo {
  /** Undefined if a signal ended the process. */
  readonly code: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
}

/** A parsed log line; lines that are no JSON have only `msg`. */
export interface LogLine {
  readonly level?: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** Starts one member and waits until it serves. Rejects with its log if it does not. */
export async function startEtcd(options: EtcdOptions = {}): Promise<EtcdProcess> {
  const [clientPort = 0, peerPort = 0] = await freePorts(2);
  const etcd = new EtcdProcess(options, clientPort, peerPort);
  try {
    await etcd.start();
    return etcd;
  } catch (error) {
    await etcd[Symbol.asyncDispose]();
    throw error;
  }
}

/** Members of one new cluster, in the order of `kinds`, named m0, m1 ... All serve. */
export async function startCluster(
  kinds: readonly EtcdKind[],
  options: Omit<EtcdOptions, "kind" | "name" | "dataDir"> = {},
): Promise<EtcdCluster> {
  const ports = await freePorts(kinds.length * 2);
  const initialCluster = kinds.map((_, i) => `m${i}=${peerUrlOf(ports[2 * i + 1] as number)}`);
  const flags = [`--initial-cluster=${initialCluster.join(",")}`, ...(options.flags ?? [])];
  const members = kinds.map(
    (kind, i) =>
      new EtcdProcess(
        { ...options, kind, name: `m${i}`, flags },
        ports[2 * i] as number,
        ports[2 * i + 1] as number,
      ),
  );
  const cluster = new EtcdCluster(members);
  try {
    await Promise.all(members.map((member) => member.start()));
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
  return cluster;
}

export class EtcdCluster implements AsyncDisposable {
  readonly members: readonly EtcdProcess[];

  constructor(members: readonly EtcdProcess[]) {
    this.members = members;
  }

  get clientUrls(): string[] {
    return this.members.map((member) => member.clientUrl);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member[Symbol.asyncDispose]()));
  }
}

/** One member. Start it with `startEtcd`; it can be stopped, killed and started again. */
export class EtcdProcess implements AsyncDisposable {
  readonly kind: EtcdKind;
  readonly name: string;
  readonly clientUrl: string;
  readonly peerUrl: string;
  readonly dataDir: string;
  readonly #options: EtcdOptions;
  readonly #temporary: string | undefined;
  #child: ChildProcess | undefined;
  #exit: Promise<ExitInfo> = Promise.resolve({ code: 0, signal: undefined });
  #logText = "";
  /** Length of the log when the last start began. */
  #startedAt = 0;
  #onOutput = new Set<() => void>();

  constructor(options: EtcdOptions, clientPort: number, peerPort: number) {
    this.#options = options;
    this.kind = options.kind ?? "ours";
    this.name = options.name ?? "default";
    this.clientUrl = `http://127.0.0.1:${clientPort}`;
    this.peerUrl = peerUrlOf(peerPort);
    this.#temporary =
      options.dataDir === undefined ? mkdtempSync(join(tmpdir(), "etcd-conformance-")) : undefined;
    this.dataDir = options.dataDir ?? join(this.#temporary ?? "", "data");
  }

  /** Process id, while it runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  /** All output of all runs so far. */
  get logText(): string {
    return this.#logText;
  }

  /** The lines of `logText`, parsed. */
  get log(): LogLine[] {
    return this.#logText
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => {
        try {
          return JSON.parse(line) as LogLine;
        } catch {
          return { msg: line };
        }
      });
  }

  /** Starts the process and waits until it serves clients. */
  async start(): Promise<void> {
    this.launch();
    await this.waitForLog(this.#options.readyText ?? READY_TEXT);
  }

  /** Starts the process and does not wait. */
  launch(): void {
    if (this.#child !== undefined) throw new Error(`${this.name} runs already`);
    this.#startedAt = this.#logText.length;
    const child = spawn(binaryOf(this.kind), this.#flags(), {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...environment(this.kind), ...this.#options.env },
    });
    this.#child = child;
    running.add(child);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#logText += text;
        for (const wake of this.#onOutput) wake();
      });
    }
    this.#exit = new Promise((resolve) => {
      const ended = (code: number | null, signal: NodeJS.Signals | null): void => {
        this.#child = undefined;
        running.delete(child);
        resolve({ code: code ?? undefined, signal: signal ?? undefined });
        for (const wake of this.#onOutput) wake();
      };
      child.once("close", ended);
      child.once("error", (error) => {
        this.#logText += `${error.message}\n`;
        ended(127, null);
      });
    });
  }

  /** Waits for `text` in the output since the last start; rejects if the process ends before. */
  async waitForLog(text: string | RegExp, timeoutMs: number = PATIENCE_MS): Promise<void> {
    const isThere = (): boolean => {
      const recent = this.#logText.slice(this.#startedAt);
      return typeof text === "string" ? recent.includes(text) : text.test(recent);
    };
    await new Promise<void>((resolve, reject) => {
      const finish = (error?: Error): void => {
        clearTimeout(timer);
        this.#onOutput.delete(check);
        if (error === undefined) resolve();
        else reject(error);
      };
      const problem = (what: string): Error =>
        new Error(`${this.name} (${binaryOf(this.kind)}) ${what}; its log:\n${this.#logText}`);
      const check = (): void => {
        if (isThere()) finish();
        else if (!this.running) finish(problem(`ended before it logged ${text}`));
      };
      const timer = setTimeout(
        () => finish(problem(`did not log ${text} within ${timeoutMs} ms`)),
        timeoutMs,
      );
      this.#onOutput.add(check);
      check();
    });
  }

  /** Sends a signal and waits for the end; SIGKILL follows if the process does not obey. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<ExitInfo> {
    const child = this.#child;
    if (child === undefined) return this.#exit;
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
    const exit = await this.#exit;
    clearTimeout(timer);
    return exit;
  }

  /** The end by SIGKILL. */
  kill(): Promise<ExitInfo> {
    return this.stop("SIGKILL");
  }

  /** Settles when the process has ended by itself. */
  exited(): Promise<ExitInfo> {
    return this.#exit;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** One request of the JSON gateway, such as "/v3/kv/put"; rejects unless it is answered 200. */
  async call(path: string, body: unknown = {}): Promise<Record<string, unknown>> {
    const response = await fetch(this.clientUrl + path, {
      method: "POST",
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return JSON.parse(text) as Record<string, unknown>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    if (this.#temporary !== undefined) rmSync(this.#temporary, { recursive: true, force: true });
  }

  #flags(): string[] {
    const flags = [
      `--name=${this.name}`,
      `--data-dir=${this.dataDir}`,
      `--listen-client-urls=${this.clientUrl}`,
      `--advertise-client-urls=${this.clientUrl}`,
      `--listen-peer-urls=${this.peerUrl}`,
      `--initial-advertise-peer-urls=${this.peerUrl}`,
      `--initial-cluster=${this.name}=${this.peerUrl}`,
      "--log-outputs=stderr",
      ...(this.#options.flags ?? []),
    ];
    // Before 3.5 the JSON lines were an option.
    if (this.kind === "reference" && versionOf(this.kind)?.startsWith("3.4.")) {
      flags.unshift("--logger=zap");
    }
    return lastOfEach(flags);
  }
}

/** Drops flags that a later one of the same name replaces: etcd takes the first of some. */
function lastOfEach(flags: readonly string[]): string[] {
  const nameOf = (flag: string): string => flag.split("=")[0] ?? flag;
  return flags.filter(
    (flag, i) =>
      !flag.startsWith("--") || !flags.slice(i + 1).some((later) => nameOf(later) === nameOf(flag)),
  );
}

/** Settings of the test's own environment must not reach the members. */
function environment(kind: EtcdKind): Record<string, string> {
  const { PATH = "", HOME = tmpdir() } = process.env;
  // Ours runs on the node that runs the test.
  return kind === "ours" ? { PATH, HOME, ETCD_NODE: process.execPath } : { PATH, HOME };
}

function peerUrlOf(port: number): string {
  return `http://127.0.0.1:${port}`;
}

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
