/**
 * Changes the layout version of a stopped member's db, so that another release of etcd starts on
 * it. Between 3.5 and 3.6 the layouts differ in one key, the version itself. Going back is refused
 * while the log holds requests that the older release does not know.
 */
import { errorMessage } from "../../base/error-message.ts";
import { EntryType } from "../../api/gen/raft.ts";
import { InternalRaftRequest } from "../../api/gen/raft-internal.ts";
import {
  compareVersions,
  formatVersion,
  majorMinor,
  parseVersion,
  type SemanticVersion,
} from "../../api/version.ts";
import {
  type Backend,
  readAppliedTerm,
  readStorageVersion,
  writeStorageVersion,
} from "../../backend/index.ts";
import { quote } from "../../base/go-quote.ts";
import { DecodeError } from "../../base/wire.ts";
import { SnapshotFiles } from "../../snap/index.ts";
import { readLog, validSnapshotEntries } from "../../wal/index.ts";
import { withWritableDb } from "./db-access.ts";
import { type UtilityDeps, UtilityError } from "./deps.ts";
import { type MemberPaths, memberPaths } from "./member-paths.ts";

export interface MigrateOptions {
  readonly dataDirectory: string;
  readonly target: SemanticVersion;
  /** Writes the version although the migration is refused. */
  readonly force: boolean;
}

const V3_5: SemanticVersion = { major: 3, minor: 5, patch: 0, preRelease: "" };
/** The first layout with a version of its own, and the newest one. */
const V3_6: SemanticVersion = { major: 3, minor: 6, patch: 0, preRelease: "" };

/** Reads "X.Y", at least 3.5. Throws `UtilityError` with etcd's words. */
export function parseTargetVersion(text: string): SemanticVersion {
  if (text.split(".").length !== 2) {
    throw new UtilityError(`wrong target version format, expected "X.Y", got ${quote(text)}`);
  }
  const version = parseVersion(`${text}.0`);
  if (version === undefined) {
    const bad = text.split(".").find((part) => !/^\d+$/.test(part)) ?? text;
    throw new UtilityError(
      `failed to parse target version: strconv.ParseInt: parsing ${quote(bad)}: invalid syntax`,
    );
  }
  if (compareVersions(version, V3_5) < 0) {
    throw new UtilityError(`target version ${quote(short(version))} not supported. Minimal "3.5"`);
  }
  return version;
}

export async function migrate(deps: UtilityDeps, options: MigrateOptions): Promise<void> {
  const { logger } = deps;
  const paths = memberPaths(deps.disk, options.dataDirectory);
  await withWritableDb(deps, paths.db, [], async (db) => {
    const current = detectVersion(deps, db);
    const { target } = options;
    if (compareVersions(current, target) === 0) {
      logger.info("storage version up-to-date", { "storage-version": short(current) });
      return;
    }
    const refusal = refuse(current, target, newestRequest(deps, paths));
    if (refusal === undefined) {
      writeVersion(db, target);
      logger.info("updated storage version", { "new-storage-version": formatVersion(target) });
    } else if (options.force) {
      forceVersion(deps, db, target, refusal);
    } else {
      throw new UtilityError(refusal);
    }
    await db.commit();
  });
}

function forceVersion(
  { logger }: UtilityDeps,
  db: Backend,
  target: SemanticVersion,
  refusal: string,
): void {
  logger.info("normal migrate failed, trying with force", { error: refusal });
  writeVersion(db, target);
  if (hasVersionKey(target)) {
    logger.warn("forcefully set storage version", { "storage-version": short(target) });
  } else {
    logger.warn("forcefully cleared storage version");
  }
}

/** A db of 3.5 is known by the term in it, which 3.4 did not write. */
function detectVersion({ logger }: UtilityDeps, db: Backend): SemanticVersion {
  const text = readStorageVersion(db);
  const version = text === undefined ? undefined : parseVersion(text);
  if (version !== undefined) return version;
  if (readAppliedTerm(db) > 0) return V3_5;
  logger.error(
    "failed to detect storage version. " +
      "Please make sure you are using data dir from etcd v3.5 and older",
  );
  throw new UtilityError("missing term information");
}

/** What stands against the change; undefined when nothing does. `needed`: by the log. */
function refuse(
  current: SemanticVersion,
  target: SemanticVersion,
  needed: SemanticVersion | undefined,
): string | undefined {
  const plan = "cannot create migration plan: ";
  if (current.major !== target.major) {
    return `${plan}changing major storage version is not supported`;
  }
  const unknown = firstUnknownStep(current, target);
  if (unknown !== undefined)
    return `${plan}version ${quote(formatVersion(unknown))} is not supported`;
  if (compareVersions(target, current) < 0 && needed !== undefined) {
    if (compareVersions(target, needed) < 0) {
      return (
        "cannot downgrade storage, WAL contains newer entries, as the target version " +
        `(${formatVersion(target)}) is lower than the version (${formatVersion(needed)}) ` +
        "detected from WAL logs"
      );
    }
  }
  return undefined;
}

/** On the way from one layout to another; each step is named by the higher of its versions. */
function firstUnknownStep(
  from: SemanticVersion,
  target: SemanticVersion,
): SemanticVersion | undefined {
  const [current, end] = [majorMinor(from), majorMinor(target)];
  if (compareVersions(current, V3_6) <= 0 && compareVersions(end, V3_6) <= 0) return undefined;
  const start = compareVersions(current, V3_6) < 0 ? V3_6 : current;
  return compareVersions(end, start) > 0 ? { ...start, minor: start.minor + 1 } : start;
}

function hasVersionKey(version: SemanticVersion): boolean {
  return compareVersions(version, V3_6) >= 0;
}

function writeVersion(db: Backend, target: SemanticVersion): void {
  writeStorageVersion(db, hasVersionKey(target) ? formatVersion(majorMinor(target)) : undefined);
}

/**
 * The oldest release that understands all requests behind the newest snapshot, as far as it is
 * newer than 3.5, beyond which nothing can be migrated.
 */
function newestRequest(deps: UtilityDeps, paths: MemberPaths): SemanticVersion | undefined {
  const points = guard("failed to get the lastest snapshot", () =>
    validSnapshotEntries(deps, paths.wal),
  );
  const snapshot = new SnapshotFiles(deps, paths.snap).loadNewest(points);
  const { index, term } = snapshot?.metadata ?? { index: 0, term: 0 };
  const { entries } = guard("failed to read wal", () => readLog(deps, paths.wal, { index, term }));
  let newest: SemanticVersion | undefined;
  for (const entry of entries) {
    if (entry.type !== EntryType.EntryNormal) continue;
    const needed = versionOfRequest(entry.data);
    if (needed === undefined) continue;
    if (newest === undefined || compareVersions(newest, needed) < 0) newest = needed;
  }
  return newest;
}

/** The one request since 3.5, a test of downgrades, also names a version itself. */
function versionOfRequest(data: Uint8Array): SemanticVersion | undefined {
  try {
    const { downgradeVersionTest } = InternalRaftRequest.decode(data);
    if (downgradeVersionTest === undefined) return undefined;
    const named = parseVersion(downgradeVersionTest.ver);
    return named !== undefined && compareVersions(named, V3_6) > 0 ? named : V3_6;
  } catch (error) {
    // A request of the v2 API.
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

function guard<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    const reason = errorMessage(error);
    throw new UtilityError(`${what}: ${reason}`, { cause: error });
  }
}

function short(version: SemanticVersion): string {
  return `${version.major}.${version.minor}`;
}
