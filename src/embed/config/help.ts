/**
 * What `etcd --help`, `etcd --version` and a mistake on the command line print. Flags, defaults
 * and grouping are etcd's; the sentences come from the table of settings.
 */
import { settingOf } from "./config.ts";
import { describeGates, gateSpec } from "./feature-gates.ts";
import { type FlagEntry, HELP_SECTIONS } from "./flags.ts";

/** On standard error after a mistake, and before the long help. */
export const USAGE = `Usage:

  etcd [flags]
    Start an etcd server.

  etcd --version
    Show the version of etcd.

  etcd -h | --help
    Show the help information about etcd.

  etcd --config-file
    Path to the server configuration file. With it, other flags and variables are ignored.

  etcd gateway
    Run a proxy that forwards TCP connections to etcd.

  etcd grpc-proxy
    Run a proxy for etcd's gRPC API.

`;

const UNSAFE_NOTE =
  "The unsafe flags give up what the consensus protocol guarantees. Use them with care.";

/** The long help, for standard output. */
export function helpText(): string {
  const lines: string[] = [];
  for (const { title, entries } of HELP_SECTIONS) {
    lines.push("", `${title}:`);
    for (const entry of entries) lines.push(...describe(entry));
  }
  lines.push("", UNSAFE_NOTE, "", "");
  return lines.join("\n");
}

function describe(entry: FlagEntry): string[] {
  switch (entry.kind) {
    case "setting": {
      const { help } = settingOf(entry.name);
      return [flagLine(entry.flag, shownDefault(entry)), `    ${help}`];
    }
    case "renamed":
      return [
        flagLine(entry.flag, shownDefault(entry)),
        `    Deprecated in v3.6, to be removed in v3.7. Use '--${entry.former.now}'.`,
      ];
    case "gate": {
      const { gate } = entry.former;
      return [
        flagLine(entry.flag, String(gateSpec(gate).fallback)),
        `    Deprecated in v3.6, to be removed in v3.7. Use '--feature-gates=${gate}=true'.`,
      ];
    }
    case "gates":
      return [
        flagLine(entry.flag, ""),
        "    Features to turn on or off, as Name=true,Name=false. They are:",
        ...describeGates().map((line) => `    ${line}`),
      ];
    default:
      return [];
  }
}

function shownDefault(entry: FlagEntry & { readonly kind: "setting" | "renamed" }): string {
  const { shown, type, fallback } = settingOf(entry.name);
  return shown ?? type.format(fallback);
}

function flagLine(flag: string, shown: string): string {
  return `  --${flag} '${shown}'`;
}

/** The facts that `--version` names. */
export interface VersionFacts {
  readonly version: string;
  readonly gitSha: string;
  /** Stands where etcd names Go, such as "node v24.0.0". */
  readonly runtime: string;
  /** Go's names, such as "linux" and "amd64". */
  readonly os: string;
  readonly arch: string;
}

/** Four lines with etcd's labels; scripts read them. */
export function versionText(facts: VersionFacts): string {
  return `etcd Version: ${facts.version}
Git SHA: ${facts.gitSha}
Go Version: ${facts.runtime}
Go OS/Arch: ${facts.os}/${facts.arch}
`;
}
