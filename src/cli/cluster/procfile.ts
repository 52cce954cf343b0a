/**
 * Procfiles, as goreman and foreman read them: one "name: command" per line, blank lines and
 * comments behind "#". Any other line is refused with its number.
 */
import { endpointOf, listenAddresses, wordsOf } from "./line-flags.ts";
import { MAX_PROCESSES, type ProcessPlan } from "./plan.ts";

/** Larger files are no Procfiles. */
export const MAX_PROCFILE_BYTES = 1024 * 1024;

/** More than this the systems do not take as one argument. */
const MAX_COMMAND_CHARACTERS = 64 * 1024;

/** @throws Error that names the line. */
export function parseProcfile(text: string, path: string): ProcessPlan[] {
  const plans: ProcessPlan[] = [];
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const refuse = (what: string): never => {
      throw new Error(`${path}:${index + 1}: ${what}`);
    };
    const match = /^([\w.-]+)\s*:\s*(\S.*)$/.exec(line);
    if (match === null) return refuse('expected "name: command"');
    const [, name = "", command = ""] = match;
    if (plans.some((plan) => plan.name === name)) refuse(`a second process is named ${name}`);
    if (command.length > MAX_COMMAND_CHARACTERS) {
      refuse(`more than ${MAX_COMMAND_CHARACTERS} characters`);
    }
    if (plans.length === MAX_PROCESSES) refuse(`more than ${MAX_PROCESSES} processes`);
    const words = wordsOf(command);
    plans.push({
      name,
      command: { kind: "line", line: command },
      endpoint: endpointOf(words),
      addresses: listenAddresses(words),
    });
  }
  if (plans.length === 0) throw new Error(`${path}: no process is named there`);
  return plans;
}
