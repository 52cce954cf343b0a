/**
 * Where a running launcher listens for the commands of other terminals: a socket in a folder that
 * only its user may enter, or a named pipe on Windows. One per instance name.
 */
import { lstatSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Longer names do not fit into the path of a socket. */
const MAX_INSTANCE_CHARACTERS = 32;

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly isWindows: boolean;
  /** The user's number; undefined on Windows. */
  readonly userID: number | undefined;
}

/** What is wrong with the name of an instance; undefined when nothing. */
export function instanceProblem(name: string): string | undefined {
  if (new RegExp(`^[\\w.-]{1,${MAX_INSTANCE_CHARACTERS}}$`).test(name)) return undefined;
  return `--instance must be 1 to ${MAX_INSTANCE_CHARACTERS} letters, digits, ".", "-" or "_"`;
}

/** Makes the folder if it is missing. @throws Error when somebody else could get into it. */
export function controlPath(instance: string, { env, isWindows, userID }: Surroundings): string {
  if (isWindows) return `\\\\.\\pipe\\etcd-cluster-${env["USERNAME"] ?? ""}-${instance}`;
  const runtime = env["XDG_RUNTIME_DIR"] ?? "";
  const folder = join(runtime === "" ? tmpdir() : runtime, `etcd-cluster-${userID ?? 0}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stats = lstatSync(folder);
  const isOwn = stats.isDirectory() && stats.uid === userID && (stats.mode & 0o077) === 0;
  if (!isOwn) throw new Error(`${folder} must be a folder that only its user may enter`);
  return join(folder, `${instance}.sock`);
}
