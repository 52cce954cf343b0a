/**
 * The rules that a whole configuration must keep, in the order in which etcd checks them, with
 * etcd's texts. `verifyConfig` holds for any start; `startProblem` holds what etcd only notices
 * when it sets up listeners and the server.
 */
import { JsonError, JsonReader } from "../../gateway/json-reader.ts";
import { isKnownCipherSuite } from "./cipher-suites.ts";
import type { EtcdConfig, LogRecord } from "./config.ts";
import { quote, quoteList } from "../../base/go-quote.ts";
import { TextError, formatDuration, parseDurationMs } from "../../base/go-text.ts";
import { MIN_SEGMENT_BYTES } from "../../wal/segment-bytes.ts";
import {
  advertiseProblem,
  bindProblem,
  type EtcdUrl,
  formatUrls,
  isSecureUrl,
  parseInitialCluster,
} from "../../base/etcd-url.ts";

/** Longer election timeouts would make an outage last for minutes. */
const MAX_ELECTION_TIMEOUT_MS = 50_000;

/** A follower must miss several heartbeats before it stands for election. */
const MIN_HEARTBEATS_PER_ELECTION = 5;

/** More than this is more than all of a million. */
const MAX_SAMPLES_PER_MILLION = 1_000_000;

export const ADVERTISE_REQUIRED =
  "--advertise-client-urls is required when --listen-client-urls is set explicitly";

export interface Verification {
  /** The first broken rule; undefined when all hold. */
  readonly problem: string | undefined;
  /** Lines for the log that do not depend on whether there is a problem. */
  readonly warnings: readonly LogRecord[];
}

type Rule = (config: EtcdConfig, warnings: LogRecord[]) => string | undefined;

const RULES: readonly Rule[] = [
  loggingProblem,
  listenProblem,
  advertisedProblem,
  bootstrapProblem,
  discoveryProblem,
  timingProblem,
  clientAddressProblem,
  compactionModeProblem,
  tracingProblem,
  leaseCheckpointProblem,
  hashCheckProblem,
  nameProblem,
  tlsVersionProblem,
  v2Problem,
  walSegmentProblem,
  dashboardProblem,
];

export function verifyConfig(config: EtcdConfig): Verification {
  const warnings: LogRecord[] = [];
  for (const rule of RULES) {
    const problem = rule(config, warnings);
    if (problem !== undefined) return { problem, warnings };
  }
  return { problem: undefined, warnings };
}

const LOG_LEVELS: ReadonlySet<string> = new Set([
  "debug",
  "info",
  "warn",
  "error",
  "dpanic",
  "panic",
  "fatal",
  "",
]);

function loggingProblem(config: EtcdConfig): string | undefined {
  const { logger, logOutputs: outputs, logLevel, logFormat } = config;
  if (logger === "capnslog") return "--logger=capnslog is removed in v3.5";
  if (logger !== "zap") return `unknown logger option ${quote(logger)}`;
  if (outputs.length > 1 && outputs.includes("default")) {
    return 'multi logoutput for "default" is not supported yet';
  }
  if (config.enableLogRotation) {
    const problem = rotationProblem(outputs, config.logRotationConfigJson);
    if (problem !== undefined) return problem;
  }
  if (outputs.includes("systemd/journal") && outputs.length > 1) {
    return `running with systemd/journal but other '--log-outputs' values (${quoteList(outputs)}) are configured with 'default'; override 'default' value with something else`;
  }
  if (!LOG_LEVELS.has(logLevel.toLowerCase())) return `unrecognized level: ${quote(logLevel)}`;
  if (logFormat !== "json" && logFormat !== "console") {
    return `unknown log format: ${logFormat}, supported values json, console`;
  }
  return undefined;
}

const NO_FILES: ReadonlySet<string> = new Set(["default", "stderr", "stdout"]);
const ROTATION_FIELDS: ReadonlyMap<string, "string" | "int" | "bool"> = new Map([
  ["filename", "string"],
  ["maxsize", "int"],
  ["maxage", "int"],
  ["maxbackups", "int"],
  ["localtime", "bool"],
  ["compress", "bool"],
]);

