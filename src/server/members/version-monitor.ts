/**
 * Keeps the cluster version and the storage version in step with what the members run, as etcd's
 * leader does: the cluster version is the lowest member's `major.minor`, never lowered outside a
 * downgrade; the storage version follows it.
 */
import { DowngradeInfoSetRequest } from "../../api/gen/membership.ts";
import {
  compareVersions,
  formatVersion,
  majorMinor,
  MIN_CLUSTER_VERSION,
  parseVersion,
  SERVER_VERSION,
  type SemanticVersion,
} from "../../api/version.ts";
import { formatID } from "../../base/ids.ts";
import type { Clock, Logger, Timer } from "../../env/index.ts";
import {
  type Cluster,
  clusterVersionOf,
  decideClusterVersion,
  isBefore,
  mustParseVersion,
  shortVersion,
} from "../../membership/index.ts";
import type { MembershipRequest } from "./membership-requests.ts";
import type { MemberVersion } from "./peer-versions.ts";
import { RaftField } from "../log/raft-request.ts";

/** etcd's monitorVersionInterval. */
const MONITOR_INTERVAL_MS = 4000;

/** Before 3.6 the db did not name its version. */
const FIRST_STORAGE_VERSION = "3.6.0";

export interface VersionMonitorOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly cluster: Pick<Cluster, "downgrade" | "localID" | "version">;
  /** Of checks whether a downgrade is complete; 0 is never. */
  readonly downgradeCheckIntervalMs: number;
  readonly isLeader: () => boolean;
  /** Asks all members but this one. */
  readonly askOthers: () => Promise<readonly MemberVersion[]>;
  readonly propose: (field: number, body: Uint8Array) => Promise<unknown>;
  readonly versionRequest: (version: string, others: readonly MemberVersion[]) => MembershipRequest;
  readonly storageVersion: () => string | undefined;
  readonly setStorageVersion: (version: string) => void;
  /** Whether the log begins with a snapshot of this cluster version; if not, one is made soon. */
  readonly logBeginsWith: (version: string) => boolean;
}

export class VersionMonitor {
  readonly #options: VersionMonitorOptions;
  #timers: Timer[] = [];
  #stopped = false;
  #deciding = false;

  constructor(options: VersionMonitorOptions) {
    this.#options = options;
  }

  start(): void {
    const { downgradeCheckIntervalMs } = this.#options;
    this.#every(MONITOR_INTERVAL_MS, () => this.check());
    if (downgradeCheckIntervalMs > 0) {
      this.#every(downgradeCheckIntervalMs, () => this.#checkDowngrade());
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) timer.cancel();
  }

