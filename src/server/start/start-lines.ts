/** What a starting member says of the state that it found. */
import { SERVER_VERSION } from "../../api/version.ts";
import { formatID, type Revision } from "../../base/ids.ts";
import { sizeFields } from "../../base/go-text.ts";
import type { Logger } from "../../env/index.ts";
import { type Cluster, shortVersion } from "../../membership/index.ts";
import { DEFAULT_QUOTA_BYTES } from "../options.ts";

/** etcd's advice; a larger db is allowed. */
const MAX_RECOMMENDED_QUOTA_BYTES = 8 * 1024 * 1024 * 1024;

/** The members and the version that the db holds. */
export function logRecoveredCluster(logger: Logger, cluster: Cluster): void {
  for (const { id, peerURLs, isLearner } of cluster.members) {
    logger.info("recovered/added member from store", {
      "cluster-id": formatID(cluster.id),
      "local-member-id": formatID(cluster.localID),
      "recovered-remote-peer-id": formatID(id),
      "recovered-remote-peer-urls": peerURLs,
      "recovered-remote-peer-is-learner": isLearner,
    });
  }
  if (cluster.downgrade.enabled) {
    logger.info("cluster is downgrading to target version", {
      "target-cluster-version": cluster.downgrade.targetVersion,
      "current-server-version": SERVER_VERSION,
    });
  }
  if (cluster.version === undefined) return;
  logger.info("set cluster version from store", {
    "cluster-version": shortVersion(cluster.version),
  });
}

/** The member runs from now on. */
export function logStarting(logger: Logger, { id, localID, version }: Cluster): void {
  logger.info("starting etcd server", {
    "local-member-id": formatID(localID),
    "local-server-version": SERVER_VERSION,
    ...(version !== undefined && { "cluster-id": formatID(id) }),
    "cluster-version": version ?? "to_be_decided",
  });
}

/** Which quota is in force; `quotaBytes` as in the settings. */
export function logQuota(logger: Logger, quotaBytes: number): void {
  // There is one quota; etcd names it after the part that applies requests.
  const name = { "quota-name": "v3-applier" };
  const size = { ...name, ...sizeFields("quota-size", quotaBytes) };
  if (quotaBytes < 0) {
    logger.info("disabled backend quota", { ...name, "quota-size-bytes": quotaBytes });
  } else if (quotaBytes === 0 || quotaBytes === DEFAULT_QUOTA_BYTES) {
    const fields = { ...name, ...sizeFields("quota-size", DEFAULT_QUOTA_BYTES) };
    logger.info("enabled backend quota with default value", fields);
  } else {
    if (quotaBytes > MAX_RECOMMENDED_QUOTA_BYTES) {
      const fields = sizeFields("quota-maximum-size", MAX_RECOMMENDED_QUOTA_BYTES);
      logger.warn("quota exceeds the maximum value", { ...size, ...fields });
    }
    logger.info("enabled backend quota", size);
  }
}

/** The revision below which the db has no history; nothing when it was never compacted. */
export function logRestored(
  logger: Logger,
  restored: { readonly compactRevision: Revision; readonly currentRevision: Revision },
): void {
  const { compactRevision, currentRevision } = restored;
  if (compactRevision > 0) {
    logger.info("restored last compact revision", {
      "meta-bucket-name-key": "finishedCompactRev",
      "restored-compact-revision": compactRevision,
    });
  }
  logger.info("kvstore restored", { "current-rev": currentRevision });
}
