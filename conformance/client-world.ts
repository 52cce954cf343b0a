/** The reference etcd as the world of the client's suites. */
import type { SuiteServer, World } from "../src/client/testing/world.ts";
import { type EtcdProcess, startEtcd, versionOf } from "./harness.ts";

class ReferenceServer implements SuiteServer {
  readonly #etcd: EtcdProcess;

  constructor(etcd: EtcdProcess) {
    this.#etcd = etcd;
  }

  get endpoint(): string {
    return this.#etcd.clientUrl;
  }

  async stop(): Promise<void> {
    await this.#etcd.stop();
  }

  start(): Promise<void> {
    return this.#etcd.start();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#etcd[Symbol.asyncDispose]();
  }
}

export const REFERENCE_WORLD: World = {
  name: `etcd ${versionOf("reference") ?? "(missing)"}`,
  version: (versionOf("reference") ?? "0.0").split(".").slice(0, 2).join("."),
  startServer: async () => new ReferenceServer(await startEtcd({ kind: "reference" })),
};