function rotationProblem(outputs: readonly string[], json: string): string | undefined {
  const files = outputs.filter((output) => !NO_FILES.has(output));
  if (files.length > 1 || (outputs.length === 1 && files.length === 0)) {
    return "--log-outputs requires a single file path when --log-rotate-config-json is defined";
  }
  const syntax = jsonProblem(json);
  if (syntax !== undefined) return `improperly formatted log rotation config: ${syntax}`;
  const parsed: unknown = JSON.parse(json);
  if (typeof parsed !== "object" || parsed === null) return undefined;
  for (const [key, value] of Object.entries(parsed)) {
    const wanted = ROTATION_FIELDS.get(key.toLowerCase());
    const found = jsonKind(value);
    if (wanted === undefined || value === null || found === wanted) continue;
    return `invalid log rotation config: json: cannot unmarshal ${found === "int" ? "number" : found} into Go struct field logRotationConfig.Logger.${key} of type ${wanted}`;
  }
  return undefined;
}

/** What is wrong with a JSON text, as Go says it; undefined when nothing. */
function jsonProblem(text: string): string | undefined {
  try {
    const reader = new JsonReader(text);
    reader.skipValue();
    reader.mustEnd();
    return undefined;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return error.message === "unexpected EOF" ? "unexpected end of JSON input" : error.message;
  }
}

function jsonKind(value: unknown): string {
  if (typeof value === "number") return Number.isInteger(value) ? "int" : `number ${value}`;
  if (typeof value === "boolean") return "bool";
  if (Array.isArray(value)) return "array";
  return typeof value;
}

function listenProblem(config: EtcdConfig, warnings: LogRecord[]): string | undefined {
  const problem =
    bindProblem(config.listenPeerUrls) ??
    bindProblem(config.listenClientUrls) ??
    bindProblem(config.listenClientHttpUrls);
  if (problem !== undefined) return problem;
  if (config.listenClientHttpUrls.length === 0) {
    warnings.push({
      level: "warn",
      message:
        "Running http and grpc server on single port. This is not recommended for production.",
    });
  }
  return bindProblem(config.listenMetricsUrls);
}

function advertisedProblem(config: EtcdConfig): string | undefined {
  return (
    hostPortProblem("--initial-advertise-peer-urls", config.initialAdvertisePeerUrls) ??
    hostPortProblem("--advertise-client-urls", config.advertiseClientUrls)
  );
}

function hostPortProblem(flag: string, urls: readonly EtcdUrl[]): string | undefined {
  const problem = advertiseProblem(urls);
  if (problem === undefined) return undefined;
  return `${flag} ${quote(formatUrls(urls))} must be "host:port" (${problem})`;
}

function bootstrapProblem(config: EtcdConfig): string | undefined {
  const state: string = config.initialClusterState;
  if (state !== "new" && state !== "existing") return `unexpected clusterState ${quote(state)}`;
  const ways = [
    config.discovery !== "",
    config.initialCluster !== "",
    config.discoverySrv !== "",
    config.discoveryEndpoints.length > 0,
  ];
  if (ways.filter(Boolean).length <= 1) return undefined;
  return 'multiple discovery or bootstrap flags are set. Choose one of "initial-cluster", "discovery", "discovery-endpoints" or "discovery-srv"';
}

