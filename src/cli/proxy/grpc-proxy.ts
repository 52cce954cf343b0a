/** `etcd grpc-proxy start`: reads the flags, refuses what cannot work, and runs until a signal. */
import { errorMessage } from "../../base/error-message.ts";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { quote } from "../../base/go-quote.ts";
import { systemErrorText } from "../../base/system-errors.ts";
import type { TlsOptions } from "../../client/index.ts";
import { GrpcProxy, type GrpcProxyOptions } from "../../proxy/grpc/grpc-proxy.ts";
import type { Invocation } from "../framework/command.ts";
import { CliExit, ExitCode } from "../framework/exit.ts";
import type { FlagSet } from "../framework/flags.ts";
import { parsedPort, splitHostPort } from "./addresses.ts";
import type { GrpcWorld, ListenTls, ProxyDeps } from "./deps.ts";
import { discoveredEndpoints } from "./discovered-endpoints.ts";

/** One towards the client, one towards the members. */
const DESCRIPTORS_PER_CLIENT = 2;

export async function startGrpcProxy(call: Invocation, deps: ProxyDeps): Promise<void> {
  const { flags, io } = call;
  const { logger } = deps;
  const problem = problemOf(flags);
  if (problem !== undefined) {
    io.err(`${problem}\n`);
    throw new CliExit(ExitCode.ERROR);
  }
  const found = await discoveredEndpoints(call, deps, flags.string("cacert"));
  const endpoints = found.length > 0 ? found.map(({ url }) => url) : flags.strings("endpoints");
  try {
    const tls = upstreamTls(flags);
    const world = deps.grpc();
    if (tls?.insecureSkipVerify === true) {
      logger.warn(
        "--insecure-skip-tls-verify was given, this grpc proxy process skips authentication of etcd server TLS certificates. This option should be enabled only for testing purposes.",
      );
    }
    const options = optionsOf(flags, endpoints, tls, deps, world);
    const proxy = await GrpcProxy.start(options, {
      ...deps,
      ...world,
      memberMetrics: () => memberMetrics(endpoints, tls, world),
      acceptor: acceptorOf(flags, world),
    });
    world.stopAtSignal(proxy);
  } catch (error) {
    io.err(`${errorMessage(error)}\n`);
    throw new CliExit(ExitCode.ERROR);
  }
  tellStarted(flags, deps);
}

function tellStarted(flags: FlagSet, deps: ProxyDeps): void {
  const { logger } = deps;
  const address = flags.string("listen-addr");
  const metricsAddress = flags.string("metrics-addr");
  logger.info("listening for gRPC proxy client requests", { address });
  if (metricsAddress !== "") {
    logger.info("gRPC proxy listening for metrics", { address: metricsAddress });
    logger.info("gRPC proxy server metrics URL serving");
  }
  logger.info("started gRPC proxy", { address });
  logger.info("notifying init daemon");
  deps.notifyReady();
  logger.info("successfully notified init daemon");
}

/** In the words of etcd. */
function problemOf(flags: FlagSet): string | undefined {
  const prefix = flags.string("resolver-prefix");
  const ttl = flags.number("resolver-ttl");
  if (prefix !== "" && ttl < 1) return `invalid resolver-ttl ${ttl}`;
  if (prefix === "" && ttl > 0) return `invalid resolver-prefix ${quote(prefix)}`;
  const advertised = flags.string("advertise-client-url");
  if (prefix !== "" && advertised === "") {
    return `invalid advertise-client-url ${quote(advertised)}`;
  }
  if (flags.bool("auto-tls") && flags.number("self-signed-cert-validity") === 0) {
    return "selfSignedCertValidity is invalid,it should be greater than 0";
  }
  return versionProblem(flags);
}

function versionProblem(flags: FlagSet): string | undefined {
  const names = ["tls-min-version", "tls-max-version"] as const;
  for (const name of names) {
    const text = flags.string(name);
    const isKnown = ["", "TLS1.2", "TLS1.3"].includes(text);
    if (!isKnown)
      return `${name} is invalid: unexpected TLS version ${quote(text)} (must be one of: TLS1.2, TLS1.3)`;
  }
  const [min, max] = names.map((name) => flags.string(name));
  if (max !== "" && min !== "" && String(min) > String(max)) {
    return `min version (${min}) is greater than max version (${max})`;
  }
  if (min === "TLS1.3" && flags.strings("listen-cipher-suites").length > 0) {
    return "cipher suites cannot be configured when only TLS1.3 is enabled";
  }
  return undefined;
}

