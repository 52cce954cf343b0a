/**
 * Finds the command that a command line names. Names may be cut to a unique beginning; flags may
 * stand anywhere, so the words are told from the values of flags first.
 */
import type { Command } from "./command.ts";
import { quote } from "../../base/go-quote.ts";

/** Names at this distance or nearer are suggested. */
const SUGGESTION_DISTANCE = 2;

export interface Found {
  readonly command: Command;
  /** The command line without the names of commands. */
  readonly args: readonly string[];
  /** The first word is no command of the tool. */
  readonly problem?: string | undefined;
}

export function findCommand(root: Command, argv: readonly string[]): Found {
  let command = root;
  let args = argv;
  for (;;) {
    const places = wordPlaces(command, args);
    const word = args[places[0] ?? args.length];
    const next = word === undefined ? undefined : childNamed(command, word);
    if (next === undefined) {
      const unknown = command === root && root.commands.length > 0 ? word : undefined;
      return { command, args, problem: unknown === undefined ? undefined : refuse(root, unknown) };
    }
    args = args.filter((_, i) => i !== places[0]);
    command = next;
  }
}

function childNamed(command: Command, word: string): Command | undefined {
  const exact = command.commands.find(({ name }) => name === word);
  if (exact !== undefined) return exact;
  const near = command.commands.filter(
    ({ name, spec }) => name.startsWith(word) && spec.hidden !== true,
  );
  return near.length === 1 ? near[0] : undefined;
}

/** Where the arguments stand that are neither flags nor their values. */
function wordPlaces(command: Command, args: readonly string[]): number[] {
  const flags = command.allFlags;
  const takesNext = (arg: string): boolean => {
    if (arg.includes("=")) return false;
    if (arg.startsWith("--")) {
      return flags.find(({ name }) => name === arg.slice(2))?.kind !== "bool";
    }
    return arg.length === 2 && flags.find(({ short }) => short === arg[1])?.kind !== "bool";
  };
  const places: number[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    if (arg === "--") break;
    if (arg.startsWith("-")) {
      if (takesNext(arg)) i++;
    } else if (arg !== "") {
      places.push(i);
    }
  }
  return places;
}

function refuse(root: Command, word: string): string {
  const near = suggestionsFor(root, word);
  const hint =
    near.length === 0 ? "" : `\n\nDid you mean this?\n${near.map((n) => `\t${n}\n`).join("")}`;
  return `unknown command ${quote(word)} for ${quote(root.path)}${hint}`;
}

function suggestionsFor(root: Command, word: string): string[] {
  const typed = word.toLowerCase();
  return root.commands
    .filter(({ runnable, commands, spec }) => (runnable || commands.length > 0) && !spec.hidden)
    .map(({ name }) => name)
    .filter((name) => editDistance(typed, name) <= SUGGESTION_DISTANCE || name.startsWith(typed));
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
