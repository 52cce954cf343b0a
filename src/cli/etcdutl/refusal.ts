/** How refused or failed offline work ends the tool. */
import { BackendCorruptError } from "../../backend/index.ts";
import { TextError } from "../../base/go-text.ts";
import { DiskError } from "../../env/disk.ts";
import { WalError } from "../../wal/index.ts";
import type { Invocation } from "../framework/command.ts";
import { ExitCode, exitWithError } from "../framework/exit.ts";
import { UtilityError } from "./deps.ts";

/** Ends the tool unless there is exactly one argument. */
export function onlyArgument({ args }: Invocation, command: string): string {
  const [only] = args;
  if (only !== undefined && args.length === 1) return only;
  return exitWithError(ExitCode.BAD_ARGS, `${command} requires exactly one argument`);
}

/** Refusals and damage end the tool with their words; anything else is a defect and stays as it is. */
export async function orExit<T>(run: () => Promise<T>, code: number = ExitCode.ERROR): Promise<T> {
  try {
    return await run();
  } catch (error) {
    return exitWithError(code, reasonOf(error));
  }
}

/** The words of a foreseen failure. */
export function reasonOf(error: unknown): string {
  const isForeseen =
    error instanceof UtilityError ||
    error instanceof TextError ||
    error instanceof DiskError ||
    error instanceof WalError ||
    error instanceof BackendCorruptError;
  if (isForeseen) return error.message;
  throw error;
}
