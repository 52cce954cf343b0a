/**
 * The configuration of a member: its type, derived from the tables of settings, and the way
 * from given values to a complete, checked `EtcdConfig`.
 *
 * Invariants of an `EtcdConfig`: every field is present; a zero that stands for a default is
 * replaced by it; `dataDir` is never empty; `verifyConfig` finds no problem.
 * Nothing here reads files, variables or the clock.
 */
import { joinHostPort } from "../../base/port.ts";
import {
  type FeatureGates,
  type GateSettings,
  NO_GATES,
  resolveGates,
  setGates,
} from "./feature-gates.ts";
import type { Setting } from "./setting.ts";
import { CLUSTERING, V2_LEGACY } from "./settings-cluster.ts";
import { DEFAULT_NAME, MEMBER } from "./settings-member.ts";
import { CHECKS, DASHBOARD, LOGGING, PROFILING, TRACING, UNSAFE } from "./settings-operation.ts";
import { AUTH, SECURITY } from "./settings-security.ts";
import { type EtcdUrl, formatInitialCluster, parseEtcdUrls } from "../../base/etcd-url.ts";
import { unknownOption } from "../../base/known-options.ts";
import { verifyConfig } from "./verify.ts";

export const SETTINGS = {
  ...MEMBER,
  ...CLUSTERING,
  ...V2_LEGACY,
  ...SECURITY,
  ...AUTH,
  ...PROFILING,
  ...DASHBOARD,
  ...LOGGING,
  ...TRACING,
  ...CHECKS,
  ...UNSAFE,
};

export type SettingName = keyof typeof SETTINGS;
export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[];
const INPUT_NAMES: ReadonlySet<string> = new Set([...SETTING_NAMES, "featureGates"]);

type ValueOf<S> = S extends Setting<infer T> ? T : never;
type SettingValues = {
  readonly [K in SettingName]: ValueOf<(typeof SETTINGS)[K]>;
};

/** A member's settings. Units are in the names; see `docs/internals/configuration.md`. */
export interface EtcdConfig extends SettingValues {
  readonly featureGates: FeatureGates;
}

type InputOf<T> = T extends readonly EtcdUrl[] ? readonly (EtcdUrl | string)[] : T;

/** What an embedding program gives: any settings, addresses as text if it likes. */
export type EtcdConfigInput = {
  readonly [K in SettingName]?: InputOf<EtcdConfig[K]>;
} & { readonly featureGates?: Partial<FeatureGates> };

/** A line for the log that arises before there is a logger. */
export interface LogRecord {
  readonly level: "info" | "warn" | "error" | "fatal";
  readonly message: string;
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** Settings that cannot work. The message is etcd's. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ConfigError";
  }
}

/** Values by name while they are collected; absent means the default. */
export type GivenValues = Map<SettingName, unknown>;

/** A setting of any type, for code that walks the whole table. */
export function settingOf(name: SettingName): Setting<unknown> {
  return SETTINGS[name];
}

/** etcd's default of `--initial-cluster`. */
export const DEFAULT_INITIAL_CLUSTER: string = SETTINGS.initialCluster.fallback;

/**
 * All settings with defaults filled in, unchecked. The cast is safe because every value of
 * `given` was made by its setting's own type.
 */
export function completeConfig(given: GivenValues, gates: GateSettings): EtcdConfig {
  const values: Record<string, unknown> = {};
  for (const name of SETTING_NAMES) {
    const { fallback, zeroMeans } = settingOf(name);
    const value = given.has(name) ? given.get(name) : fallback;
    values[name] = value === 0 && zeroMeans !== undefined ? zeroMeans : value;
  }
  // In 3.5 the first phase was the default, and the only one that serves the v2 API.
  if (given.get("enableV2") !== true) {
    if (values["v2Deprecation"] === "not-yet") values["v2Deprecation"] = "write-only";
  } else if (!given.has("v2Deprecation")) values["v2Deprecation"] = "not-yet";
  return { ...(values as SettingValues), featureGates: resolveGates(gates) };
}

/** Whether a setting has the value that it takes when nothing is said of it. */
export function hasDefault(config: EtcdConfig, name: SettingName): boolean {
  const { fallback, zeroMeans } = settingOf(name);
  return config[name] === (fallback === 0 ? (zeroMeans ?? fallback) : fallback);
}

/**
 * The configuration of an embedded member. Differs from the command line's in two defaults:
 * client addresses are advertised as they are listened on, and the initial cluster is this
 * member alone at its advertised peer addresses (which default to the listened ones).
 * @throws ConfigError with etcd's words, or for a setting that does not exist; TextError for a
 * malformed address.
 */
