/**
 * An etcd binary as a process to be measured: a fresh member with its data in a directory on a
 * real disk. Alone it gets new ports at each start; a member of a cluster keeps those of its shape.
 */
import { type ChildProcess, spawn } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestAuthority } from "../src/platform/tls/testing/authority.ts";
import { runClosedLoop } from "./load/closed-loop.ts";
import { freePorts } from "../src/base/testing/free-ports.ts";

const TMPFS_MAGIC = 0x01021994;
const POLL_MS = 5;
const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 60_000;
const QUOTA_BYTES = 8 * 1024 ** 3;
const CLOCK_TICKS_PER_SECOND = 100;
/** Seconds that the event loop stood still at most since it was last asked for; ours alone has it. */
export const STALL_METRIC = "nodejs_eventloop_lag_max_seconds";

/** A binary that can be measured. */
export interface ServerUnderTest {
  /** "ours", or what tells another one apart: for Go's the version. */
  readonly label: string;
  readonly binary: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface ProcessUsage {
  /** Anonymous pages, and those of files, together. */
  readonly residentBytes: number;
  readonly anonymousBytes: number;
  readonly fileBytes: number;
  readonly cpuSeconds: number;
}

/** The place of a member in a cluster. */
export interface MemberShape {
  readonly name: string;
  readonly clientPort: number;
  readonly peerPort: number;
  /** As --initial-cluster takes it. */
  readonly initialCluster: string;
  readonly flags: readonly string[];
  /** It serves clients over TLS there, too. */
  readonly secure?: { readonly port: number; readonly certFile: string; readonly keyFile: string };
}

/** A folder for data directories; never in memory. */
export function dataRoot(given: string | undefined, otherwise: string): string {
  const isMemory = statfsSync(tmpdir()).type === TMPFS_MAGIC;
  const root = given ?? (isMemory ? otherwise : tmpdir());
  mkdirSync(root, { recursive: true });
  return mkdtempSync(join(root, "etcd-bench-"));
}

export class ServerProcess {
  readonly server: ServerUnderTest;
  readonly dataDir: string;
  /** Milliseconds from the start of the process to its first answer. */
  startMs = 0;
  readonly #shape: MemberShape | undefined;
  #port = 0;
  #process: ChildProcess | undefined;
  /** Rejects when the running process ends. */
  #failure: Promise<never> | undefined;

  constructor(server: ServerUnderTest, root: string, shape?: MemberShape) {
    this.server = server;
    this.dataDir = mkdtempSync(join(root, `${server.label}-`));
    this.#shape = shape;
  }

  get port(): number {
    return this.#port;
  }

  /** Where clients are served over TLS. */
  get securePort(): number {
    const port = this.#shape?.secure?.port;
    if (port === undefined) throw new Error("the member does not serve TLS");
    return port;
  }

  /** 0 before it was started. */
  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get isRunning(): boolean {
    const child = this.#process;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  get #logPath(): string {
    return join(this.dataDir, "..", `${this.server.label}-${this.#shape?.name ?? "alone"}.log`);
  }

  /** Starts it and waits until it answers. */
  async start(): Promise<void> {
    const shape = this.#shape ?? (await shapeOfOne());
    const startedAt = performance.now();
    this.#launch(shape);
    const answers = this.#untilAnswers(startedAt + START_TIMEOUT_MS);
    await Promise.race([this.#failure, answers]);
    this.startMs = performance.now() - startedAt;
  }

  /** Starts a member of a cluster again, and does not wait. */
  launch(): void {
    if (this.#shape === undefined) throw new Error("only members of clusters have fixed ports");
    this.#launch(this.#shape);
  }

  #launch({ name, clientPort, peerPort, initialCluster, flags, secure }: MemberShape): void {
    const clientUrl = `http://127.0.0.1:${clientPort}`;
    const secureUrls = secure === undefined ? [] : [`https://127.0.0.1:${secure.port}`];
    const files = secure && ["--cert-file", secure.certFile, "--key-file", secure.keyFile];
    const peerUrl = `http://127.0.0.1:${peerPort}`;
    this.#port = clientPort;
    const log = openSync(this.#logPath, "a");
    const child = spawn(
      this.server.binary,
      [
        ...["--name", name, "--data-dir", this.dataDir],
        ...[
          "--listen-client-urls",
          [clientUrl, ...secureUrls].join(),
          "--advertise-client-urls",
          clientUrl,
        ],
        ...["--listen-peer-urls", peerUrl, "--initial-advertise-peer-urls", peerUrl],
        ...["--initial-cluster", initialCluster, "--quota-backend-bytes", String(QUOTA_BYTES)],
        ...["--logger", "zap", "--log-outputs", "stderr", ...flags],
        ...(files ?? []),
      ],
      { stdio: ["ignore", log, log], env: { ...process.env, ...this.server.env } },
    );
    closeSync(log);
    this.#process = child;
    this.#failure = new Promise<never>((_, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => {
        reject(new Error(`${this.server.binary} ended early (${signal ?? code}): ${this.#tail()}`));
      });
    });
    this.#failure.catch(() => {});
  }

