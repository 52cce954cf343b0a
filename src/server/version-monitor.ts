/**
 * Keeps the cluster version and the storage version in step with what the members run, as etcd's
 * leader does: the cluster version is the lowest member's `major.minor`, never lowered outside a
 * downgrade; the storage version follows it.
 */
import { ClusterVersionSetRequest } from "../api/gen/membership.ts";
import {
  compareVersions,
  formatVersion,
  majorMinor,
  parseVersion,
  SERVER_VERSION,
  type SemanticVersion,
} from "../api/version.ts";
import { assert } from "../base/assert.ts";
import type { Clock, Logger, Timer } from "../env/index.ts";
import type { Cluster } from "../membership/index.ts";
import { RaftField } from "./raft-request.ts";

/** etcd's monitorVersionInterval minus its jitter. */
const MONITOR_INTERVAL_MS = 5000;

/** Before 3.6 the db did not name its version. */
const FIRST_STORAGE_VERSION: SemanticVersion = mustParse("3.6.0");

export interface VersionMonitorOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly cluster: Cluster;
  readonly isLeader: () => boolean;
  readonly propose: (field: number, body: Uint8Array) => Promise<unknown>;
  readonly storageVersion: () => string | undefined;
  readonly setStorageVersion: (version: string) => void;
}

export class VersionMonitor {
  readonly #options: VersionMonitorOptions;
  #timer: Timer | undefined;
  #stopped = false;
  #proposing = false;

  constructor(options: VersionMonitorOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.clock.setTimer(MONITOR_INTERVAL_MS, () => {
      if (this.#stopped) return;
      this.check();
      this.start();
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Also called when this member becomes leader and when the cluster version has changed. */
  check(): void {
    this.#updateStorageVersion();
    if (this.#options.isLeader()) this.#updateClusterVersion();
  }

  #updateClusterVersion(): void {
    const { cluster, logger, propose } = this.#options;
    const lowest = majorMinor(mustParse(SERVER_VERSION));
    const current = cluster.version === undefined ? undefined : mustParse(cluster.version);
    if (this.#proposing) return;
    if (current !== undefined && compareVersions(current, lowest) >= 0) return;
    const fields = { "cluster-version": shortVersion(lowest) };
    if (current === undefined) {
      logger.info("setting up initial cluster version using v3 API", fields);
    } else {
      logger.info("updating cluster version using v3 API", {
        from: shortVersion(current),
        to: shortVersion(lowest),
      });
    }
    this.#proposing = true;
    const request = ClusterVersionSetRequest.create({ ver: formatVersion(lowest) });
    propose(RaftField.clusterVersionSet, ClusterVersionSetRequest.encode(request)).then(
      () => {
        this.#proposing = false;
        logger.info("cluster version is updated", fields);
      },
      (error: unknown) => {
        this.#proposing = false;
        if (!this.#stopped) logger.error("failed to update cluster version", { ...fields, error });
      },
    );
  }

  #updateStorageVersion(): void {
    const { cluster, logger, storageVersion, setStorageVersion } = this.#options;
    if (cluster.version === undefined) return;
    const version = majorMinor(mustParse(cluster.version));
    // Older servers refuse a db that names a version which had no storage version yet.
    if (compareVersions(version, FIRST_STORAGE_VERSION) < 0) return;
    const target = formatVersion(version);
    const current = storageVersion();
    if (current === target) return;
    logger.info("cluster version differs from storage version.", {
      "cluster-version": target,
      "storage-version": current ?? "3.5.0",
    });
    setStorageVersion(target);
    logger.info("updated storage version", { "new-storage-version": target });
  }
}

/** "3.6": how log lines and etcdctl print a cluster version. */
export function shortVersion(version: SemanticVersion): string {
  return `${version.major}.${version.minor}`;
}

function mustParse(text: string): SemanticVersion {
  const version = parseVersion(text);
  assert(version !== undefined, `malformed version ${text}`);
  return version;
}
