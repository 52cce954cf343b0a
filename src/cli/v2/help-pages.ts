/** The help pages of API 2, in the layout that users of etcd 3.4 know, byte for byte. */
import { type CommandRow, type FlagRow, GLOBAL_FLAGS, HELP_FLAG } from "./command-table.ts";
import { COMMANDS, VERSION_FLAG } from "./command-table.ts";

const TITLE = "etcdctl - A simple command line client for etcd.";
const HELP_COMMAND = ["help, h", "Shows a list of commands or help for one command"] as const;

type Cells = readonly [left: string, right: string];

/** Two columns, two spaces apart, each line indented. */
function columns(rows: readonly Cells[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return rows.map(([left, right]) => `   ${left.padEnd(width)}${right}`);
}

function flagCells(row: FlagRow): Cells {
  const value = row.kind === "bool" ? "" : ` ${row.placeholder ?? "value"}`;
  const names = row.names.map((name) => `${name.length === 1 ? "-" : "--"}${name}${value}`);
  const suffix = row.default === undefined ? "" : ` (default: ${row.default})`;
  return [names.join(", "), `${row.usage}${suffix}`];
}

function commandCells(commands: readonly CommandRow[]): Cells[] {
  return commands.map(({ name, usage }) => [name, usage]);
}

function page(...sections: readonly (readonly string[])[]): string {
  return `${sections.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

/** Of the program. */
export function programPage(version: string): string {
  return page(
    ["NAME:", `   ${TITLE}`],
    ["USAGE:", "   etcdctl [global options] command [command options] [arguments...]"],
    ["VERSION:", `   ${version}`],
    ["COMMANDS:", ...columns([...commandCells(COMMANDS), HELP_COMMAND])],
    ["GLOBAL OPTIONS:", ...columns([...GLOBAL_FLAGS, HELP_FLAG, VERSION_FLAG].map(flagCells))],
  );
}

/** Of a group, as `member --help` and a bare `member` show it. */
export function groupPage(group: CommandRow): string {
  return page(
    ["NAME:", `   etcdctl ${group.name} - ${group.usage}`],
    ["USAGE:", `   etcdctl ${group.name} command [command options] [arguments...]`],
    ["COMMANDS:", ...columns(commandCells(group.commands ?? []))],
    ["OPTIONS:", ...columns([flagCells(HELP_FLAG)]), "   "],
  );
}

/** Of a group, as `member help` shows it: like a program of its own. */
export function groupProgramPage(group: CommandRow, version: string): string {
  return page(
    ["NAME:", `   etcdctl ${group.name} - ${group.usage}`],
    [
      "USAGE:",
      `   etcdctl ${group.name} [global options] command [command options] [arguments...]`,
    ],
    ["VERSION:", `   ${version}`],
    ["COMMANDS:", ...columns(commandCells(group.commands ?? []))],
    ["GLOBAL OPTIONS:", ...columns([flagCells(HELP_FLAG)])],
  );
}

/** Of one command; `path` is what stands before its arguments, as "etcdctl member add". */
export function commandPage(path: string, command: CommandRow): string {
  const flags = command.flags ?? [];
  const options = flags.length === 0 ? "" : " [command options]";
  return page(
    ["NAME:", `   ${path} - ${command.usage}`],
    ["USAGE:", `   ${path}${options} ${command.args ?? "[arguments...]"}`],
    ...(command.description === undefined ? [] : [["DESCRIPTION:", `   ${command.description}`]]),
    ...(flags.length === 0 ? [] : [["OPTIONS:", ...columns(flags.map(flagCells)), "   "]]),
  );
}
