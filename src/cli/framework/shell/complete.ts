/**
 * Answers a shell that asks what may stand next: `TOOL __complete WORDS... LAST`, where LAST is
 * what is typed so far, perhaps empty. Prints one candidate a line with its description behind a
 * tab, then ":N", where N tells the shell what to do with them: 0 also offers files, 16
 * directories, 4 none. What is wrong with the words before LAST is told on standard error, and
 * nothing is offered then. (The protocol and the answers of cobra, so its scripts work too.)
 */
import type { Command } from "../command.ts";
import { ExitCode } from "../exit.ts";
import { findCommand } from "../find.ts";
import { FlagSet, type FlagSpec } from "../flags.ts";
import type { Io } from "../io.ts";

const OFFER_FILES = 0;
const NO_FILES = 4;
const OFFER_DIRECTORIES = 16;
const DIRECTIVE_NAMES: Readonly<Record<number, string>> = {
  [OFFER_FILES]: "ShellCompDirectiveDefault",
  [NO_FILES]: "ShellCompDirectiveNoFileComp",
  [OFFER_DIRECTORIES]: "ShellCompDirectiveFilterDirs",
};

interface Answer {
  readonly directive: number;
  /** Candidates with their descriptions. */
  readonly candidates: readonly Candidate[];
  /** Why there are none. */
  readonly problem?: string;
}

type Candidate = readonly [word: string, description: string];

export function complete(root: Command, io: Io, described: boolean): number {
  const words = io.argv.slice(1);
  const typed = words.at(-1);
  if (typed === undefined) {
    io.err("Error: requires at least 1 arg(s), only received 0\n");
    return ExitCode.ERROR;
  }
  const { candidates, directive, problem } = answerFor(root, words.slice(0, -1), typed);
  if (problem !== undefined) io.err(`[Debug] [Error] ${problem}\n`);
  for (const [word, description] of candidates) {
    const [line = ""] = description.split("\n");
    io.out(described && line !== "" ? `${word}\t${line}\n` : `${word}\n`);
  }
  io.out(`:${directive}\n`);
  io.err(`Completion ended with directive: ${DIRECTIVE_NAMES[directive]}\n`);
  return ExitCode.SUCCESS;
}

function answerFor(root: Command, before: readonly string[], typed: string): Answer {
  const { command, args, problem } = findCommand(root, before);
  if (problem !== undefined) {
    return refused(`unable to find a command for arguments: [${before.join(" ")}]`);
  }
  const value = valueAsked(command, args, typed);
  const complete = value.kind === "of" && value.before ? args.slice(0, -1) : args;
  const flags = new FlagSet(command.allFlags);
  const wrong = flags.parse(complete);
  if (wrong !== undefined) {
    return refused(`Error while parsing flags from args [${complete.join(" ")}]: ${wrong}`);
  }
  // Behind "--" nothing is a flag.
  const mayBeFlag = flags.argsBeforeDash === undefined;
  if (value.kind === "unknown" && mayBeFlag) {
    return refused(`Subcommand '${command.name}' does not support flag '${value.name}'`);
  }
  if (flags.bool("help")) return { candidates: [], directive: NO_FILES };
  if (value.kind === "of" && mayBeFlag) {
    // All of them: the scripts choose those that fit.
    const candidates = (value.flag.values ?? []).map((each): Candidate => [each, ""]);
    const directive = value.flag.isDirectory === true ? OFFER_DIRECTORIES : OFFER_FILES;
    return { candidates, directive };
  }
  if (mayBeFlag && typed.startsWith("-") && !typed.includes("=")) {
    return { candidates: flagNames(command, flags, typed), directive: NO_FILES };
  }
  return words(root, command, flags, typed);
}

function refused(problem: string): Answer {
  return { candidates: [], directive: OFFER_FILES, problem };
}

/** Whether the word in the making is a flag's value. */
type ValueAsked =
  | { readonly kind: "none" }
  | { readonly kind: "unknown"; readonly name: string }
  | {
      readonly kind: "of";
      readonly flag: FlagSpec;
      /** The flag is the word before. */
      readonly before: boolean;
    };

function valueAsked(command: Command, args: readonly string[], typed: string): ValueAsked {
  const equals = typed.startsWith("-") ? typed.indexOf("=") : -1;
  const isFlag = typed.startsWith("-");
  const last = isFlag ? typed.slice(0, Math.max(equals, 0)) : (args.at(-1) ?? "");
  if (!/^(--.|-[^-])/.test(last) || (!isFlag && last.includes("="))) return { kind: "none" };
  // Of one-letter flags in a group, the last one takes the value.
  const name = last.startsWith("--") ? last.slice(2) : last.slice(-1);
  const flag = command.allFlags.find((each) =>
    name.length > 1 ? each.name === name : each.short === name,
  );
  if (flag === undefined) return { kind: "unknown", name };
  if (isFlag) return { kind: "of", flag, before: false };
  return flag.kind === "bool" ? { kind: "none" } : { kind: "of", flag, before: true };
}

/** Required flags alone while there are any; inherited ones first. */
function flagNames(command: Command, flags: FlagSet, typed: string): Candidate[] {
  const required = requiredFlags(command, flags, typed);
  if (required.length > 0) return required;
  return [...command.inheritedFlags, ...command.localFlags]
    .filter(({ name, kind }) => kind === "strings" || !flags.isChanged(name))
    .flatMap((flag) => spellings(flag, typed));
}

function requiredFlags(command: Command, flags: FlagSet, typed: string): Candidate[] {
  return [...command.inheritedFlags, ...command.localFlags]
    .filter(({ name, required }) => required === true && !flags.isChanged(name))
    .flatMap((flag) => spellings(flag, typed));
}

function spellings({ name, short, usage }: FlagSpec, typed: string): Candidate[] {
  const words = short === undefined ? [`--${name}`] : [`--${name}`, `-${short}`];
  return words.filter((word) => word.startsWith(typed)).map((word) => [word, usage]);
}

/** Commands, and arguments that are known beforehand. */
function words(root: Command, command: Command, flags: FlagSet, typed: string): Answer {
  if (command.name === "help" && command.parent === root) {
    const { command: about, problem } = findCommand(root, flags.args);
    const candidates = problem === undefined ? commandsIn(about, typed) : [];
    return { candidates, directive: NO_FILES };
  }
  const required = requiredFlags(command, flags, typed);
  const { validArgs } = command.spec;
  if (flags.args.length > 0) return { candidates: required, directive: OFFER_FILES };
  // A flag of the command itself says that no command below it is meant.
  const isHere = (command.spec.flags ?? []).some(({ name }) => flags.isChanged(name));
  const below = isHere ? [] : commandsIn(command, typed);
  const values = (validArgs ?? [])
    .filter((value) => value.startsWith(typed))
    .map((value): Candidate => [value, ""]);
  const isKnown = validArgs !== undefined || (!isHere && command.commands.length > 0);
  return {
    candidates: [...below, ...required, ...values],
    directive: isKnown ? NO_FILES : OFFER_FILES,
  };
}

function commandsIn(command: Command, typed: string): Candidate[] {
  return command.sortedCommands
    .filter(({ spec, name }) => spec.hidden !== true && name.startsWith(typed))
    .map(({ name, spec }) => [name, spec.short]);
}
