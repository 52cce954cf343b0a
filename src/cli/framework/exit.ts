/** How a tool ends: etcd's exit codes, and the exception that carries one to the outermost caller. */
import { errorMessage } from "../../base/error-message.ts";

/** Exit codes of etcd's tools. */
export const ExitCode = {
  SUCCESS: 0,
  ERROR: 1,
  BAD_CONNECTION: 2,
  /** For txn and watch. */
  INVALID_INPUT: 3,
  /** A valid flag with a value that is not supported. */
  BAD_FEATURE: 4,
  INTERRUPTED: 5,
  IO: 6,
  BAD_ARGS: 128,
} as const;

/** Ends the tool. With a message, "Error: <message>" is printed to standard error. */
export class CliExit extends Error {
  readonly code: number;
  /** False: what there is to say has been printed. */
  readonly printed: boolean;

  constructor(code: number, message?: string) {
    super(message ?? `exit ${code}`);
    this.name = "CliExit";
    this.code = code;
    this.printed = message !== undefined;
  }
}

/** Throws; the tool prints "Error: <error>" and exits with `code`. */
export function exitWithError(code: number, error: unknown): never {
  throw new CliExit(code, errorMessage(error));
}