function discoveryProblem(config: EtcdConfig): string | undefined {
  const endpoints = config.discoveryEndpoints;
  const hasV3 =
    endpoints.length > 0 ||
    config.discoveryToken !== "" ||
    config.discoveryCert !== "" ||
    config.discoveryKey !== "" ||
    config.discoveryCacert !== "" ||
    config.discoveryUser !== "" ||
    config.discoveryPassword !== "";
  if (config.discoveryProxy !== "" && hasV3) {
    return "both v2 discovery settings (discovery, discovery-proxy) and v3 discovery settings (discovery-token, discovery-endpoints, discovery-cert, discovery-key, discovery-cacert, discovery-user, discovery-password) are set";
  }
  if ((config.discoveryToken !== "") !== endpoints.length > 0) {
    return "both --discovery-token and --discovery-endpoints must be set";
  }
  if (endpoints.some((endpoint) => endpoint.trim() === "")) {
    return "--discovery-endpoints must not contain empty endpoints";
  }
  return undefined;
}

function timingProblem(config: EtcdConfig): string | undefined {
  const { heartbeatIntervalMs: heartbeat, electionTimeoutMs: election } = config;
  if (heartbeat <= 0) return `--heartbeat-interval must be >0 (set to ${heartbeat}ms)`;
  if (election <= 0) return `--election-timeout must be >0 (set to ${election}ms)`;
  if (MIN_HEARTBEATS_PER_ELECTION * heartbeat > election) {
    return `--election-timeout[${election}ms] should be at least as ${MIN_HEARTBEATS_PER_ELECTION} times as --heartbeat-interval[${heartbeat}ms]`;
  }
  if (election > MAX_ELECTION_TIMEOUT_MS) {
    return `--election-timeout[${election}ms] is too long, and should be set less than ${MAX_ELECTION_TIMEOUT_MS}ms`;
  }
  return undefined;
}

function clientAddressProblem(config: EtcdConfig): string | undefined {
  const mayBeProxy =
    config.proxy !== "off" || (config.discovery !== "" && config.discoveryFallback === "proxy");
  const isMissing = config.listenClientUrls.length > 0 && config.advertiseClientUrls.length === 0;
  return isMissing && !mayBeProxy ? ADVERTISE_REQUIRED : undefined;
}

function compactionModeProblem(config: EtcdConfig): string | undefined {
  const mode = config.autoCompactionMode;
  if (mode === "") return "undefined auto-compaction-mode";
  if (mode === "periodic" || mode === "revision") return undefined;
  return `unknown auto-compaction-mode ${quote(mode)}`;
}

function tracingProblem(config: EtcdConfig): string | undefined {
  const rate = config.distributedTracingSamplesPerMillion;
  if (!config.enableDistributedTracing) return undefined;
  // The misspelling is etcd's and part of the text.
  const say = (what: string) => `distributed tracing configurition is not valid: (${what})`;
  if (rate < 0) return say("tracing sampling rate must be positive");
  if (rate <= MAX_SAMPLES_PER_MILLION) return undefined;
  return say(`tracing sampling rate must be less than ${MAX_SAMPLES_PER_MILLION}`);
}

function leaseCheckpointProblem(config: EtcdConfig, warnings: LogRecord[]): string | undefined {
  const { LeaseCheckpoint, LeaseCheckpointPersist } = config.featureGates;
  if (LeaseCheckpoint && !LeaseCheckpointPersist) {
    warnings.push({
      level: "warn",
      message:
        "Detected that checkpointing is enabled without persistence. Consider enabling feature gate LeaseCheckpointPersist",
    });
  }
  if (LeaseCheckpoint || !LeaseCheckpointPersist) return undefined;
  return "enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint";
}

function hashCheckProblem(config: EtcdConfig): string | undefined {
  const ms = config.compactHashCheckTimeMs;
  if (ms > 0) return undefined;
  return `--compact-hash-check-time must be >0 (set to ${formatDuration(ms)})`;
}

function nameProblem(config: EtcdConfig, warnings: LogRecord[]): undefined {
  if (config.name !== "default") return undefined;
  warnings.push({
    level: "warn",
    message:
      "it isn't recommended to use default name, please set a value for --name. " +
      "Note that etcd might run into issue when multiple members have the same default name",
    fields: { name: config.name },
  });
  return undefined;
}

const TLS_VERSIONS: readonly string[] = ["", "TLS1.2", "TLS1.3"];

