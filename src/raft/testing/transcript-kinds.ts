/** Recognises by its commands what a transcript is about. */
import { CONFCHANGE_COMMANDS, ConfChangeInterpreter } from "./confchange-interpreter.ts";
import type { Interpreter, TranscriptCommand } from "./datadriven.ts";
import { InteractionInterpreter } from "./interaction-interpreter.ts";
import { QUORUM_COMMANDS, QuorumInterpreter } from "./quorum-interpreter.ts";

/** A fresh interpreter for one file with these commands. */
export function interpreterFor(commands: readonly TranscriptCommand[]): Interpreter {
  const name = commands[0]?.name ?? "";
  if (QUORUM_COMMANDS.includes(name)) return new QuorumInterpreter();
  if (CONFCHANGE_COMMANDS.includes(name)) return new ConfChangeInterpreter();
  return new InteractionInterpreter();
}
