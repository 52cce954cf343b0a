/**
 * From a command line to a configuration, or to what is to be printed instead. Pure: the
 * environment, files and facts about the machine come as arguments, log lines and exit codes go
 * out as values.
 *
 * Order of precedence: a configuration file alone, else command line, then environment, then
 * defaults.
 */
import { readArguments } from "./command-line.ts";
import {
  DEFAULT_INITIAL_CLUSTER,
  type EtcdConfig,
  fitAddresses,
  isDiscovered,
  type LogRecord,
  withDataDir,
} from "./config.ts";
import { architectureRecord, type Environment, readEnvironment } from "./environment.ts";
import { GivenSettings, strayArgument } from "./flags.ts";
import { formatDuration, TextError } from "../../base/go-text.ts";
import { systemErrorCode, systemErrorText } from "../../base/system-errors.ts";
import { helpText, USAGE, type VersionFacts, versionText } from "./help.ts";
import { ADVERTISE_REQUIRED, verifyConfig } from "./verify.ts";
import { ConfigFileError, MAX_CONFIG_FILE_BYTES, readYamlFile } from "./yaml-file.ts";

/** Connections between members get at least this long. */
const MIN_RAFT_TIMEOUT_MS = 5000;

export interface ParseDeps {
  readonly env: Environment;
  /** Reads a text file. @throws an error with Node's `code` such as ENOENT. */
  readonly readFile: (path: string) => string;
  readonly version: VersionFacts;
  /** This machine's own address, asked for only when something listens on 0.0.0.0. */
  readonly findHost: () => string | undefined;
}

export type ParseOutcome =
  /** Start with this; log `records` first. */
  | { readonly kind: "run"; readonly config: EtcdConfig; readonly records: readonly LogRecord[] }
  /** Print and exit. */
  | {
      readonly kind: "print";
      readonly stdout: string;
      readonly stderr: string;
      readonly exitCode: number;
    }
  /** Log `records` and exit with 1. */
  | { readonly kind: "refuse"; readonly records: readonly LogRecord[] };

/** A problem after which nothing more is read; carries what was logged until then. */
class Refusal extends Error {}

/**
 * @param argv the whole command line; `argv[0]` is the program as it was called.
 */
export async function parseCommandLine(
  argv: readonly string[],
  deps: ParseDeps,
): Promise<ParseOutcome> {
  const records: LogRecord[] = [];
  const architecture = architectureRecord(deps.env, deps.version.arch);
  if (architecture !== undefined) records.push(architecture);
  if (architecture?.level === "error") return { kind: "refuse", records };

  const given = new GivenSettings();
  const outcome = readArguments(argv.slice(1), given);
  if (outcome.kind === "help") {
    return { kind: "print", stdout: helpText(), stderr: USAGE, exitCode: 0 };
  }
  if (outcome.kind === "bad") {
    return { kind: "print", stdout: "", stderr: `${outcome.message}\n${USAGE}`, exitCode: 2 };
  }
  const [stray] = outcome.rest;
  if (stray === undefined && given.version) {
    return { kind: "print", stdout: versionText(deps.version), stderr: "", exitCode: 0 };
  }
  try {
    if (stray !== undefined) throw new Refusal(strayArgument(stray));
    const config = await collect(given, deps, records);
    records.push({ level: "info", message: "Running: ", fields: { args: argv } });
    return { kind: "run", config: fit(config, deps, records), records };
  } catch (error) {
    return refuse(error, argv, records);
  }
}

function refuse(error: unknown, argv: readonly string[], records: LogRecord[]): ParseOutcome {
  if (error instanceof ConfigFileError && error.isPlain) {
    return { kind: "print", stdout: "", stderr: `${error.message}\n`, exitCode: 1 };
  }
  const isUserError =
    error instanceof Refusal || error instanceof TextError || error instanceof ConfigFileError;
  if (!isUserError) throw error;
  const fields = { error: error.message };
  records.push({ level: "info", message: "Running: ", fields: { args: argv } });
  records.push({ level: "warn", message: "failed to verify flags", fields });
  if (error.message === ADVERTISE_REQUIRED) {
    records.push({ level: "warn", message: "advertise client URLs are not set", fields });
  }
  return { kind: "refuse", records };
}