function tlsVersionProblem(config: EtcdConfig): string | undefined {
  const { tlsMinVersion: min, tlsMaxVersion: max } = config;
  for (const version of [min, max]) {
    if (TLS_VERSIONS.includes(version)) continue;
    return `unexpected TLS version ${quote(version)} (must be one of: TLS1.2, TLS1.3)`;
  }
  if (max !== "" && TLS_VERSIONS.indexOf(min) > TLS_VERSIONS.indexOf(max)) {
    return `min version (${min}) is greater than max version (${max})`;
  }
  if (min === "TLS1.3" && config.cipherSuites.length > 0) {
    return "cipher suites cannot be configured when only TLS1.3 is enabled";
  }
  return undefined;
}

function v2Problem(config: EtcdConfig): string | undefined {
  if (!config.enableV2 || config.v2Deprecation === "not-yet") return undefined;
  return `--enable-v2 and --v2-deprecation=${config.v2Deprecation} are mutually exclusive`;
}

function walSegmentProblem({ walSegmentBytes: bytes }: EtcdConfig): string | undefined {
  if (bytes >= MIN_SEGMENT_BYTES) return undefined;
  return `--wal-segment-bytes must be at least ${MIN_SEGMENT_BYTES} (set to ${bytes})`;
}

function dashboardProblem(config: EtcdConfig): string | undefined {
  if (!config.enableDashboard || config.enableGrpcGateway) return undefined;
  return "--enable-dashboard needs the JSON API, which --enable-grpc-gateway=false turns off";
}

/** What automatic compaction shall do. */
export type AutoCompaction =
  | { readonly kind: "off" }
  | { readonly kind: "periodic"; readonly periodMs: number }
  | { readonly kind: "revision"; readonly revisions: number };

/**
 * The meaning of mode and retention together. A plain number counts hours or revisions.
 * @throws TextError `error parsing CompactionRetention: …`.
 */
export function autoCompactionOf(config: EtcdConfig): AutoCompaction {
  const given = config.autoCompactionRetention === "" ? "0" : config.autoCompactionRetention;
  const isRevision = config.autoCompactionMode === "revision";
  if (/^\+?[0-9]+$/.test(given)) {
    const count = Number(given);
    if (count === 0) return { kind: "off" };
    return isRevision
      ? { kind: "revision", revisions: count }
      : { kind: "periodic", periodMs: count * 3_600_000 };
  }
  let ms: number;
  try {
    ms = parseDurationMs(given);
  } catch (error) {
    const said = error instanceof TextError ? error.message : String(error);
    throw new TextError(`error parsing CompactionRetention: ${said}`);
  }
  if (ms <= 0) return { kind: "off" };
  // etcd counts a duration's nanoseconds as revisions.
  return isRevision
    ? { kind: "revision", revisions: Math.round(ms * 1e6) }
    : { kind: "periodic", periodMs: ms };
}

/** What etcd would notice only while it starts listeners and server; undefined when nothing. */
export function startProblem(config: EtcdConfig): string | undefined {
  for (const suite of config.cipherSuites) {
    if (!isKnownCipherSuite(suite)) return `unexpected TLS cipher suite ${quote(suite)}`;
  }
  return (
    peerTlsProblem(config) ??
    clientTlsProblem(config) ??
    retentionProblem(config) ??
    initialClusterProblem(config)
  );
}

function peerTlsProblem(config: EtcdConfig): string | undefined {
  const { peerCertFile: cert, peerKeyFile: key } = config;
  const { peerCertAllowedCns: cns, peerCertAllowedHostnames: hostnames } = config;
  const secure = config.listenPeerUrls.find((url) => url.scheme === "https");
  if ((cert === "") !== (key === "")) {
    return `KeyFile and CertFile must both be present[key: ${key}, cert: ${cert}]`;
  }
  if (secure === undefined || (cert === "" && config.peerAutoTls)) return undefined;
  if (cns.length > 0 && hostnames.length > 0) {
    const [names, hosts] = [cns, hostnames].map((list) => list.map(quote).join(" "));
    return `AllowedCNs and AllowedHostnames are mutually exclusive (cns=[${names}], hostnames=[${hosts}])`;
  }
  if (cert !== "") return undefined;
  return `cannot listen on TLS for ${secure.host}: KeyFile and CertFile are not presented`;
}

