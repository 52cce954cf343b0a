/**
 * A member for one test file: started in this process on ports that the system chooses, its data
 * in a temporary directory, stopped and removed when the tests end.
 *
 * `ETCD_E2E_BINARY=/usr/bin/etcd` runs the same tests on another etcd program instead, to see
 * whether the tests themselves are right.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryLogger } from "../../env/testing/index.ts";
import type { RunningEtcd } from "../index.ts";
import { startEtcd } from "../index.ts";
import { parseCommandLine } from "../config/index.ts";
import { RpcClient } from "./rpc-client.ts";
import { until, within } from "./wait.ts";
import { freePort } from "../../base/testing/free-ports.ts";

/** The other program, when tests are to be tried on one. */
export const OTHER_BINARY: string | undefined = process.env.ETCD_E2E_BINARY;

/** Flags of the command line without dashes, such as `"max-txn-ops": 3`. */
export type Flags = Readonly<Record<string, string | number | boolean>>;

interface Server {
  readonly port: number;
  stop(): Promise<void>;
}

const VERSION_FACTS = { version: "", gitSha: "", runtime: "", os: "linux", arch: "amd64" };

export class TestMember {
  readonly dataDir: string;
  readonly logger = new MemoryLogger();
  #server: Server | undefined;
  #client: RpcClient | undefined;
  readonly #clients: RpcClient[] = [];

  private constructor(dataDir: string) {
    this.dataDir = dataDir;
  }

  static async start(flags: Flags = {}, dataDir: string = newDirectory()): Promise<TestMember> {
    const member = new TestMember(dataDir);
    await member.#start(flags);
    return member;
  }

  /** The client that most tests share. */
  get client(): RpcClient {
    if (this.#client === undefined) throw new Error("the member is stopped");
    return this.#client;
  }

  get port(): number {
    if (this.#server === undefined) throw new Error("the member is stopped");
    return this.#server.port;
  }

  /** A client with a connection of its own. */
  async connect(): Promise<RpcClient> {
    const client = await RpcClient.connect(this.port);
    this.#clients.push(client);
    return client;
  }

  /** The messages that the member has logged; empty for another program. */
  get logged(): string[] {
    return this.logger.messages();
  }

  async restart(flags: Flags = {}): Promise<void> {
    await this.stop();
    await this.#start(flags);
  }

  async stop(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.close();
    const server = this.#server;
    this.#server = undefined;
    this.#client = undefined;
    await server?.stop();
  }

  /** Stops it and removes its data. */
  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  async #start(flags: Flags): Promise<void> {
    const given = { "data-dir": this.dataDir, "initial-cluster-token": "e2e", ...flags };
    this.#server =
      OTHER_BINARY === undefined
        ? await startHere(given, this.logger)
        : await startProgram(OTHER_BINARY, given);
    this.#client = await this.connect();
  }
}

function newDirectory(): string {
  return mkdtempSync(join(tmpdir(), "etcd-e2e-"));
}

function argumentsOf(flags: Flags): string[] {
  return Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
}

function listenFlags(clientPort: number, peerPort: number): Flags {
  const client = `http://127.0.0.1:${clientPort}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  return {
    "listen-client-urls": client,
    "advertise-client-urls": client,
    "listen-peer-urls": peer,
    "initial-advertise-peer-urls": peer,
    "initial-cluster": `default=${peer}`,
  };
}

async function startHere(flags: Flags, logger: MemoryLogger): Promise<Server> {
  const outcome = await parseCommandLine(
    ["etcd", ...argumentsOf({ ...listenFlags(0, 0), ...flags })],
    {
      env: {},
      readFile: () => "",
      version: VERSION_FACTS,
      findHost: () => undefined,
    },
  );
  if (outcome.kind !== "run") throw new Error(JSON.stringify(outcome));
  const etcd: RunningEtcd = await startEtcd(outcome.config, { logger });
  await within(etcd.ready, "the member to be ready");
  const { port } = new URL(etcd.clientAddresses[0] ?? "");
  return { port: Number(port), stop: () => etcd.stop() };
}

async function startProgram(binary: string, flags: Flags): Promise<Server> {
  const port = await freePort();
  const peerPort = await freePort();
  const child = spawn(binary, argumentsOf({ ...listenFlags(port, peerPort), ...flags }), {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    log += chunk;
  });
  await until(() => {
    if (child.exitCode !== null) throw new Error(`${binary} ended: ${log.slice(-2000)}`);
    return log.includes("ready to serve client requests");
  }, `${binary} to be ready`);
  return { port, stop: () => stopProgram(child) };
}

function stopProgram(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve();
      return;
    }
    child.once("exit", () => resolve());
    child.kill("SIGTERM");
  });
}
