/** Verifies the write-ahead log and the snapshot files beside it. */
import { formatID, type Index } from "../../../base/ids.ts";
import { MAX_SNAP_BYTES, decodeSnapFile, SnapError, snapName } from "../../../snap/index.ts";
import { membershipOfDocument } from "../../../v2store/index.ts";
import { inspectLog, WalError } from "../../../wal/index.ts";
import type { UtilityDeps } from "../deps.ts";
import { LogChecker } from "./log-checker.ts";
import type { VerifyReport } from "./report.ts";

/** Undefined when there is no log to look at. */
export function verifyLogFiles(
  deps: UtilityDeps,
  directory: string,
  report: VerifyReport,
): LogChecker | undefined {
  const log = new LogChecker(report);
  try {
    for (const finding of inspectLog(deps, directory)) {
      log.apply(finding);
      if (finding.kind === "segment") deps.progress(`reading ${finding.file}`, 0, 0);
    }
  } catch (error) {
    if (!(error instanceof WalError)) throw error;
    report.damage(directory, "", error.message);
    return undefined;
  }
  log.finish();
  const { term, commit } = log.hardState;
  const identity =
    log.metadata === undefined
      ? ""
      : `, member ${formatID(log.metadata.NodeID)} of cluster ${formatID(log.metadata.ClusterID)}`;
  report.fact(
    directory,
    `${log.segments} segments, entries ${log.firstIndex} to ${log.lastIndex}, ` +
      `term ${term}, commit ${commit}${identity}`,
  );
  for (const name of deps.disk.readDirectory(directory)) {
    if (!name.endsWith(".broken")) continue;
    report.warn(deps.disk.join(directory, name), "", "a segment as it was before a repair");
  }
  return log;
}

/**
 * Checks all snapshot files; returns the index of the newest one that the log knows of, 0 when
 * there is none.
 */
export function verifySnapshotFiles(
  deps: UtilityDeps,
  directory: string,
  log: LogChecker | undefined,
  report: VerifyReport,
): Index {
  const { disk } = deps;
  let newest: Index = 0;
  let count = 0;
  for (const name of disk.readDirectory(directory)) {
    const path = disk.join(directory, name);
    if (name.endsWith(".snap")) {
      count++;
      newest = Math.max(newest, verifySnapshotFile(deps, path, name, log, report));
    } else if (name.endsWith(".broken")) {
      report.warn(path, "", "a snapshot file that a start has set aside as damaged");
    } else if (name.startsWith("tmp") || name.startsWith("db.tmp")) {
      report.warn(path, "", "left behind by interrupted work; a start removes it");
    } else if (name !== "db" && !name.endsWith(".snap.db")) {
      report.warn(path, "", "not a file of etcd");
    }
  }
  report.fact(directory, `${count} snapshot files, the newest usable one at index ${newest}`);
  checkStart(directory, log, newest, report);
  return newest;
}

/** The index when a start could build on the file, otherwise 0. */
function verifySnapshotFile(
  deps: UtilityDeps,
  path: string,
  name: string,
  log: LogChecker | undefined,
  report: VerifyReport,
): Index {
  const content = deps.disk.readFile(path, MAX_SNAP_BYTES);
  try {
    if (content.length === 0) throw new SnapError("empty", path, "snap: empty snapshot");
    const { metadata, data } = decodeSnapFile(content, path);
    const { index, term, confState } = metadata;
    if (snapName(term, index) !== name) {
      report.damage(path, "", `its content is of term ${term} and index ${index}`);
    }
    const { members } = membershipOfDocument(data);
    const known = new Set(members.map((member) => member.id));
    for (const id of [...(confState?.voters ?? []), ...(confState?.learners ?? [])]) {
      if (known.has(id)) continue;
      report.damage(path, "", `its members lack ${formatID(id)} of its raft configuration`);
    }
    const isKnown = log?.snapshots.some((each) => each.index === index && each.term === term);
    if (isKnown === true && log !== undefined && index <= log.hardState.commit) return index;
    report.warn(path, "", "the log does not name it, so a start does not use it");
  } catch (error) {
    if (!(error instanceof SnapError || error instanceof SyntaxError)) throw error;
    report.damage(path, "", error.message.replace(`: ${path}`, ""));
  }
  return 0;
}

/** A start needs every entry behind the snapshot that it begins with. */
function checkStart(
  directory: string,
  log: LogChecker | undefined,
  newest: Index,
  report: VerifyReport,
): void {
  if (log === undefined || log.firstIndex <= newest + 1) return;
  report.damage(
    directory,
    "",
    `the log begins at entry ${log.firstIndex}, the newest usable snapshot is at index ${newest}: ` +
      "a snapshot file is missing",
  );
}
