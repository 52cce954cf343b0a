/**
 * A real etcd for the log's conformance tests: one member on free ports, driven through its JSON
 * gateway. `ETCD_BINARY` names another binary than the `etcd` on the PATH.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { freePort } from "../src/base/testing/free-ports.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

export const ETCD_BINARY: string = process.env.ETCD_BINARY ?? "etcd";

/** "etcd Version: 3.4.23" or undefined when there is no etcd on this machine. */
export const etcdVersion: string | undefined = (() => {
  const run = spawnSync(ETCD_BINARY, ["--version"], { encoding: "utf8" });
  return run.status === 0 ? run.stdout.split("\n")[0] : undefined;
})();

/** As `skip` of a test: false, or why it does not run. */
export const missingEtcd: string | false =
  etcdVersion === undefined ? `${ETCD_BINARY} is not installed` : false;

export class RealEtcd {
  readonly dataDirectory: string;
  readonly #client: string;
  readonly #child: ChildProcess;
  #output = "";

  static async start(dataDirectory: string, flags: readonly string[] = []): Promise<RealEtcd> {
    const [client, peer] = [await freePort(), await freePort()];
    const etcd = new RealEtcd(dataDirectory, client, peer, flags);
    await etcd.#ready();
    return etcd;
  }

  private constructor(
    dataDirectory: string,
    client: number,
    peer: number,
    flags: readonly string[],
  ) {
    this.dataDirectory = dataDirectory;
    this.#client = `http://127.0.0.1:${client}`;
    const peerURL = `http://127.0.0.1:${peer}`;
    this.#child = spawn(ETCD_BINARY, [
      `--data-dir=${dataDirectory}`,
      `--listen-client-urls=${this.#client}`,
      `--advertise-client-urls=${this.#client}`,
      `--listen-peer-urls=${peerURL}`,
      `--initial-advertise-peer-urls=${peerURL}`,
      `--initial-cluster=default=${peerURL}`,
      ...flags,
    ]);
    this.#child.stderr?.on("data", (text: Buffer) => {
      this.#output += text.toString();
    });
    this.#child.stdout?.resume();
  }

  /** One call of the JSON gateway, such as "/v3/kv/put". */
  async call(route: string, body: Record<string, unknown>): Promise<Record<string, unknown>> {
    const response = await fetch(this.#client + route, {
      method: "POST",
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${route}: ${response.status} ${text}`);
    return JSON.parse(text) as Record<string, unknown>;
  }

  async put(key: string, value: string | Uint8Array, lease?: string): Promise<void> {
    await this.call("/v3/kv/put", {
      key: base64(key),
      value: base64(value),
      ...(lease === undefined ? {} : { lease }),
    });
  }

  async get(key: string): Promise<string | undefined> {
    const reply = await this.call("/v3/kv/range", { key: base64(key) });
    const [kv] = (reply.kvs ?? []) as { value?: string }[];
    return kv === undefined ? undefined : Buffer.from(kv.value ?? "", "base64").toString();
  }

  /** Ends the process and waits for it. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill(signal);
    await gone;
  }

  async #ready(): Promise<void> {
    const limit = Date.now() + PATIENCE_MS;
    while (Date.now() < limit) {
      if (this.#child.exitCode !== null) throw new Error(`etcd has ended:\n${this.#output}`);
      try {
        await this.call("/v3/kv/range", { key: base64("ready?") });
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    await this.stop("SIGKILL");
    throw new Error(`etcd did not become ready:\n${this.#output}`);
  }
}

export function base64(text: string | Uint8Array): string {
  return Buffer.from(text).toString("base64");
}

/** A fresh directory under the system's temporary one. */
export function temporaryDirectory(): string {
  return fs.mkdtempSync(path.join(os.tmpdir(), "wal-conformance-"));
}
