/** Runs one command line of a tool, from the arguments to the exit code. */
import { Command, type CommandSpec, type Invocation, type ToolVersion } from "./command.ts";
import { CliExit, ExitCode } from "./exit.ts";
import { findCommand } from "./find.ts";
import { FlagSet } from "./flags.ts";
import { quote } from "../../base/go-quote.ts";
import type { Io } from "./io.ts";
import { plainUsageOf } from "./usage-plain.ts";
import { usageOf } from "./usage.ts";

/** Does not end the process: the result is its exit code. See command.ts for the table. */
export async function runTool(table: CommandSpec, about: ToolVersion, io: Io): Promise<number> {
  const root = new Command(withHelp(table));
  try {
    const [first] = io.argv;
    if (first === "__complete" || first === "__completeNoDesc") {
      const { complete } = await import("./shell/complete.ts");
      return complete(root, io, first === "__complete");
    }
    return await execute(root, about, io);
  } catch (error) {
    if (!(error instanceof CliExit)) throw error;
    if (error.printed) io.err(`Error: ${error.message}\n`);
    return error.code;
  }
}

async function execute(root: Command, about: ToolVersion, io: Io): Promise<number> {
  const { command, args, problem } = findCommand(root, io.argv);
  const { helpLayout = "sections" } = about;
  const isPlain = helpLayout !== "sections";
  if (problem !== undefined) {
    io.err(`Error: ${problem}\nRun '${command.path} --help' for usage.\n`);
    if (isPlain) io.err(`Error: ${problem}\n`);
    return ExitCode.ERROR;
  }
  const flags = new FlagSet(command.allFlags);
  const refuse = (what: string): number => {
    io.err(`Error: ${what}\n`);
    const print = isPlain ? io.err : io.out;
    print.call(io, isPlain ? plainUsageOf(command) : usageOf(command, about));
    const last = { sections: "\n", plain: `\nError: ${what}\n`, titled: `\n${what}` };
    io.err(last[helpLayout]);
    return ExitCode.ERROR;
  };
  const wrongFlag = flags.parse(args);
  if (wrongFlag !== undefined) return refuse(wrongFlag);
  const { load, checkArgs } = command.spec;
  if (flags.bool("help") || load === undefined) {
    io.out(helpPage(command, about));
    return ExitCode.SUCCESS;
  }
  const wrongArgs = checkArgs?.(flags.args, command.path) ?? flags.missing();
  if (wrongArgs !== undefined) return refuse(wrongArgs);
  const run = await load();
  await run({ command, args: flags.args, flags, io: quietIfParsed(io, flags), about });
  return ExitCode.SUCCESS;
}

/** Formats of `--write-out` that programs read. */
const PARSED_FORMATS: ReadonlySet<string> = new Set(["fields", "json", "protobuf"]);

/** Without a status line when output is for programs. Flags may still change while a tool runs. */
function quietIfParsed(io: Io, flags: FlagSet): Io {
  if (!flags.has("write-out")) return io;
  return {
    ...io,
    status: (text) => {
      if (!PARSED_FORMATS.has(flags.string("write-out"))) io.status(text);
    },
  };
}

function helpPage(command: Command, about: ToolVersion): string {
  switch (about.helpLayout) {
    case "plain":
      return plainUsageOf(command);
    case "titled":
      return `${command.spec.short}\n\n${plainUsageOf(command)}`;
    default:
      return usageOf(command, about);
  }
}

function withHelp(table: CommandSpec): CommandSpec {
  const help: CommandSpec = {
    use: "help [command]",
    short: "Help about any command",
    long: `Help provides help for any command in the application.
Simply type ${table.use} help [path to command] for full details.`,
    load: async () => printHelp,
  };
  return { ...table, commands: [...(table.commands ?? []), help] };
}

async function printHelp({ command, args, io, about }: Invocation): Promise<void> {
  const found = findCommand(command.root, args);
  if (found.problem === undefined) {
    io.out(helpPage(found.command, about));
    return;
  }
  io.err(`Unknown help topic [${args.map(rawQuote).join(" ")}]\n`);
  if (about.helpLayout === "plain") io.err(plainUsageOf(command.root));
  else io.out(usageOf(command.root, about, false));
}

/** As `%#q`: in backquotes where possible. */
function rawQuote(text: string): string {
  return text.includes("`") ? quote(text) : `\`${text}\``;
}