  /** Also called when this member becomes leader and when the cluster version has changed. */
  check(): void {
    this.#updateStorageVersion();
    if (!this.#options.isLeader() || this.#deciding || this.#isSettled()) return;
    this.#deciding = true;
    this.#updateClusterVersion()
      .catch((error: unknown) => {
        if (!this.#stopped) {
          this.#options.logger.error("Failed to monitor cluster version", { error });
        }
      })
      .finally(() => {
        this.#deciding = false;
      });
  }

  #every(intervalMs: number, run: () => void): void {
    const slot = this.#timers.length;
    const arm = (): void => {
      this.#timers[slot] = this.#options.clock.setTimer(intervalMs, () => {
        if (this.#stopped) return;
        run();
        arm();
      });
    };
    arm();
  }

  /** The lowest version is at most this member's, so that nobody has to be asked. */
  #isSettled(): boolean {
    const { version, downgrade } = this.#options.cluster;
    if (version === undefined) return false;
    if (downgrade.enabled) return downgrade.targetVersion === version;
    return !isBefore(version, clusterVersionOf(SERVER_VERSION));
  }

  async #updateClusterVersion(): Promise<void> {
    const { cluster, logger, propose, versionRequest, isLeader } = this.#options;
    const others = await this.#options.askOthers();
    const lowest = this.#lowestOf(others);
    const current = cluster.version === undefined ? undefined : mustParseVersion(cluster.version);
    const decided = decideClusterVersion({ current, lowest, downgrade: cluster.downgrade });
    if (decided === undefined || this.#stopped || !isLeader()) return;
    if (decided === "invalid") {
      logger.error("Cannot downgrade from cluster-version to downgrade-target", {
        "downgrade-target": cluster.downgrade.targetVersion,
        "cluster-version": cluster.version,
        "minimal-server-version": lowest === undefined ? undefined : formatVersion(lowest),
      });
      return;
    }
    const { field, body, api } = versionRequest(formatVersion(decided), others);
    const fields = { "cluster-version": shortVersion(decided) };
    if (current === undefined) {
      logger.info(`setting up initial cluster version using ${api} API`, fields);
    } else {
      logger.info(`updating cluster version using ${api} API`, {
        from: shortVersion(current),
        to: shortVersion(decided),
      });
    }
    try {
      await propose(field, body);
      logger.info("cluster version is updated", fields);
    } catch (error) {
      if (!this.#stopped) logger.warn("failed to update cluster version", { error });
    }
  }

  /** Undefined when somebody did not answer. */
  #lowestOf(others: readonly MemberVersion[]): SemanticVersion | undefined {
    const { logger } = this.#options;
    const own = mustParseVersion(SERVER_VERSION);
    let lowest = own;
    for (const { id, server } of others) {
      const version = server === undefined ? undefined : parseVersion(server);
      if (version === undefined) return undefined;
      if (compareVersions(own, version) < 0) {
        logger.warn("leader found higher-versioned member", {
          "local-member-version": SERVER_VERSION,
          "remote-member-id": formatID(id),
          "remote-member-version": server,
        });
      }
      if (compareVersions(version, lowest) < 0) lowest = version;
    }
    return lowest;
  }

  /** The leader ends a downgrade once all members run the target. */
  #checkDowngrade(): void {
    const { cluster, logger, isLeader, askOthers, propose } = this.#options;
    const { enabled, targetVersion } = cluster.downgrade;
    if (!isLeader() || !enabled) return;
    if (!this.#runs({ id: cluster.localID, server: SERVER_VERSION }, targetVersion)) return;
    askOthers()
      .then(async (others) => {
        if (this.#stopped || !others.every((other) => this.#runs(other, targetVersion))) return;
        logger.info("the cluster has been downgraded", { "cluster-version": targetVersion });
        const request = DowngradeInfoSetRequest.create({ enabled: false });
        await propose(RaftField.downgradeInfoSet, DowngradeInfoSetRequest.encode(request));
      })
      .catch((error: unknown) => {
        if (!this.#stopped) logger.warn("failed to cancel downgrade", { error });
      });
  }

  /** Whether a member runs the version that a downgrade leads to; says so if it runs another. */
  #runs({ id, server }: MemberVersion, targetVersion: string): boolean {
    if (server === undefined) return false;
    const current = clusterVersionOf(server);
    if (current === targetVersion) return true;
    this.#options.logger.warn("remotes server has mismatching etcd version", {
      "remote-member-id": formatID(id),
      "current-server-version": current,
      "target-version": targetVersion,
    });
    return false;
  }

  #updateStorageVersion(): void {
    const { cluster, logger, storageVersion, setStorageVersion, logBeginsWith } = this.#options;
    if (cluster.version === undefined || cluster.version === MIN_CLUSTER_VERSION) return;
    const target = formatVersion(majorMinor(mustParseVersion(cluster.version)));
    const current = storageVersion();
    if (current === target) return;
    const hasName = current !== undefined && !isBefore(current, FIRST_STORAGE_VERSION);
    if (isBefore(target, FIRST_STORAGE_VERSION)) {
      if (!hasName) return;
      // An older server would stop at what the log says of the higher version.
      if (!logBeginsWith(cluster.version)) return;
    }
    if (current !== undefined) {
      logger.info("cluster version differs from storage version.", {
        "cluster-version": target,
        "storage-version": current,
      });
    }
    setStorageVersion(target);
    logger.info("updated storage version", { "new-storage-version": target });
    if (cluster.downgrade.enabled) {
      logger.info("The server is ready to downgrade", {
        "target-version": cluster.downgrade.targetVersion,
        "server-version": SERVER_VERSION,
      });
    }
  }
}
