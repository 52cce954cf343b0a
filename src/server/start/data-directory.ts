/** The directories of a member: where things lie, and whether they can be used. */
import { type Disk, DiskError } from "../../env/index.ts";
import type { ServerDeps, ServerOptions } from "../options.ts";

/** A start that was refused: the message says what is wrong, and nothing was changed. */
export class BootstrapError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "BootstrapError";
  }
}

export interface MemberPaths {
  readonly member: string;
  readonly wal: string;
  readonly snap: string;
  readonly db: string;
}

export function memberDirectories(disk: Disk, options: ServerOptions): MemberPaths {
  const member = disk.join(options.dataDirectory, "member");
  const snap = disk.join(member, "snap");
  return {
    member,
    wal: options.walDirectory === "" ? disk.join(member, "wal") : options.walDirectory,
    snap,
    db: disk.join(snap, "db"),
  };
}

/** What else has the name would be taken away when the directory is made. */
export function refuseNoDirectory(disk: Disk, path: string, what: string): void {
  if (disk.stat(path)?.isDirectory === false) {
    throw new BootstrapError(`cannot access ${what}: ${path} is not a directory`);
  }
}

const PRIVATE_DIRECTORY_MODE = 0o700;

/** Makes the directory when it is missing, and proves that files can be written into it. */
export function touchDirectory(deps: ServerDeps, path: string, what: string): void {
  const { disk, logger } = deps;
  try {
    const found = disk.stat(path);
    refuseNoDirectory(disk, path, what);
    if (found === undefined) makeDurableDirectory(disk, path);
    else if ((found.mode & 0o077) !== 0) {
      logger.warn("check file permission", {
        error: `directory "${path}" exist, but the permission is "${modeText(found.mode)}". The recommended permission is "-rwx------" to prevent possible unprivileged access to the data`,
      });
    }
    const probe = disk.join(path, ".touch");
    disk.open(probe, { create: true, truncate: true }).close();
    disk.remove(probe);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    throw new BootstrapError(`cannot access ${what}: ${error.message}`);
  }
}

/** Also makes missing parents, and makes all their names survive a loss of power. */
function makeDurableDirectory(disk: Disk, path: string): void {
  const parent = disk.join(path, "..");
  if (disk.stat(parent) === undefined) makeDurableDirectory(disk, parent);
  disk.makeDirectories(path, PRIVATE_DIRECTORY_MODE);
  disk.syncDirectory(parent);
}

/** As Go prints a directory's mode: "drwxr-xr-x". */
function modeText(mode: number): string {
  const letters = "rwxrwxrwx";
  let text = "d";
  for (let i = 0; i < 9; i++) text += (mode & (1 << (8 - i))) === 0 ? "-" : letters[i];
  return text;
}
