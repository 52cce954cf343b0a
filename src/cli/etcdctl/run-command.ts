/** Runs another program with the tool's own streams, for `lock` and `watch`. */
import { spawn } from "node:child_process";
import { constants } from "node:os";

export interface Ending {
  /** As the shell shows it: 128 and the signal's number if one has ended it. */
  readonly code: number;
  /** Go's words for an end that was no success; undefined for exit code 0. */
  readonly failure: string | undefined;
}

export function runCommand(
  [program = "", ...args]: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<Ending> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { env, stdio: ["ignore", "inherit", "inherit"] });
    child.once("error", (error: NodeJS.ErrnoException) => {
      const reason = error.code === "ENOENT" ? notFound(program) : error.message;
      resolve({ code: 1, failure: reason });
    });
    child.once("exit", (code, signal) => {
      if (signal !== null) {
        resolve({ code: 128 + constants.signals[signal], failure: `signal: ${signal}` });
      } else {
        resolve({ code: code ?? 1, failure: code === 0 ? undefined : `exit status ${code}` });
      }
    });
  });
}

function notFound(program: string): string {
  return program.includes("/")
    ? `fork/exec ${program}: no such file or directory`
    : `exec: "${program}": executable file not found in $PATH`;
}
