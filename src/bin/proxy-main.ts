/** The commands of `etcd` that run a proxy: gives them the real world, and returns the exit code. */
import { lookup } from "node:dns/promises";
import { get as httpGet, type IncomingMessage } from "node:http";
import { get as httpsGet, type RequestOptions } from "node:https";
import { hostname, networkInterfaces } from "node:os";
import { SERVER_VERSION } from "../api/version.ts";
import { dialReason } from "../base/dial-reason.ts";
import { type Io, processIo } from "../cli/framework/io.ts";
import { runTool } from "../cli/framework/run-tool.ts";
import { clientSrvRecords } from "../cli/framework/srv-lookup.ts";
import { proxyTable } from "../cli/proxy/command-table.ts";
import type { GrpcWorld, ListenTls, ProxyDeps, TlsTrial, UpstreamTls } from "../cli/proxy/deps.ts";
import { maxClientConnections } from "../embed/descriptor-limit.ts";
import type { Clock } from "../env/clock.ts";
import type { Logger } from "../env/logger.ts";
import { SystemClock } from "../env/system-clock.ts";
import type { TlsAcceptor } from "../env/tls.ts";
import { ciphersOf, tlsVersionOf } from "../embed/member-tls.ts";
import {
  METRICS_CONTENT_TYPE,
  MetricsRegistry,
  NO_TLS,
  NodeTlsAcceptor,
  NodeRandom,
  type RootLogger,
  TlsCredentials,
  TlsDialer,
  createLogger,
  registerProcessMetrics,
  selfSignedFiles,
  sdNotify,
  systemCalls,
} from "../platform/index.ts";
import { SignalStop } from "./signal-stop.ts";

/** How long a handshake with an endpoint from DNS may take, as in etcd. */
const TLS_TRIAL_TIMEOUT_MS = 5_000;

export function main(): Promise<number> {
  const about = { version: SERVER_VERSION, apiVersion: "3", helpLayout: "titled" } as const;
  const io = processIo();
  let logger: RootLogger | undefined;
  // What is printed comes behind the lines that were logged before it.
  const inOrder: Io = {
    ...io,
    out: (data) => {
      logger?.flushSync();
      io.out(data);
    },
    err: (data) => {
      logger?.flushSync();
      io.err(data);
    },
  };
  const world = async (isDebug: boolean): Promise<ProxyDeps> => {
    logger = createLogger({ level: isDebug ? "debug" : "info" });
    return proxyWorld(logger);
  };
  return runTool(proxyTable(world), about, inOrder);
}

function proxyWorld(logger: RootLogger): ProxyDeps {
  const clock = new SystemClock();
  const calls = systemCalls();
  return {
    clock,
    random: new NodeRandom(),
    logger,
    commandLine: process.argv.slice(1),
    maxConnections: maxClientConnections(),
    duplicate: calls instanceof Error ? undefined : calls.duplicate,
    localAddresses: () =>
      Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? []),
    lookUp: addressesOf,
    srvRecords: clientSrvRecords,
    tryTls: (trial) => tryTls(trial, clock),
    grpc: () => grpcWorld(logger, clock),
    notifyReady: () => sdNotify("READY=1", logger),
  };
}

async function addressesOf(host: string): Promise<readonly string[]> {
  if (host === "") throw new Error("lookup : no such host");
  const all = await lookup(host, { all: true, verbatim: true });
  return all.map(({ address }) => address);
}

function tryTls({ host, port, serverName, trustedCaFile }: TlsTrial, clock: Clock): Promise<void> {
  const settings = { ...NO_TLS, trustedCaFile, serverName };
  const dialer = new TlsDialer(new TlsCredentials({ settings, onReloadFailure: () => undefined }));
  return new Promise((resolve, reject) => {
    const socket = dialer.dial({ host, port });
    const timer = clock.setTimer(TLS_TRIAL_TIMEOUT_MS, () => {
      socket.destroy(new Error("i/o timeout"));
    });
    socket.once("secureConnect", () => {
      socket.destroy();
      resolve();
    });
    socket.once("error", (error) => reject(new Error(dialReason(error))));
    socket.once("close", () => timer.cancel());
  });
}

function grpcWorld(logger: RootLogger, clock: Clock): GrpcWorld {
  const metrics = new MetricsRegistry();
  registerProcessMetrics(metrics);
  return {
    metrics,
    exposition: { contentType: METRICS_CONTENT_TYPE, render: () => metrics.render() },
    hostname: hostname(),
    acceptorOf: (settings) => acceptorOf(settings, logger, clock),
    fetch: get,
    stopAtSignal: (running) => new SignalStop(logger).attach(running),
  };
}

function acceptorOf(settings: ListenTls, logger: Logger, clock: Clock): () => TlsAcceptor {
  const { auto, cipherSuites, minVersion, maxVersion, ...files } = settings;
  const made =
    auto === undefined
      ? {}
      : selfSignedFiles({
          directory: auto.directory,
          hosts: [auto.host],
          validityYears: auto.validityYears,
          nowMs: clock.wallMs(),
          logger,
        });
  const credentials = new TlsCredentials({
    settings: {
      ...NO_TLS,
      ...files,
      ...made,
      ciphers: ciphersOf(cipherSuites),
      minVersion: tlsVersionOf(minVersion) ?? NO_TLS.minVersion,
      maxVersion: tlsVersionOf(maxVersion),
    },
    onReloadFailure: (what, error) => {
      const message = "cannot use changed TLS files; the last good ones stay in force";
      logger.warn(message, { what, error });
    },
  });
  return () =>
    new NodeTlsAcceptor({
      credentials,
      clock,
      logger,
      rejectedMessage: "rejected connection on client endpoint",
      names: undefined,
      onOutcome: () => undefined,
    });
}

function get(url: string, tls: UpstreamTls | undefined): Promise<Uint8Array> {
  const { insecureSkipVerify = false, ca, ...own } = tls ?? {};
  const options = { ...own, ca: ca as string, rejectUnauthorized: !insecureSkipVerify };
  return new Promise((resolve, reject) => {
    const answered = (incoming: IncomingMessage): void => {
      const parts: Buffer[] = [];
      incoming.on("data", (part: Buffer) => parts.push(part));
      incoming.on("end", () => resolve(Buffer.concat(parts)));
      incoming.on("error", reject);
    };
    const outgoing = url.startsWith("https:")
      ? httpsGet(url, options as RequestOptions, answered)
      : httpGet(url, answered);
    outgoing.on("error", reject);
  });
}
