/**
 * Runs one member, or a v2 proxy, until it stops or a signal comes. The exit codes are told in
 * `etcd-main.ts`.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { EtcdConfig, LogRecord } from "../embed/config/index.ts";
import {
  RESERVED_DESCRIPTORS,
  TOO_FEW_DESCRIPTORS,
  tooLowDescriptorLimit,
} from "../embed/descriptor-limit.ts";
import { openLogger } from "../embed/open-logger.ts";
import type { RunningEtcd } from "../embed/start-etcd.ts";
import { DiscoveryError } from "../env/discovery.ts";
import type { Logger } from "../env/logger.ts";
import { type RootLogger, createLogger, sdNotify, unbundledStack } from "../platform/index.ts";
import { inspectDataDir } from "./data-dir.ts";
import { logDiscoveryRefusal } from "./discovery-refusal.ts";
import { labOfLauncher } from "./lab-channel.ts";
import { SignalStop } from "./signal-stop.ts";

function logRecords(logger: Logger, records: readonly LogRecord[]): void {
  for (const { level, message, fields } of records) logger[level](message, fields);
}

export function logRefusal(records: readonly LogRecord[]): void {
  const logger = createLogger();
  logRecords(logger, records);
  logger.close();
}

/** Called once clients are served. */
export type OnReady = (running: RunningEtcd, logger: Logger) => void;

/** Settles when the server has stopped, where it does not end the process itself. */
export async function runServer(
  config: EtcdConfig,
  records: readonly LogRecord[],
  gitSha: string,
  onReady: OnReady = () => undefined,
): Promise<void> {
  let logger: RootLogger;
  try {
    logger = openLogger(config);
  } catch (error) {
    const fallback = createLogger();
    logRecords(fallback, records);
    fallback.warn("failed to verify flags", { error });
    fallback.close();
    process.exitCode = 1;
    return;
  }
  logRecords(logger, records);
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(event, (error: unknown) => {
      const stack = error instanceof Error ? unbundledStack(error.stack ?? "") : undefined;
      exitFatally(logger, "uncaught error; stopping", { error, errorVerbose: stack });
    });
  }
  const signals = new SignalStop(logger);
  const directory = checkDataDir(logger, config.dataDir);
  // Before more modules are loaded, which takes descriptors, too.
  const limit = tooLowDescriptorLimit();
  if (limit !== undefined) {
    exitFatally(logger, TOO_FEW_DESCRIPTORS, { limit, "recommended-limit": RESERVED_DESCRIPTORS });
  }
  // What a directory is already wins over the flag.
  if (directory === "proxy" || (directory === "empty" && config.proxy !== "off")) {
    await runV2Proxy(config, logger, signals);
    return;
  }
  await runMember({ ...config, proxy: "off" }, { logger, gitSha, signals, onReady });
}

/** `cluster` when its members are known already. */
async function runV2Proxy(
  config: EtcdConfig,
  logger: RootLogger,
  signals: SignalStop,
  cluster?: string,
): Promise<void> {
  try {
    const { startV2Proxy } = await import("../embed/start-v2-proxy.ts");
    const proxy = config.proxy === "readonly" ? "readonly" : "on";
    const options = { logger, ...(cluster !== undefined && { cluster }) };
    signals.attach(await startV2Proxy({ ...config, proxy }, options));
    notifyReady(logger);
  } catch (error) {
    exitFatally(logger, "discovery failed", { error });
  }
}

interface RunOptions {
  readonly logger: RootLogger;
  readonly gitSha: string;
  readonly signals: SignalStop;
  readonly onReady: OnReady;
}

async function runMember(
  config: EtcdConfig,
  { logger, gitSha, signals, onReady }: RunOptions,
): Promise<void> {
  try {
    const { MemberRemovedError, startEtcd } = await import("../embed/index.ts");
    const isRemoval = (reason: unknown): boolean => reason instanceof MemberRemovedError;
    const running = await startEtcd(config, { logger, gitSha, ...labOfLauncher() });
    signals.attach(running);
    const isReady = await Promise.race([
      running.ready.then(() => true),
      running.stopped.then(() => false),
    ]).catch((reason: unknown) => {
      if (isRemoval(reason)) return false;
      throw reason;
    });
    if (isReady && !signals.isStopping) {
      notifyReady(logger);
      onReady(running, logger);
    }
    const error = await running.stopped;
    if (signals.isStopping) return;
    // To be removed while it serves is an end in good order; a removed member cannot start.
    if (error !== undefined && !(isRemoval(error) && isReady)) {
      exitFatally(logger, isReady ? "the member has stopped" : "failed to start", { error });
    }
  } catch (error) {
    if (signals.isStopping) return;
    if (error instanceof DiscoveryError && isForProxy(error, config)) {
      const fallback = { "fallback-proxy": config.discoveryFallback };
      logger.warn("discovery cluster is full, falling back to proxy", { ...fallback, error });
      // Made for this start, and empty; with it the next start could not tell what it is.
      rmSync(join(config.dataDir, "member"), { recursive: true, force: true });
      await runV2Proxy(config, logger, signals, error.cluster);
      return;
    }
    exitUnstarted(logger, error, config);
  }
  logger.flushSync();
  process.exit(0);
}

/** A v2 discovery service that needs no more members makes a proxy of the next one, as in 3.5. */
function isForProxy({ failure }: DiscoveryError, config: EtcdConfig): boolean {
  const { discovery, discoveryFallback } = config;
  return failure === "clusterFull" && discovery !== "" && discoveryFallback === "proxy";
}

function exitUnstarted(logger: RootLogger, error: unknown, config: EtcdConfig): never {
  if (!(error instanceof DiscoveryError)) exitFatally(logger, "discovery failed", { error });
  logDiscoveryRefusal(logger, error, config);
  logger.flushSync();
  process.exit(1);
}

function exitFatally(logger: RootLogger, message: string, fields: Record<string, unknown>): never {
  logger.fatal(message, fields);
  logger.flushSync();
  process.exit(1);
}

function checkDataDir(logger: RootLogger, directory: string): "empty" | "member" | "proxy" {
  const content = inspectDataDir(directory);
  if (content.kind === "unusable") {
    exitFatally(logger, content.message, { dir: directory, error: content.error });
  }
  for (const filename of content.strangers) {
    logger.warn("found invalid file under data directory", { filename, "data-dir": directory });
  }
  const fields = { "data-dir": directory, "dir-type": content.kind };
  const isNew = content.kind === "empty";
  logger.info(
    isNew ? "Initialize and start etcd server" : "server has already been initialized",
    fields,
  );
  return content.kind;
}

function notifyReady(logger: Logger): void {
  logger.info("notifying init daemon");
  sdNotify("READY=1", logger);
  logger.info("successfully notified init daemon");
}