function clientTlsProblem(config: EtcdConfig): string | undefined {
  const { certFile: cert, keyFile: key } = config;
  const urls = [...config.listenClientUrls, ...config.listenClientHttpUrls];
  for (const url of urls) {
    if (isSecureUrl(url) && cert === "" && key === "" && !config.autoTls) {
      return `TLS key/cert (--cert-file, --key-file) must be provided for client url ${url.href} with HTTPS scheme`;
    }
  }
  const plain = new Set(config.listenClientUrls.map((url) => url.host));
  const twice = config.listenClientHttpUrls.find((url) => plain.has(url.host));
  if (twice !== undefined) {
    return `cannot bind both --listen-client-urls and --listen-client-http-urls on the same url ${twice.href}`;
  }
  if (cert === "" && key === "" && !config.autoTls && config.listenMetricsUrls.some(isSecureUrl)) {
    return "client TLS key/cert (--cert-file, --key-file) must be provided for metrics secure url";
  }
  urls.push(...config.listenMetricsUrls);
  // Plain listeners ignore both, see `plainClientWarnings`.
  if ((cert === "") === (key === "") || !urls.some(isSecureUrl)) return undefined;
  return `KeyFile and CertFile must both be present[key: ${key}, cert: ${cert}]`;
}

/** What plain listeners of peers leave unused. */
export function plainPeerWarnings(config: EtcdConfig): readonly LogRecord[] {
  return unusedWarnings(
    config.listenPeerUrls.filter(({ scheme }) => scheme === "http"),
    { field: "peer-url", schemes: "HTTP", flag: "--peer-client-cert-auth" },
    {
      files: config.peerCertFile !== "" || config.peerKeyFile !== "" || config.peerAutoTls,
      clientCertAuth: config.peerClientCertAuth,
    },
  );
}

/** What plain listeners of clients leave unused. */
export function plainClientWarnings(config: EtcdConfig): readonly LogRecord[] {
  return unusedWarnings(
    [...config.listenClientUrls, ...config.listenClientHttpUrls].filter((url) => !isSecureUrl(url)),
    { field: "client-url", schemes: "http or unix", flag: "--client-cert-auth" },
    {
      files: config.certFile !== "" || config.keyFile !== "" || config.autoTls,
      clientCertAuth: config.clientCertAuth,
    },
  );
}

function unusedWarnings(
  urls: readonly EtcdUrl[],
  words: { readonly field: string; readonly schemes: string; readonly flag: string },
  unused: { readonly files: boolean; readonly clientCertAuth: boolean },
): LogRecord[] {
  const { field, schemes, flag } = words;
  const messages = [
    ...(unused.files
      ? [`scheme is ${schemes} while key and cert files are present; ignoring key and cert files`]
      : []),
    ...(unused.clientCertAuth
      ? [`scheme is ${schemes} while ${flag} is enabled; ignoring client cert auth for this URL`]
      : []),
  ];
  return urls.flatMap(({ href }) =>
    messages.map((message) => ({ level: "warn" as const, message, fields: { [field]: href } })),
  );
}

function initialClusterProblem(config: EtcdConfig): string | undefined {
  try {
    parseInitialCluster(config.initialCluster);
    return undefined;
  } catch (error) {
    const said = error instanceof TextError ? error.message : String(error);
    return `error setting up initial cluster: ${said}`;
  }
}

function retentionProblem(config: EtcdConfig): string | undefined {
  try {
    autoCompactionOf(config);
    return undefined;
  } catch (error) {
    return error instanceof TextError ? error.message : String(error);
  }
}
