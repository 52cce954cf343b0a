/**
 * Reads settings from a configuration file in YAML, as etcd does: keys in any case, unknown keys
 * skipped, null means not given, durations in whole nanoseconds, a later duplicate key wins.
 * Errors of type carry the words of Go's JSON decoder, which etcd shows to its users.
 *
 * The YAML library is loaded only when a file is read: a start without one stays fast.
 */
import { FLAGS, type FlagEntry, type GivenSettings } from "./flags.ts";
import { settingOf } from "./config.ts";
import { TextError } from "../../base/go-text.ts";
import { bool, jsonTypeOf, text, YamlTypeError } from "./value-type.ts";
import {
  aliasProblem,
  CONTROL_CHARACTERS,
  hasControlCharacter,
  yamlProblem,
} from "./yaml-errors.ts";

/** A configuration file is a page of text; this bounds what an accident can cost. */
export const MAX_CONFIG_FILE_BYTES = 1024 * 1024;

/** A file that cannot be used. `isPlain`: etcd prints the message alone, outside the log. */
export class ConfigFileError extends Error {
  readonly isPlain: boolean;
  constructor(message: string, isPlain = false) {
    super(message);
    this.name = "ConfigFileError";
    this.isPlain = isPlain;
  }
}

const TIMESTAMP = "tag:yaml.org,2002:timestamp";

type Mapping = ReadonlyMap<string, unknown>;

/** Go's names of the structs that nested keys live in, by the path of keys above them. */
const STRUCTS: ReadonlyMap<string, { readonly type: string; readonly field: string }> = new Map([
  ["client-transport-security", { type: "embed.securityConfig", field: "securityConfig" }],
  ["peer-transport-security", { type: "embed.securityConfig", field: "securityConfig" }],
  ["socket-options", { type: "transport.SocketOpts", field: "SocketOpts" }],
  ["discovery-config", { type: "v3discovery.DiscoveryConfig", field: "DiscoveryConfig" }],
  ["discovery-config.client", { type: "clientv3.ConfigSpec", field: "ConfigSpec" }],
  ["discovery-config.client.secure", { type: "clientv3.SecureConfig", field: "SecureConfig" }],
  ["discovery-config.client.auth", { type: "clientv3.AuthConfig", field: "AuthConfig" }],
]);

/** Top-level keys that etcd translates after decoding, by Go's name of their struct. */
const TRANSLATED: ReadonlySet<string> = new Set([
  "listen-peer-urls",
  "listen-client-urls",
  "listen-client-http-urls",
  "initial-advertise-peer-urls",
  "advertise-client-urls",
  "cors",
  "host-whitelist",
  "client-transport-security",
  "peer-transport-security",
  "feature-gates",
]);

/** Sets what the file's text says. @throws ConfigFileError. */
export async function readYamlFile(content: string, into: GivenSettings): Promise<void> {
  const root = await parseYaml(content);
  if (root === undefined) return;
  for (const entry of FLAGS.values()) {
    switch (entry.kind) {
      case "setting":
        readKey(root, settingOf(entry.name).yaml, entry, into);
        break;
      case "renamed":
        for (const key of entry.former.yaml) readKey(root, key, entry, into);
        break;
      case "gate":
      case "gates":
        readKey(root, entry.flag, entry, into);
        break;
      default:
    }
  }
}

async function parseYaml(content: string): Promise<Mapping | undefined> {
  if (hasControlCharacter(content)) throw conversionError(CONTROL_CHARACTERS);
  const { parseAllDocuments } = await import("yaml");
  const documents = parseAllDocuments(content, {
    version: "1.1",
    uniqueKeys: false,
    intAsBigInt: true,
    prettyErrors: false,
    logLevel: "silent",
    // Go's library reads 12:30 and dates as texts.
    customTags: (tags) =>
      tags.filter(
        (tag) => typeof tag === "string" || (tag.format !== "TIME" && tag.tag !== TIMESTAMP),
      ),
  });
  const [first] = documents;
  if (!Array.isArray(documents) || first === undefined) return undefined;
  if (first.errors.length > 0) throw conversionError(yamlProblem(content, first.errors));
  let value: unknown;
  try {
    value = first.toJS({ mapAsMap: true });
  } catch (cause) {
    throw conversionError(aliasProblem(cause));
  }
  if (value === null || value === undefined) return undefined;
  if (value instanceof Map) return lowerKeys(value);
  throw typeError(jsonTypeOf(value), "Go value of type embed.configYAML");
}

function conversionError(problem: string): ConfigFileError {
  return new ConfigFileError(`error converting YAML to JSON: yaml: ${problem}`);
}

function lowerKeys(mapping: ReadonlyMap<unknown, unknown>): Mapping {
  const result = new Map<string, unknown>();
  for (const [key, value] of mapping) {
    result.set(String(key).toLowerCase(), value instanceof Map ? lowerKeys(value) : value);
  }
  return result;
}

function typeError(found: string, into: string): ConfigFileError {
  return new ConfigFileError(
    `error unmarshaling JSON: while decoding JSON: json: cannot unmarshal ${found} into ${into}`,
  );
}

/** The value at a dotted path; undefined when it or anything above it is absent or null. */
function find(root: Mapping, path: string): unknown {
  let mapping = root;
  const keys = path.split(".");
  for (const [depth, key] of keys.entries()) {
    const value = mapping.get(key);
    if (value === null || value === undefined) return undefined;
    if (depth === keys.length - 1) return value;
    if (!(value instanceof Map)) {
      const above = keys.slice(0, depth + 1).join(".");
      const { type } = STRUCTS.get(above) ?? { type: "object" };
      throw typeError(jsonTypeOf(value), `${fieldOf(above)} of type ${type}`);
    }
    mapping = value;
  }
  return undefined;
}

function fieldOf(path: string): string {
  const [top = ""] = path.split(".");
  const outer = TRANSLATED.has(top) ? "configJSON" : "Config";
  const above = path.split(".").slice(0, -1).join(".");
  return `Go struct field ${STRUCTS.get(above)?.field ?? "configYAML"}.${outer}.${path}`;
}

function readKey(
  root: Mapping,
  path: string | undefined,
  entry: FlagEntry,
  into: GivenSettings,
): void {
  if (path === undefined) return;
  const value = find(root, path);
  if (value === undefined) return;
  try {
    apply(value, entry, into);
  } catch (error) {
    if (error instanceof YamlTypeError) {
      throw typeError(error.found, `${fieldOf(path)} of type ${error.wanted}`);
    }
    if (!(error instanceof TextError)) throw error;
    const isAddress = TRANSLATED.has(path) || path === "listen-metrics-urls";
    if (!isAddress || entry.kind !== "setting") throw new ConfigFileError(error.message);
    throw new ConfigFileError(`unexpected error setting up ${path}: ${error.message}`, true);
  }
}

function apply(value: unknown, entry: FlagEntry, into: GivenSettings): void {
  switch (entry.kind) {
    case "setting":
    case "renamed": {
      const { type } = settingOf(entry.name);
      // Texts that etcd translates after decoding count as absent when empty.
      if (value === "" && type !== text) return;
      into.setValue(entry, type.fromYaml(value));
      return;
    }
    case "gate":
      into.setGateFlag(entry.flag, bool.fromYaml(value));
      return;
    case "gates":
      into.set(entry, text.fromYaml(value));
      return;
    default:
  }
}
