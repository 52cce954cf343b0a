/**
 * Answers a shell that asks what may stand next: `TOOL __complete WORDS... LAST`, where LAST is
 * what is typed so far, perhaps empty. Prints one candidate a line with its description behind a
 * tab, then ":N", where N tells the shell what to do with them: 0 also offers files, 4 does not.
 * (The protocol of the completions of other tools of this kind, so that their scripts work.)
 */
import type { Command } from "../command.ts";
import { findCommand } from "../find.ts";
import type { FlagSpec } from "../flags.ts";
import type { Io } from "../io.ts";

const OFFER_FILES = 0;
const NO_FILES = 4;
const DIRECTIVE_NAMES: Readonly<Record<number, string>> = {
  [OFFER_FILES]: "ShellCompDirectiveDefault",
  [NO_FILES]: "ShellCompDirectiveNoFileComp",
};

interface Answer {
  readonly directive: number;
  /** Candidates with their descriptions. */
  readonly candidates: readonly (readonly [word: string, description: string])[];
}

export function complete(root: Command, io: Io, described: boolean): void {
  const words = io.argv.slice(1);
  const { candidates, directive } = candidatesFor(root, words.slice(0, -1), words.at(-1) ?? "");
  for (const [word, description] of candidates) {
    io.out(described && description !== "" ? `${word}\t${description}\n` : `${word}\n`);
  }
  io.out(`:${directive}\n`);
  io.err(`Completion ended with directive: ${DIRECTIVE_NAMES[directive]}\n`);
}

function candidatesFor(root: Command, before: readonly string[], typed: string): Answer {
  const { command, args } = findCommand(root, before);
  const flags = command.allFlags;
  const named = (text: string): FlagSpec | undefined =>
    flags.find(({ name, short }) => text === `--${name}` || text === `-${short}`);
  if (!args.includes("--")) {
    const equals = typed.indexOf("=");
    if (typed.startsWith("-") && equals > 0) {
      return valuesOf(named(typed.slice(0, equals)), typed.slice(equals + 1));
    }
    const pending = named(args.at(-1) ?? "");
    if (pending !== undefined && pending.kind !== "bool") return valuesOf(pending, typed);
    if (typed.startsWith("-")) return flagsFor(flags, typed);
  }
  const offered = command.sortedCommands
    .filter(({ spec, name }) => spec.hidden !== true && name.startsWith(typed))
    .map(({ name, spec }) => [name, spec.short] as const);
  const values = (command.spec.validArgs ?? [])
    .filter((value) => value.startsWith(typed) && args.every((arg) => arg.startsWith("-")))
    .map((value) => [value, ""] as const);
  const isGroup = command.commands.length > 0 || command.spec.validArgs !== undefined;
  return { candidates: [...offered, ...values], directive: isGroup ? NO_FILES : OFFER_FILES };
}

function valuesOf(flag: FlagSpec | undefined, typed: string): Answer {
  const values = (flag?.values ?? []).filter((value) => value.startsWith(typed));
  return { candidates: values.map((value) => [value, ""] as const), directive: OFFER_FILES };
}

function flagsFor(flags: readonly FlagSpec[], typed: string): Answer {
  const candidates = flags
    .flatMap(({ name, short, usage }) => [
      [`--${name}`, usage] as const,
      ...(short === undefined ? [] : [[`-${short}`, usage] as const]),
    ])
    .filter(([word]) => word.startsWith(typed));
  return { candidates, directive: NO_FILES };
}
