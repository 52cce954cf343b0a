/**
 * Looks at a data directory before the start, to tell the operator what will happen: a new
 * member, one that continues, or a directory that belongs to something else.
 */
import { existsSync, readdirSync } from "node:fs";
import { systemErrorCode, systemErrorText } from "../base/system-errors.ts";

export type DataDirContent =
  | { readonly kind: "empty"; readonly strangers: readonly string[] }
  | { readonly kind: "member"; readonly strangers: readonly string[] }
  | { readonly kind: "proxy"; readonly strangers: readonly string[] }
  /** The message is etcd's, for a line at level fatal. */
  | { readonly kind: "unusable"; readonly message: string; readonly error: string | undefined };

/** `strangers`: names of files that etcd would not have put there. */
export function inspectDataDir(directory: string): DataDirContent {
  let names: string[];
  try {
    names = readdirSync(directory).sort();
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === "ENOENT") return { kind: "empty", strangers: [] };
    // Go opens what is there, and fails at the reading of what is no directory.
    const call = code === "ENOTDIR" && existsSync(directory) ? "readdirent" : "open";
    return {
      kind: "unusable",
      message: "failed to list data directory",
      error: `${call} ${directory}: ${systemErrorText(error)}`,
    };
  }
  const strangers = names.filter((name) => name !== "member" && name !== "proxy");
  const isMember = names.includes("member");
  const isProxy = names.includes("proxy");
  if (isMember && isProxy) {
    return {
      kind: "unusable",
      message: "invalid datadir; both member and proxy directories exist",
      error: undefined,
    };
  }
  if (isMember) return { kind: "member", strangers };
  return { kind: isProxy ? "proxy" : "empty", strangers };
}
