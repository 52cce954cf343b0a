/**
 * Reads settings from variables: ETCD_ and the flag's name in capitals, underscores for hyphens.
 *
 * A flag of the command line wins over its variable, with a warning. (Go etcd since 3.4 refuses
 * to start then; its users' guides promise that the flag wins.) Empty variables count as unset.
 */
import type { LogRecord } from "./config.ts";
import { FLAGS, type GivenSettings } from "./flags.ts";
import { quote } from "../../base/go-quote.ts";
import { TextError } from "../../base/go-text.ts";
import { environmentName } from "./setting.ts";

const PREFIX = "ETCD_";

/** Set by the images of older releases; never a setting. */
const VERSION_VARIABLE = "ETCD_VERSION";

/** Read before any flag. */
const ARCHITECTURE_VARIABLE = "ETCD_UNSUPPORTED_ARCH";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface EnvironmentOutcome {
  readonly records: readonly LogRecord[];
  /** A value that its flag does not take; undefined when all are fine. */
  readonly problem: string | undefined;
}

/** Sets what `env` says and `into` has not been given yet. */
export function readEnvironment(env: Environment, into: GivenSettings): EnvironmentOutcome {
  const records: LogRecord[] = [];
  const known = new Set([VERSION_VARIABLE]);
  let problem: string | undefined;
  const version = env[VERSION_VARIABLE] ?? "";
  if (version !== "") {
    records.push({
      level: "warn",
      message: "cannot set special environment variable",
      fields: { key: VERSION_VARIABLE, value: version },
    });
  }
  const fromCommandLine = new Set(into.given);
  for (const flag of [...FLAGS.keys()].sort()) {
    const entry = FLAGS.get(flag);
    const variable = environmentName(flag);
    const value = env[variable] ?? "";
    if (entry === undefined || value === "" || variable === VERSION_VARIABLE) continue;
    known.add(variable);
    if (fromCommandLine.has(flag)) {
      records.push({
        level: "warn",
        message: "environment variable is overridden by the command-line flag of the same setting",
        fields: { "environment-variable": variable },
      });
      continue;
    }
    try {
      into.set(entry, value);
    } catch (error) {
      if (!(error instanceof TextError)) throw error;
      problem = `invalid value ${quote(value)} for ${variable}: ${error.message}`;
      continue;
    }
    records.push({
      level: "info",
      message: "recognized and used environment variable",
      fields: { "variable-name": variable, "variable-value": value },
    });
  }
  for (const [variable, value] of Object.entries(env)) {
    if (value === undefined || known.has(variable) || !variable.startsWith(PREFIX)) continue;
    if (variable === ARCHITECTURE_VARIABLE) continue;
    records.push({
      level: "warn",
      message: "unrecognized environment variable",
      fields: { "environment-variable": `${variable}=${value}` },
    });
  }
  return { records, problem };
}

const SUPPORTED_ARCHITECTURES: ReadonlySet<string> = new Set([
  "amd64",
  "arm64",
  "ppc64le",
  "s390x",
]);

/**
 * etcd runs only on architectures that are tested, unless told the name of another.
 * @param arch Go's name of this machine's architecture.
 */
export function architectureRecord(env: Environment, arch: string): LogRecord | undefined {
  if (SUPPORTED_ARCHITECTURES.has(arch)) return undefined;
  if (env[ARCHITECTURE_VARIABLE] === arch) {
    return {
      level: "info",
      message: "running etcd on unsupported architecture since ETCD_UNSUPPORTED_ARCH is set",
      fields: { arch },
    };
  }
  return {
    level: "error",
    message:
      "Refusing to run etcd on unsupported architecture since ETCD_UNSUPPORTED_ARCH is not set",
    fields: { arch },
  };
}