function optionsOf(
  flags: FlagSet,
  endpoints: readonly string[],
  tls: TlsOptions | undefined,
  deps: ProxyDeps,
  { hostname }: GrpcWorld,
): GrpcProxyOptions {
  const metricsURL = flags.string("metrics-addr");
  const limit = deps.maxConnections;
  const keepaliveMs = flags.durationMs("dial-keepalive-time");
  return {
    listen: addressOf(flags.string("listen-addr")),
    metricsListen:
      metricsURL === ""
        ? undefined
        : {
            address: addressOf(metricsURL.replace(/^\w+:\/\//, "")),
            isSecure: metricsURL.startsWith("https://"),
          },
    upstream: {
      endpoints,
      tls,
      keepaliveIntervalMs: keepaliveMs > 0 ? keepaliveMs : undefined,
      keepaliveTimeoutMs: flags.durationMs("dial-keepalive-timeout") || undefined,
      maxMessageBytes: flags.number("max-recv-bytes"),
      // Connections to members, and what is sent to them again.
      logger: flags.bool("debug") ? deps.logger : undefined,
    },
    logsMessages: flags.bool("experimental-enable-grpc-logging"),
    commandLine: flags.bool("enable-pprof") ? deps.commandLine : undefined,
    namespace: flags.string("namespace"),
    leasingPrefix: flags.string("experimental-leasing-prefix"),
    isOrdered: flags.bool("experimental-serializable-ordering"),
    maxSendBytes: flags.number("max-send-bytes"),
    registration: {
      prefix: flags.string("resolver-prefix"),
      ttl: flags.number("resolver-ttl"),
      address: flags.string("advertise-client-url"),
      hostname,
    },
    autoSyncIntervalMs: flags.durationMs("endpoints-auto-sync-interval"),
    listener: {
      keepaliveMinTimeMs: flags.durationMs("grpc-keepalive-min-time"),
      keepaliveIntervalMs: flags.durationMs("grpc-keepalive-interval"),
      keepaliveTimeoutMs: flags.durationMs("grpc-keepalive-timeout"),
      maxConcurrentStreams: flags.number("max-concurrent-streams"),
      maxConnections: limit && Math.floor(limit / DESCRIPTORS_PER_CLIENT),
      duplicate: deps.duplicate,
    },
  };
}

function addressOf(text: string): { host: string; port: number } {
  const parts = splitHostPort(text);
  if (parts === undefined) throw new Error(`listen tcp: address ${text}: missing port in address`);
  const host = parts.host === "localhost" ? "127.0.0.1" : parts.host;
  return { host, port: parsedPort(parts.port) };
}

function upstreamTls(flags: FlagSet): TlsOptions | undefined {
  const [ca, cert, key] = ["cacert", "cert", "key"].map((name) => fileOf(flags.string(name)));
  const name = cert === undefined ? "" : commonNameOf(cert);
  // Members would take the name for the user of every caller who has no token.
  if (name !== "") {
    throw new Error(`cert has non empty Common Name (${name}): ${flags.string("cert")}`);
  }
  const insecureSkipVerify = flags.bool("insecure-skip-tls-verify");
  const isAsked = ca !== undefined || cert !== undefined || key !== undefined;
  return isAsked || insecureSkipVerify ? { ca, cert, key, insecureSkipVerify } : undefined;
}

/** "" for none, and for what is no certificate, which the first connection will say. */
function commonNameOf(pem: string): string {
  try {
    return /^CN=(.+)$/m.exec(new X509Certificate(pem).subject)?.[1] ?? "";
  } catch {
    return "";
  }
}

function fileOf(path: string): string | undefined {
  if (path === "") return undefined;
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Error(`open ${path}: ${systemErrorText(error)}`);
  }
}

/** A listener without certificates is plain, as etcd's. */
function acceptorOf(flags: FlagSet, world: GrpcWorld) {
  const [certFile = "", keyFile = "", trustedCaFile = ""] = [
    "cert-file",
    "key-file",
    "trusted-ca-file",
  ].map((name) => flags.string(name));
  const isGiven = certFile !== "" || keyFile !== "" || trustedCaFile !== "";
  if (!isGiven && !flags.bool("auto-tls")) return () => undefined;
  const settings: ListenTls = {
    certFile,
    keyFile,
    trustedCaFile,
    crlFile: flags.string("client-crl-file"),
    cipherSuites: flags.strings("listen-cipher-suites"),
    minVersion: flags.string("tls-min-version"),
    maxVersion: flags.string("tls-max-version"),
    auto: isGiven
      ? undefined
      : {
          directory: join(flags.string("data-dir"), "fixtures", "proxy"),
          host: splitHostPort(flags.string("listen-addr"))?.host ?? "",
          validityYears: flags.number("self-signed-cert-validity"),
        },
  };
  return world.acceptorOf(settings);
}

/** Of the first endpoint, as etcd. */
async function memberMetrics(
  endpoints: readonly string[],
  tls: TlsOptions | undefined,
  { fetch }: GrpcWorld,
): Promise<Uint8Array> {
  const [first = ""] = endpoints;
  const scheme = tls === undefined ? "http" : "https";
  const url = first.includes("://") ? first : `${scheme}://${first}`;
  return await fetch(`${url}/metrics`, tls);
}
