/** The help page of a command in the plain layout of etcdutl. */
import type { Command } from "./command.ts";
import type { FlagSpec } from "./flags.ts";

const KIND_WORDS: Readonly<Record<FlagSpec["kind"], string>> = {
  string: " string",
  bool: "",
  int: " int",
  uint: " uint",
  uint32: " uint32",
  duration: " duration",
  strings: " strings",
};

/** Names of commands are padded to this width, or to the longest. */
const MIN_NAME_WIDTH = 11;

export function plainUsageOf(command: Command): string {
  const commands = command.sortedCommands.filter(({ spec }) => spec.hidden !== true);
  const hasCommands = commands.length > 0;
  const usage = hasCommands ? `${command.path} [command]` : command.usageLine;
  const sections = [`Usage:\n  ${usage}\n`];
  if (hasCommands) sections.push(`Available Commands:\n${listCommands(commands)}`);
  sections.push(`Flags:\n${listFlags(command.localFlags)}`);
  if (command.inheritedFlags.length > 0) {
    sections.push(`Global Flags:\n${listFlags(command.inheritedFlags)}`);
  }
  if (hasCommands) {
    sections.push(`Use "${command.path} [command] --help" for more information about a command.\n`);
  }
  return sections.join("\n");
}

function listCommands(commands: readonly Command[]): string {
  const width = Math.max(MIN_NAME_WIDTH, ...commands.map(({ name }) => name.length));
  return commands.map(({ name, spec }) => `  ${name.padEnd(width)} ${spec.short}\n`).join("");
}

function listFlags(flags: readonly FlagSpec[]): string {
  const heads = flags.map(({ name, short, kind }) => {
    const names = short === undefined ? `      --${name}` : `  -${short}, --${name}`;
    return names + KIND_WORDS[kind];
  });
  const width = Math.max(...heads.map((head) => head.length));
  return flags
    .map((flag, i) => `${(heads[i] ?? "").padEnd(width)}   ${flag.usage}${defaultText(flag)}\n`)
    .join("");
}

/** Zero values are not worth a word. */
function defaultText({ kind, default: value }: FlagSpec): string {
  if (kind === "string") return value === "" ? "" : ` (default ${JSON.stringify(value)})`;
  return ["", "0", "0s", "false", "[]"].includes(value) ? "" : ` (default ${value})`;
}
