/**
 * An etcd binary as a process to be measured: a fresh member on ephemeral ports with its data in
 * a directory on a real disk.
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
} from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runClosedLoop } from "./load/closed-loop.ts";

const TMPFS_MAGIC = 0x01021994;
const POLL_MS = 5;
const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 60_000;
const QUOTA_BYTES = 8 * 1024 ** 3;
const CLOCK_TICKS_PER_SECOND = 100;

/** A binary that can be measured. */
export interface ServerUnderTest {
  readonly label: "ours" | "other";
  readonly binary: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface ProcessUsage {
  readonly residentBytes: number;
  readonly cpuSeconds: number;
}

/** A folder for data directories; never in memory. */
export function dataRoot(given: string | undefined, otherwise: string): string {
  const isMemory = statfsSync(tmpdir()).type === TMPFS_MAGIC;
  const root = given ?? (isMemory ? otherwise : tmpdir());
  mkdirSync(root, { recursive: true });
  return mkdtempSync(join(root, "etcd-bench-"));
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => new Promise((done) => server.once("listening", done))));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

export class ServerProcess {
  readonly server: ServerUnderTest;
  readonly dataDir: string;
  /** Milliseconds from the start of the process to its first answer. */
  startMs = 0;
  #port = 0;
  #process: ChildProcess | undefined;

  constructor(server: ServerUnderTest, root: string) {
    this.server = server;
    this.dataDir = mkdtempSync(join(root, `${server.label}-`));
  }

  get port(): number {
    return this.#port;
  }

  get #logPath(): string {
    return join(this.dataDir, "..", `${this.server.label}.log`);
  }

  async start(): Promise<void> {
    const [client, peer] = await freePorts(2);
    const clientUrl = `http://127.0.0.1:${client}`;
    const peerUrl = `http://127.0.0.1:${peer}`;
    this.#port = client ?? 0;
    const log = openSync(this.#logPath, "a");
    const startedAt = performance.now();
    const child = spawn(
      this.server.binary,
      [
        ...["--name", "bench", "--data-dir", this.dataDir],
        ...["--listen-client-urls", clientUrl, "--advertise-client-urls", clientUrl],
        ...["--listen-peer-urls", peerUrl, "--initial-advertise-peer-urls", peerUrl],
        ...["--initial-cluster", `bench=${peerUrl}`, "--quota-backend-bytes", String(QUOTA_BYTES)],
        ...["--logger", "zap", "--log-outputs", "stderr"],
      ],
      { stdio: ["ignore", log, log], env: { ...process.env, ...this.server.env } },
    );
    closeSync(log);
    this.#process = child;
    const failure = new Promise<never>((_, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => {
        reject(new Error(`${this.server.binary} ended early (${signal ?? code}): ${this.#tail()}`));
      });
    });
    failure.catch(() => {});
    await Promise.race([failure, this.#untilAnswers(startedAt + START_TIMEOUT_MS)]);
    this.startMs = performance.now() - startedAt;
  }

  /** Asks until a linearizable read is answered. */
  async #untilAnswers(deadlineMs: number): Promise<void> {
    while (performance.now() < deadlineMs) {
      const result = await runClosedLoop({
        kind: "closedLoop",
        port: this.#port,
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
    const pid = this.#process?.pid ?? 0;
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    return {
      residentBytes: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024,
      cpuSeconds: ticks / CLOCK_TICKS_PER_SECOND,
    };
  }

  /** Value of a metric without labels; undefined where the server has none of that name. */
  async metric(name: string): Promise<number | undefined> {
    const response = await fetch(`http://127.0.0.1:${this.#port}/metrics`);
    const line = (await response.text()).split("\n").find((row) => row.startsWith(`${name} `));
    return line === undefined ? undefined : Number(line.slice(name.length + 1));
  }

  /** Asks it to stop, waits, and kills it if it does not. */
  async stop(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
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