  /** Asks until a linearizable read is answered. */
  async #untilAnswers(deadlineMs: number): Promise<void> {
    while (performance.now() < deadlineMs) {
      const result = await runClosedLoop({
        kind: "closedLoop",
        ports: [this.#port],
        connections: 1,
        streams: 1,
        request: { kind: "get", isSerializable: false },
        firstKey: 0,
        keyCount: 1,
        keyOrder: "same",
        warmUpSeconds: 0,
        limit: { requests: 1 },
      }).catch(() => undefined);
      if (result?.operations === 1) return;
      await new Promise((done) => setTimeout(done, POLL_MS));
    }
    throw new Error(`${this.server.binary} does not answer: ${this.#tail()}`);
  }

  #tail(): string {
    return readFileSync(this.#logPath, "utf8").trim().split("\n").slice(-3).join("\n");
  }

  usage(): ProcessUsage {
    return usageOf(this.pid);
  }

  /** Value of a metric, over all its labels; undefined where the server has none of that name. */
  async metric(name: string): Promise<number | undefined> {
    const response = await fetch(`http://127.0.0.1:${this.#port}/metrics`);
    const lines = (await response.text())
      .split("\n")
      .filter((row) => row.startsWith(`${name} `) || row.startsWith(`${name}{`));
    if (lines.length === 0) return undefined;
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
  }

  /** Ends it as a crash does. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (child === undefined || !this.isRunning) return;
    const ended = new Promise((done) => child.once("exit", done));
    child.kill("SIGKILL");
    await ended;
  }

  /** Asks it to stop, waits, and kills it if it does not. */
  async stop(): Promise<void> {
    const child = this.#process;
    if (child === undefined || !this.isRunning) return;
    const ended = new Promise((done) => child.once("exit", done));
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    child.kill("SIGTERM");
    await ended;
    clearTimeout(timer);
  }

  removeData(): void {
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}

export function usageOf(pid: number): ProcessUsage {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  const bytesOf = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0) * 1024;
  return {
    residentBytes: bytesOf("VmRSS"),
    anonymousBytes: bytesOf("RssAnon"),
    fileBytes: bytesOf("RssFile") + bytesOf("RssShmem"),
    cpuSeconds: ticks / CLOCK_TICKS_PER_SECOND,
  };
}

/** A member alone, on ports that are free, with flags of its own. */
export async function shapeOfOne(flags: readonly string[] = []): Promise<MemberShape> {
  const [clientPort = 0, peerPort = 0] = await freePorts(2);
  const initialCluster = `bench=http://127.0.0.1:${peerPort}`;
  return { name: "bench", clientPort, peerPort, initialCluster, flags };
}

/** A member alone that serves clients over TLS as well, with a certificate made in `folder`. */
export async function secureShape(folder: string): Promise<MemberShape> {
  const [port = 0] = await freePorts(1);
  const { cert, key } = new TestAuthority().issue();
  const certFile = join(folder, "server.crt");
  const keyFile = join(folder, "server.key");
  writeFileSync(certFile, cert);
  writeFileSync(keyFile, key);
  return { ...(await shapeOfOne()), secure: { port, certFile, keyFile } };
}
