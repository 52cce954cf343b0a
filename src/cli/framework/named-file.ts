/** Files that a flag names: certificates and keys. */
import { readFileSync } from "node:fs";
import { systemErrorText } from "../../base/system-errors.ts";

/** The file's bytes, or why it cannot be read, in Go's words. */
export function readNamedFile(
  path: string,
): { readonly value: Buffer } | { readonly error: string } {
  try {
    return { value: readFileSync(path) };
  } catch (error) {
    const call = error instanceof Error && "syscall" in error ? error.syscall : "open";
    return { error: `${call} ${path}: ${systemErrorText(error)}` };
  }
}
