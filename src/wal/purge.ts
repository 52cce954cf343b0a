/**
 * Removes old files, oldest first, keeping the newest `keep` with a suffix. With `lock`, only files
 * whose lock can be taken go, and the first one that cannot ends the round: the log still needs it.
 */
import type { ReadDeps } from "./read-log.ts";

export interface PurgeRule {
  readonly directory: string;
  /** Such as ".wal", ".snap" or ".snap.db". */
  readonly suffix: string;
  /** How many to keep (etcd: --max-wals, --max-snapshots; the caller leaves out a rule for 0). */
  readonly keep: number;
  /** Whether the files are locked while in use. */
  readonly lock: boolean;
  /** Files that stay, however many there are. */
  readonly spares?: (name: string) => boolean;
}

/** Returns the names that were removed. Throws a `DiskError` when a removal fails. */
export function purgeFiles(deps: ReadDeps, rule: PurgeRule): string[] {
  const { disk, logger } = deps;
  const names = disk.readDirectory(rule.directory).filter((name) => name.endsWith(rule.suffix));
  const purged: string[] = [];
  for (const name of names.slice(0, Math.max(0, names.length - rule.keep))) {
    if (rule.spares?.(name) === true) continue;
    const path = disk.join(rule.directory, name);
    const file = rule.lock ? disk.open(path, { write: true }) : undefined;
    try {
      if (file !== undefined && !file.tryLock("ofd")) {
        logger.warn("failed to lock file", { path, error: "fileutil: file already locked" });
        break;
      }
      disk.remove(path);
    } finally {
      file?.close();
    }
    logger.info("purged", { path });
    purged.push(name);
  }
  return purged;
}
