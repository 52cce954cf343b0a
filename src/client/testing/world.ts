/**
 * What the suites of the client need of a server, so that the same tests run on any etcd: a
 * member that can be stopped and started again at the same address with the same data.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../base/testing/free-ports.ts";
import { createConfig, type RunningEtcd, startEtcd } from "../../embed/index.ts";
import { MemoryLogger } from "../../env/testing/index.ts";
import type { EtcdClientOptions } from "../index.ts";
import { EtcdClient } from "../index.ts";

export interface SuiteServer extends AsyncDisposable {
  /** "http://127.0.0.1:port"; the same after a restart. */
  readonly endpoint: string;
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** What a test needs of a server besides its being there. */
export interface ServerNeeds {
  /** `--auth-token-ttl`, which etcd has since 3.5. */
  readonly authTokenTtlSeconds?: number;
}

export interface World {
  /** Names the tests: "this server", "etcd 3.4.23". */
  readonly name: string;
  /** "3.4", for what only newer servers have. */
  readonly version: string;
  startServer(needs?: ServerNeeds): Promise<SuiteServer>;
}

/** The server of this repository, inside the process of the tests. */
export const OUR_WORLD: World = {
  name: "this server",
  version: "3.6",
  startServer: (needs) => MemberHere.start(needs),
};

class MemberHere implements SuiteServer {
  readonly #dataDir = mkdtempSync(join(tmpdir(), "etcd-client-"));
  readonly #port: number;
  readonly #needs: ServerNeeds;
  #etcd: RunningEtcd | undefined;

  private constructor(port: number, needs: ServerNeeds) {
    this.#port = port;
    this.#needs = needs;
  }

  static async start(needs: ServerNeeds = {}): Promise<MemberHere> {
    const member = new MemberHere(await freePort(), needs);
    await member.start();
    return member;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const config = createConfig({
      dataDir: this.#dataDir,
      listenClientUrls: [this.endpoint],
      listenPeerUrls: ["http://127.0.0.1:0"],
      ...this.#needs,
    });
    const etcd = await startEtcd(config, { logger: new MemoryLogger() });
    this.#etcd = etcd;
    await etcd.ready;
  }

  async stop(): Promise<void> {
    await this.#etcd?.stop();
    this.#etcd = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.#dataDir, { recursive: true, force: true });
  }
}

/** Clients with short pauses, closed together. */
export class Clients implements Disposable {
  readonly #server: SuiteServer;
  readonly #clients: EtcdClient[] = [];

  constructor(server: SuiteServer) {
    this.#server = server;
  }

  make(options: EtcdClientOptions = {}): EtcdClient {
    const client = new EtcdClient({
      endpoints: this.#server.endpoint,
      backoffMs: 5,
      maxBackoffMs: 100,
      ...options,
    });
    this.#clients.push(client);
    return client;
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) client.close();
  }
}
