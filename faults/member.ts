/** One member as a process that can be killed, paused and started again. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const STOP_TIMEOUT_MS = 10_000;
/** Lines of the log that an error quotes. */
const QUOTED_LINES = 5;

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export interface MemberOptions {
  readonly name: string;
  readonly binary: string;
  readonly folder: string;
  readonly clientPort: number;
  readonly clientProxyPort: number;
  readonly peerPort: number;
  readonly peerProxyPort: number;
  readonly initialCluster: string;
  readonly heartbeatMs: number;
  readonly electionMs: number;
}

/** "3.4.23"; undefined if the binary does not run. */
export function versionOf(binary: string): string | undefined {
  const run = spawnSync(binary, ["--version"], { encoding: "utf8", env: environment() });
  return /^etcd Version: (\S+)/.exec(run.stdout ?? "")?.[1];
}

export class Member {
  readonly options: MemberOptions;
  readonly dataDir: string;
  readonly version: string;
  #child: ChildProcess | undefined;
  #exit: Promise<void> = Promise.resolve();
  isPaused = false;

  constructor(options: MemberOptions) {
    this.options = options;
    this.dataDir = join(options.folder, "data");
    mkdirSync(options.folder, { recursive: true });
    const version = versionOf(options.binary);
    if (version === undefined) throw new Error(`${options.binary} does not run`);
    this.version = version;
  }

  get name(): string {
    return this.options.name;
  }

  /** Past the proxy, for the judge. */
  get directUrl(): string {
    return `http://127.0.0.1:${this.options.clientPort}`;
  }

  /** Through the proxy, for clients. */
  get clientUrl(): string {
    return `http://127.0.0.1:${this.options.clientProxyPort}`;
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  get logPath(): string {
    return join(this.options.folder, "etcd.log");
  }

  start(): void {
    if (this.#child !== undefined) return;
    const log = openSync(this.logPath, "a");
    const child = spawn(this.options.binary, this.#flags(), {
      stdio: ["ignore", log, log],
      env: environment(),
    });
    closeSync(log);
    this.#child = child;
    this.isPaused = false;
    running.add(child);
    this.#exit = new Promise((resolve) => {
      const ended = (): void => {
        running.delete(child);
        if (this.#child === child) this.#child = undefined;
        resolve();
      };
      child.once("exit", ended);
      child.once("error", ended);
    });
  }

  pause(): void {
    this.isPaused = this.#child?.kill("SIGSTOP") ?? false;
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
    this.isPaused = false;
  }

  async kill(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#exit;
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.resume();
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await this.#exit;
    clearTimeout(timer);
  }

  /** The end of its log. */
  tail(): string {
    return readFileSync(this.logPath, "utf8").trim().split("\n").slice(-QUOTED_LINES).join("\n");
  }

  #flags(): string[] {
    const { options } = this;
    const flags = [
      `--name=${options.name}`,
      `--data-dir=${this.dataDir}`,
      `--listen-client-urls=${this.directUrl}`,
      `--advertise-client-urls=${this.clientUrl}`,
      `--listen-peer-urls=http://127.0.0.1:${options.peerPort}`,
      `--initial-advertise-peer-urls=http://127.0.0.1:${options.peerProxyPort}`,
      `--initial-cluster=${options.initialCluster}`,
      "--initial-cluster-token=faults",
      `--heartbeat-interval=${options.heartbeatMs}`,
      `--election-timeout=${options.electionMs}`,
      // Small, so that members that were away need snapshots.
      "--snapshot-count=500",
      "--pre-vote=true",
      "--log-outputs=stderr",
    ];
    // Before 3.5 the JSON lines were an option.
    return this.version.startsWith("3.4.") ? [...flags, "--logger=zap"] : flags;
  }
}

/** Settings of the caller's own environment must not reach the members. */
function environment(): Record<string, string> {
  const { PATH = "", HOME = tmpdir() } = process.env;
  // Ours runs on the node that runs this.
  return { PATH, HOME, ETCD_NODE: process.execPath };
}
