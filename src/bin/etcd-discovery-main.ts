/** The `etcd-discovery` program: gives the service the real world, and returns the exit code. */
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { SERVER_VERSION } from "../api/version.ts";
import { discoveryTable } from "../cli/discovery/command-table.ts";
import type { OwnEtcd, ServiceDeps } from "../cli/discovery/deps.ts";
import { processIo } from "../cli/framework/io.ts";
import { runTool } from "../cli/framework/run-tool.ts";
import type { Logger } from "../env/logger.ts";
import { createLogger, NodeRandom, type RootLogger } from "../platform/index.ts";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;
const API_VERSION = SERVER_VERSION.split(".").slice(0, 2).join(".");

export async function main(): Promise<number> {
  const about = { version: SERVER_VERSION, apiVersion: API_VERSION, helpLayout: "plain" } as const;
  let logger: RootLogger | undefined;
  const world = async (): Promise<ServiceDeps> => {
    const { SystemClock } = await import("../env/system-clock.ts");
    logger = createLogger();
    const interrupted = new Promise<void>((end) => {
      for (const signal of SIGNALS) process.once(signal, () => end());
    });
    const log = logger;
    return {
      clock: new SystemClock(),
      random: new NodeRandom(),
      logger,
      interrupted,
      startEtcd: (dataDir) => startOwnEtcd(dataDir, log),
    };
  };
  const code = await runTool(discoveryTable(world), about, processIo());
  logger?.flushSync();
  return code;
}

/** Reached by sockets in its directory alone, which nobody else may enter. */
async function startOwnEtcd(dataDir: string, logger: Logger): Promise<OwnEtcd> {
  const { createConfig, startEtcd } = await import("../embed/index.ts");
  const directory = resolve(dataDir);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const etcd = await startEtcd(
    createConfig({
      name: "discovery",
      dataDir: directory,
      listenClientUrls: [`unix://${join(directory, "client.sock")}`],
      listenPeerUrls: [`unix://${join(directory, "peer.sock")}`],
      // Nobody dials a cluster of one; the addresses only have to look like some.
      initialAdvertisePeerUrls: ["http://localhost:2380"],
      advertiseClientUrls: ["http://localhost:2379"],
      autoCompactionRetention: "1h",
    }),
    { logger },
  );
  await etcd.ready;
  return { endpoints: etcd.clientAddresses, stopped: etcd.stopped, stop: () => etcd.stop() };
}
