/** Where the parts of a member lie in its data directory. */
import { type Disk, DiskError } from "../../env/disk.ts";

export interface MemberPaths {
  readonly member: string;
  readonly wal: string;
  readonly snap: string;
  readonly db: string;
}

/** `walDirectory`: empty unless the log has a directory of its own. */
export function memberPaths(disk: Disk, dataDirectory: string, walDirectory = ""): MemberPaths {
  const member = disk.join(dataDirectory, "member");
  const snap = disk.join(member, "snap");
  return {
    member,
    wal: walDirectory === "" ? disk.join(member, "wal") : walDirectory,
    snap,
    db: disk.join(snap, "db"),
  };
}

/** Throws the system's refusal when nothing is there. */
export function requireFile(disk: Disk, path: string): void {
  if (disk.stat(path) === undefined) {
    throw new DiskError("ENOENT", path, `stat ${path}: no such file or directory`);
  }
}
