/**
 * Settings from the environment: every global flag can be given as ETCDCTL_NAME. Giving one both
 * ways is refused, since nobody can tell which was meant.
 */
import { CliExit, ExitCode } from "../framework/exit.ts";
import type { Invocation } from "../framework/command.ts";
import { logLine } from "./log-line.ts";

const PREFIX = "ETCDCTL_";
/** Read by watch itself. */
const WATCH_VARIABLES = ["ETCDCTL_WATCH_KEY", "ETCDCTL_WATCH_RANGE_END"];
const HIDDEN = "****";
/** Chooses the API; read before anything else. */
const API_VARIABLE = "ETCDCTL_API";

function variableOf(flag: string): string {
  return PREFIX + flag.toUpperCase().replaceAll("-", "_");
}

/** Sets the flags that the environment gives. Values that cannot be read are passed over. */
export function applyEnvironment({ command, flags, io }: Invocation): void {
  const known = new Set<string>([API_VARIABLE]);
  const shadowed = new Set<string>();
  if (command.name === "watch") for (const name of WATCH_VARIABLES) known.add(name);
  for (const { name } of command.inheritedFlags) {
    const variable = variableOf(name);
    if (flags.isChanged(name)) shadowed.add(variable);
    else if ((io.env[variable] ?? "") !== "") {
      known.add(variable);
      flags.set(name, io.env[variable] ?? "");
    }
  }
  for (const [name, value] of Object.entries(io.env)) {
    if (!name.startsWith(PREFIX) || known.has(name)) continue;
    if (shadowed.has(name)) {
      logLine(
        io,
        "fatal",
        "conflicting environment variable is shadowed by corresponding command-line flag (either unset environment variable or disable flag))",
        { "environment-variable": name },
      );
      throw new CliExit(ExitCode.ERROR);
    }
    logLine(io, "warn", "unrecognized environment variable", {
      "environment-variable": `${name}=${withoutSecret(name, value ?? "")}`,
    });
  }
}

/** For --debug: every global setting, as the variable that would give it, passwords hidden. */
export function printSettings({ command, flags, io }: Invocation): void {
  for (const { name } of command.inheritedFlags) {
    const variable = variableOf(name);
    io.err(`${variable}=${withoutSecret(variable, flags.text(name))}\n`);
  }
}

/** Etcd's tool prints passwords here; what is on a terminal ends in logs and bug reports. */
function withoutSecret(variable: string, value: string): string {
  if (variable.endsWith("PASSWORD")) return value === "" ? "" : HIDDEN;
  if (!variable.endsWith("USER")) return value;
  const colon = value.indexOf(":");
  return colon < 0 ? value : `${value.slice(0, colon + 1)}${HIDDEN}`;
}
