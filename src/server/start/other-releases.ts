/**
 * Directories of releases that are far away: what a newer one has written is refused, in etcd's
 * words and with what to do; one of etcd 2 begins with an empty db.
 */
import type { Snapshot } from "../../api/gen/raft.ts";
import { MIN_CLUSTER_VERSION, parseVersion, SERVER_VERSION } from "../../api/version.ts";
import { readStorageVersion } from "../../backend/index.ts";
import type { Reader } from "../../backend/types.ts";
import { quote } from "../../base/go-quote.ts";
import type { Logger } from "../../env/index.ts";
import { clusterVersionOf, isBefore, shortVersion } from "../../membership/index.ts";
import { membershipOfSnapshot } from "../../v2store/index.ts";
import { readConsistentIndex } from "../apply/consistent-index.ts";
import { BootstrapError } from "./data-directory.ts";

/** Throws `BootstrapError` for a db whose layout is newer than what this release knows. */
export function refuseNewerStorage(db: Reader, logger: Logger): void {
  const stored = readStorageVersion(db);
  if (stored === undefined || !isNewer(stored)) return;
  const error = new BootstrapError(`version ${quote(stored)} is not supported: ${advice()}`);
  logger.error("Failed to validate schema", { error });
  throw error;
}

/** Throws `BootstrapError` for a member of a cluster that has left this release behind. */
export function refuseNewerCluster(clusterVersion: string | undefined): void {
  if (clusterVersion === undefined || !isNewer(clusterVersion)) return;
  throw new BootstrapError(
    "invalid downgrade; server version is lower than determined cluster version " +
      `(server ${SERVER_VERSION}, cluster ${clusterVersion}): ${advice()}`,
  );
}

function isNewer(version: string): boolean {
  if (parseVersion(version) === undefined) return false;
  return isBefore(clusterVersionOf(SERVER_VERSION), clusterVersionOf(version));
}

function advice(): string {
  const own = shortVersion(SERVER_VERSION);
  return (
    "start the newer release that wrote it again, downgrade the cluster with " +
    `\`etcdctl downgrade enable ${own}\`, and stop it when its storage version is ${own}.0`
  );
}

/**
 * Whether the log begins with a snapshot of a cluster of etcd 2: there are no v3 data before it,
 * and no db that belongs to it. An empty one takes the entries behind it, however often.
 */
export function isBeforeV3(snapshot: Snapshot | undefined, db: Reader): boolean {
  if (snapshot === undefined || readConsistentIndex(db) > 0) return false;
  const { version } = membershipOfSnapshot(snapshot);
  return version !== undefined && isBefore(version, MIN_CLUSTER_VERSION);
}
