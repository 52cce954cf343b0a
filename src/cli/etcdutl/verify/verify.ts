/**
 * Verifies the files of a stopped member, or a snapshot file, and says what is wrong and where.
 * Changes nothing. What a page of the db holds has no checksum: of a changed value only what breaks
 * a rule can be seen; the hash of a snapshot file and of other members sees the rest.
 */
import { compareBytes } from "../../../base/bytes.ts";
import type { DiskFile } from "../../../env/disk.ts";
import { withLockedFile } from "../db-access.ts";
import { type UtilityDeps, UtilityError } from "../deps.ts";
import { memberPaths } from "../member-paths.ts";
import { DIGEST_BYTES, digestOf, hasDigest, readDigest } from "../snapshot-copy.ts";
import { type AppliedPoint, verifyDb } from "./db-file.ts";
import type { LogChecker } from "./log-checker.ts";
import { verifyLogFiles, verifySnapshotFiles } from "./log-files.ts";
import { VerifyReport } from "./report.ts";

/** `walDirectory`: empty unless the log has a directory of its own. */
export async function verifyDataDirectory(
  deps: UtilityDeps,
  dataDirectory: string,
  walDirectory: string,
): Promise<VerifyReport> {
  const { disk } = deps;
  const report = new VerifyReport();
  const paths = memberPaths(disk, dataDirectory, walDirectory);
  if (disk.stat(paths.member) === undefined) {
    throw new UtilityError(`stat ${paths.member}: no such file or directory`);
  }
  const verifyAll = async (db: DiskFile | undefined): Promise<void> => {
    const hasLog = disk.stat(paths.wal) !== undefined;
    if (!hasLog) report.damage(paths.wal, "", "there is no log");
    const log = hasLog ? verifyLogFiles(deps, paths.wal, report) : undefined;
    const snapshot = verifySnapshotFiles(deps, paths.snap, log, report);
    const applied = db === undefined ? undefined : await verifyDb(deps, db, report);
    if (applied !== undefined) compareWithLog(paths.db, applied, log, snapshot, report);
  };
  if (disk.stat(paths.db) === undefined) {
    report.damage(paths.db, "", "there is no db");
    await verifyAll(undefined);
  } else {
    await withLockedFile(deps, paths.db, verifyAll);
  }
  return report;
}

/** A snapshot file, or a copy of a db. */
export async function verifySnapshot(deps: UtilityDeps, path: string): Promise<VerifyReport> {
  const report = new VerifyReport();
  await withLockedFile(deps, path, async (file) => {
    const fileBytes = file.size();
    if (hasDigest(fileBytes)) {
      const found = await digestOf(deps, file, fileBytes - DIGEST_BYTES);
      const expected = readDigest(file, fileBytes);
      if (compareBytes(found, expected) === 0) {
        report.fact(path, `sha256 ${found.toString("hex")}`);
      } else {
        const what = `expected sha256 ${expected.toString("hex")}, got ${found.toString("hex")}`;
        report.damage(path, "", what);
      }
    } else {
      report.warn(path, "", "no sha256 at its end: a copy of a db, or a snapshot cut short");
    }
    await verifyDb(deps, file, report);
  });
  return report;
}

/** The db must cover the snapshot, and must not be ahead of the log. */
function compareWithLog(
  path: string,
  applied: AppliedPoint,
  log: LogChecker | undefined,
  snapshotIndex: number,
  report: VerifyReport,
): void {
  const where = "bucket meta, consistent_index";
  if (applied.index < snapshotIndex) {
    const what = `the db is at entry ${applied.index}, behind the snapshot at ${snapshotIndex}`;
    report.damage(path, where, what);
  }
  if (log === undefined) return;
  if (applied.index > log.lastIndex) {
    const what = `the db is at entry ${applied.index}, but the log ends at ${log.lastIndex}`;
    report.damage(path, where, what);
    return;
  }
  const term = log.termOf(applied.index);
  if (applied.term === 0 || term === undefined || term === applied.term) return;
  const what = `entry ${applied.index} has term ${applied.term} here and ${term} in the log`;
  // etcd 3.4 moves the index on and leaves the term as a newer release has written it.
  if (applied.term < term) report.warn(path, where, what);
  else report.damage(path, where, what);
}