export function createConfig(input: EtcdConfigInput = {}): EtcdConfig {
  if (typeof input !== "object" || input === null) {
    throw new ConfigError(`createConfig takes an object of settings, not ${String(input)}`);
  }
  const unknown = unknownOption("createConfig", input, INPUT_NAMES);
  if (unknown !== undefined) throw new ConfigError(unknown);
  const given: GivenValues = new Map();
  for (const name of SETTING_NAMES) {
    const value = input[name];
    if (value === undefined) continue;
    checkType(name, value);
    given.set(name, isUrlSetting(name) ? toUrls(value) : value);
  }
  adoptIfAbsent(given, "advertiseClientUrls", "listenClientUrls");
  adoptIfAbsent(given, "initialAdvertisePeerUrls", "listenPeerUrls");
  const chosen = Object.entries(input.featureGates ?? {});
  const gates = setGates(chosen, NO_GATES);
  let config = withDataDir(completeConfig(given, gates));
  if (!given.has("initialCluster")) {
    const { name, initialAdvertisePeerUrls: urls } = config;
    const initialCluster = isDiscovered(config) ? "" : formatInitialCluster(name, urls);
    config = { ...config, initialCluster };
  }
  const { problem } = verifyConfig(config);
  if (problem !== undefined) throw new ConfigError(problem);
  return config;
}

/** Defaults are of their setting's type, so what is given must be of the same. */
function checkType(name: SettingName, value: unknown): void {
  const wanted = typeName(settingOf(name).fallback);
  if (typeName(value) === wanted) return;
  throw new ConfigError(`createConfig: ${name} is a ${wanted}, not ${String(value)}`);
}

function typeName(value: unknown): string {
  if (Array.isArray(value)) return "list";
  return Number.isNaN(value) ? "NaN" : typeof value;
}

function isUrlSetting(name: SettingName): boolean {
  return name.endsWith("Urls");
}

function toUrls(value: unknown): readonly EtcdUrl[] {
  const items = value as readonly (EtcdUrl | string)[];
  if (items.length === 0) return [];
  return parseEtcdUrls(
    items.map((item) => (typeof item === "string" ? item : item.href)).join(","),
  );
}

function adoptIfAbsent(given: GivenValues, name: SettingName, from: SettingName): void {
  const value = given.get(from);
  if (!given.has(name) && value !== undefined) given.set(name, value);
}

/** Whether the members are found rather than given. */
export function isDiscovered(config: EtcdConfig): boolean {
  return (
    config.discovery !== "" || config.discoverySrv !== "" || config.discoveryEndpoints.length > 0
  );
}

/** The configuration with etcd's default data directory where none is given. */
export function withDataDir(config: EtcdConfig): EtcdConfig {
  return config.dataDir === "" ? { ...config, dataDir: `${config.name}.etcd` } : config;
}

/**
 * Fits addresses and initial cluster to each other as etcd does before a start: a default
 * advertise address of a listener on 0.0.0.0 becomes the machine's own address, and an initial
 * cluster that was not given takes the member's name.
 * @param host this machine's address, undefined when unknown.
 * @returns the fitted configuration, and the host if it was used.
 */
export function fitAddresses(
  config: EtcdConfig,
  host: string | undefined,
): { readonly config: EtcdConfig; readonly usedHost: string | undefined } {
  let { initialAdvertisePeerUrls: peers, advertiseClientUrls: clients, initialCluster } = config;
  if (host !== undefined) {
    peers = replaceWildcard(peers, config.listenPeerUrls, DEFAULT_PEERS, host);
    clients = replaceWildcard(clients, config.listenClientUrls, DEFAULT_CLIENTS, host);
  }
  if (config.name !== DEFAULT_NAME && initialCluster === DEFAULT_INITIAL_CLUSTER) {
    initialCluster = formatInitialCluster(config.name, peers);
  }
  const isUsed =
    peers !== config.initialAdvertisePeerUrls || clients !== config.advertiseClientUrls;
  return {
    config: {
      ...config,
      initialAdvertisePeerUrls: peers,
      advertiseClientUrls: clients,
      initialCluster,
    },
    usedHost: isUsed ? host : undefined,
  };
}

const DEFAULT_PEERS: string = SETTINGS.initialAdvertisePeerUrls.type.format(
  SETTINGS.initialAdvertisePeerUrls.fallback,
);
const DEFAULT_CLIENTS: string = SETTINGS.advertiseClientUrls.type.format(
  SETTINGS.advertiseClientUrls.fallback,
);

function replaceWildcard(
  advertised: readonly EtcdUrl[],
  listened: readonly EtcdUrl[],
  whenAdvertised: string,
  host: string,
): readonly EtcdUrl[] {
  const [first] = listened;
  const [only] = advertised;
  if (first?.hostname !== "0.0.0.0" || only === undefined) return advertised;
  if (advertised.length !== 1 || only.href !== whenAdvertised) return advertised;
  return parseEtcdUrls(`${only.scheme}://${joinHostPort(host, first.port)}`);
}
