/** The help page of a command, in etcd's layout. */
import type { Command, ToolVersion } from "./command.ts";
import type { FlagSpec } from "./flags.ts";
import { quote } from "../../base/go-quote.ts";
import { alignTabs } from "./tab-columns.ts";

/** `showsHelpFlag` false: without "--help" among the options, as `help` prints for unknown topics. */
export function usageOf(command: Command, about: ToolVersion, showsHelpFlag = true): string {
  const { spec, parent } = command;
  const options = command.localFlags.filter(({ name }) => showsHelpFlag || name !== "help");
  const hasCommands = command.commands.length > 0;
  const sections = [
    `NAME:\n${indent(`${nameUnder(command, command.root)} - ${spec.short}`)}\n`,
    `USAGE:\n${indent(command.usageLine)}\n`,
    parent === undefined ? `VERSION:\n${indent(about.version)}\n` : "",
    hasCommands ? `API VERSION:\n${indent(about.apiVersion)}\n` : "",
    spec.example === undefined ? "" : `Examples:\n${spec.example}\n`,
    hasCommands ? `COMMANDS:\n${listCommands(command)}` : "",
    spec.long === undefined ? "" : `DESCRIPTION:\n${describe(spec.long)}`,
    `OPTIONS:\n${listFlags(options)}`,
    parent === undefined ? "" : `GLOBAL OPTIONS:\n${listFlags(command.inheritedFlags)}`,
  ];
  return alignTabs(`${sections.filter((section) => section !== "").join("\n")}\n`);
}

/** "list" under "member", "member list" under the tool itself. */
function nameUnder(command: Command, start: Command): string {
  const names = [command.name];
  for (let each = command.parent; each !== undefined && each !== start; each = each.parent) {
    names.unshift(each.name);
  }
  return names.join(" ");
}

function listCommands(start: Command): string {
  const lines: string[] = [];
  const collect = (command: Command): void => {
    for (const each of command.sortedCommands) {
      if (each.runnable && each.spec.hidden !== true) {
        lines.push(`${indent(`${nameUnder(each, start)}\t${each.spec.short}`)}\n`);
      }
      collect(each);
    }
  };
  collect(start);
  return lines.join("");
}

function describe(long: string): string {
  const lines = long.replace(/^[\n\t ]+|[\n\t ]+$/g, "").split("\n");
  return lines.map((line) => `${indent(line)}\n`).join("");
}

function listFlags(flags: readonly FlagSpec[]): string {
  return flags
    .map(({ name, short, kind, default: value, usage }) => {
      const names = short === undefined ? `      --${name}` : `  -${short}, --${name}`;
      const text = kind === "string" ? quote(value) : value;
      return `${names}${kind === "bool" ? `[=${text}]` : `=${text}`}\t${usage}\n`;
    })
    .join("");
}

function indent(text: string): string {
  return `  ${text.replaceAll("\n", "\n  ")}`;
}
