/**
 * `etcdctl` for API 2 (ETCDCTL_API=2): from the arguments to the exit code. It speaks the v2 HTTP
 * API and prints what the client of etcd 3.4 prints.
 */
import { CliExit } from "../framework/exit.ts";
import type { Io } from "../framework/io.ts";
import { loadAction } from "./actions.ts";
import { SERVER_VERSION } from "../../api/version.ts";
import {
  COMMANDS,
  type CommandRow,
  GLOBAL_FLAGS,
  HELP_FLAG,
  VERSION_FLAG,
} from "./command-table.ts";
import { FlagValues, flagsFirst } from "./flag-values.ts";
import type { FilesWorld } from "./session.ts";
import { commandPage, groupPage, groupProgramPage, programPage } from "./help-pages.ts";

/** Exit code for a topic that has no help page. */
const NO_TOPIC_EXIT = 3;

interface Surroundings {
  readonly io: Io;
  readonly world: FilesWorld;
}

const HELP_COMMAND: CommandRow = {
  name: "help",
  usage: "Shows a list of commands or help for one command",
  args: "[command]",
};

/** Does not end the process: the result is its exit code. */
export async function runEtcdctlV2(
  argv: readonly string[],
  io: Io,
  world: FilesWorld,
): Promise<number> {
  try {
    return await runProgram(argv, io, world);
  } catch (error) {
    if (!(error instanceof CliExit)) throw error;
    return error.code;
  }
}

async function runProgram(argv: readonly string[], io: Io, world: FilesWorld): Promise<number> {
  const globals = new FlagValues([...GLOBAL_FLAGS, HELP_FLAG, VERSION_FLAG]);
  const page = programPage(SERVER_VERSION);
  const problem = globals.parse(argv);
  if (globals.clash !== undefined) return misuse(io, globals.clash, `${globals.clash}\n${page}`);
  if (problem !== undefined) return misuse(io, problem, `Incorrect Usage. ${problem}\n\n${page}`);
  if (globals.bool("help")) return show(io, page);
  if (globals.bool("version")) {
    return show(io, `etcdctl version: ${SERVER_VERSION}\nAPI version: 2\n`);
  }
  const [name, ...rest] = globals.args;
  if (name === undefined) return show(io, page);
  if (isHelp(name)) return runHelp(io, rest, { page, commands: COMMANDS, path: "etcdctl" });
  const row = COMMANDS.find((command) => command.name === name);
  if (row === undefined) return unknownTopic(io, name);
  if (row.commands !== undefined) return await runGroup(row, rest, globals, { io, world });
  return await runCommand(`etcdctl ${name}`, row, rest, globals, { io, world });
}

async function runGroup(
  group: CommandRow,
  args: readonly string[],
  globals: FlagValues,
  { io, world }: Surroundings,
): Promise<number> {
  const flags = new FlagValues([HELP_FLAG]);
  const page = groupPage(group);
  const problem = flags.parse(args);
  if (flags.clash !== undefined) return misuse(io, flags.clash, `${flags.clash}\n\n${page}`);
  if (problem !== undefined) return misuse(io, problem, `Incorrect Usage. ${problem}\n\n${page}`);
  if (flags.bool("help")) return show(io, page);
  const [name, ...rest] = flags.args;
  if (name === undefined) return show(io, page);
  const path = `etcdctl ${group.name}`;
  const commands = group.commands ?? [];
  if (isHelp(name)) {
    return runHelp(io, rest, { page: groupProgramPage(group, SERVER_VERSION), commands, path });
  }
  const row = commands.find((command) => command.name === name);
  if (row === undefined) return unknownTopic(io, name);
  return await runCommand(`${path} ${name}`, row, rest, globals, { io, world });
}

async function runCommand(
  path: string,
  row: CommandRow,
  args: readonly string[],
  globals: FlagValues,
  { io, world }: Surroundings,
): Promise<number> {
  const rows = [...(row.flags ?? []), HELP_FLAG];
  const flags = new FlagValues(rows);
  const problem = flags.parse(flagsFirst(rows, args)) ?? flags.clash;
  const page = commandPage(path, row);
  if (problem !== undefined) return misuse(io, problem, `Incorrect Usage: ${problem}\n\n${page}`);
  if (flags.bool("help") || row.action === undefined) return show(io, page);
  const [{ Session }, action] = await Promise.all([import("./session.ts"), loadAction(row.action)]);
  const session = new Session(io, globals, flags, world);
  try {
    await action(session);
  } finally {
    session.close();
  }
  return 0;
}

interface HelpTopics {
  readonly page: string;
  readonly commands: readonly CommandRow[];
  readonly path: string;
}

function runHelp(io: Io, args: readonly string[], topics: HelpTopics): number {
  const flags = new FlagValues([HELP_FLAG]);
  const problem = flags.parse(flagsFirst([HELP_FLAG], args)) ?? flags.clash;
  const page = commandPage("", HELP_COMMAND);
  if (problem !== undefined) return misuse(io, problem, `Incorrect Usage: ${problem}\n\n${page}`);
  const [topic] = flags.args;
  if (flags.bool("help") || (topic !== undefined && isHelp(topic))) return show(io, page);
  if (topic === undefined) return show(io, topics.page);
  const row = topics.commands.find((command) => command.name === topic);
  if (row === undefined) return unknownTopic(io, topic);
  return show(io, commandPage(`${topics.path} ${topic}`, row));
}

function isHelp(name: string): boolean {
  return name === "help" || name === "h";
}

function show(io: Io, text: string): number {
  io.out(text);
  return 0;
}

function misuse(io: Io, problem: string, text: string): number {
  io.out(text);
  io.err(`${problem}\n`);
  return 1;
}

function unknownTopic(io: Io, topic: string): number {
  io.err(`No help topic for '${topic}'\n`);
  return NO_TOPIC_EXIT;
}