async function collect(
  commandLine: GivenSettings,
  deps: ParseDeps,
  records: LogRecord[],
): Promise<EtcdConfig> {
  const path = commandLine.configFile || (deps.env.ETCD_CONFIG_FILE ?? "");
  const given = path === "" ? commandLine : new GivenSettings();
  if (path === "") {
    const { records: read, problem } = readEnvironment(deps.env, given);
    records.push(...read);
    if (problem !== undefined) throw new Refusal(problem);
  } else {
    await readYamlFile(readConfigFile(path, deps), given);
  }
  const config = withAbsences(raiseRaftTimeouts(given.complete(), records), given, path !== "");
  const renamed = given.renameProblem();
  const { problem, warnings } =
    renamed === undefined ? verifyConfig(config) : { problem: renamed, warnings: [] };
  records.push(...warnings);
  if (path !== "") {
    records.push({
      level: "info",
      message:
        "loaded server configuration, other configuration command line flags and environment variables will be ignored if provided",
      fields: { path },
    });
  }
  if (renamed === undefined) {
    for (const message of given.deprecations()) records.push({ level: "warn", message });
  }
  if (problem !== undefined) throw new Refusal(problem);
  return config;
}

function readConfigFile(path: string, deps: ParseDeps): string {
  let content: string;
  try {
    content = deps.readFile(path);
  } catch (error) {
    throw new ConfigFileError(fileProblem(path, error));
  }
  if (content.length > MAX_CONFIG_FILE_BYTES) {
    throw new ConfigFileError(`${path}: larger than ${MAX_CONFIG_FILE_BYTES} bytes`);
  }
  return content;
}

function fileProblem(path: string, error: unknown): string {
  // A directory can be opened, but not read as a file.
  const call = systemErrorCode(error) === "EISDIR" ? "read" : "open";
  return `${call} ${path}: ${systemErrorText(error)}`;
}

function raiseRaftTimeouts(config: EtcdConfig, records: LogRecord[]): EtcdConfig {
  const raise = (flag: string, ms: number): number => {
    if (ms >= MIN_RAFT_TIMEOUT_MS) return ms;
    const least = formatDuration(MIN_RAFT_TIMEOUT_MS);
    records.push({ level: "info", message: `${flag} increased to minimum value: ${least}` });
    return MIN_RAFT_TIMEOUT_MS;
  };
  return {
    ...config,
    raftReadTimeoutMs: raise("raft-read-timeout", config.raftReadTimeoutMs),
    raftWriteTimeoutMs: raise("raft-write-timeout", config.raftWriteTimeoutMs),
  };
}

/** Takes defaults back that make no sense beside what was given. */
function withAbsences(config: EtcdConfig, given: GivenSettings, isFile: boolean): EtcdConfig {
  const has = (flag: string): boolean => given.given.has(flag);
  let { advertiseClientUrls, initialCluster } = config;
  if (!isFile && has("listen-client-urls") && !has("advertise-client-urls")) {
    advertiseClientUrls = [];
  }
  // A file may spell the default out; a flag that does so means it.
  const isDefault = isFile ? initialCluster === DEFAULT_INITIAL_CLUSTER : !has("initial-cluster");
  const isNamed = !isFile && config.discoverySrvName !== "";
  if (isDefault && (isDiscovered(config) || isNamed)) initialCluster = "";
  return { ...config, advertiseClientUrls, initialCluster };
}

/** The last steps before a start: the machine's own address and the data directory. */
function fit(config: EtcdConfig, deps: ParseDeps, records: LogRecord[]): EtcdConfig {
  const listened = [...config.listenPeerUrls, ...config.listenClientUrls];
  const isWildcard = listened.some((url) => url.hostname === "0.0.0.0");
  const host = isWildcard ? deps.findHost() : undefined;
  const { config: fitted, usedHost } = fitAddresses(config, host);
  if (usedHost !== undefined) {
    records.push({
      level: "info",
      message: "detected default host for advertise",
      fields: { host: usedHost },
    });
  }
  const complete = withDataDir(fitted);
  if (config.dataDir === "") {
    records.push({
      level: "warn",
      message: "'data-dir' was empty; using default",
      fields: { "data-dir": complete.dataDir },
    });
  }
  return complete;
}
