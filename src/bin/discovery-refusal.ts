/** What the log says, in etcd's words, when a discovery service does not let a member join. */
import type { EtcdConfig } from "../embed/config/index.ts";
import type { DiscoveryError } from "../env/discovery.ts";
import type { Logger } from "../env/logger.ts";

const ONE_TOKEN = "do not reuse discovery token; generate a new one to bootstrap a cluster";

export function logDiscoveryRefusal(
  logger: Logger,
  error: DiscoveryError,
  { name, dataDir, discovery }: EtcdConfig,
): void {
  const token = { "discovery-token": discovery };
  const reason = { error: error.reason };
  switch (error.failure) {
    case "duplicateID":
      logger.warn("member has been registered with discovery service", {
        name,
        ...token,
        ...reason,
      });
      logger.warn("but could not find valid cluster configuration", { "data-dir": dataDir });
      logger.warn("check data dir if previous bootstrap succeeded");
      logger.warn("or use a new discovery token if previous bootstrap failed");
      return;
    case "duplicateName":
      logger.warn("member with duplicated name has already been registered", {
        ...token,
        ...reason,
      });
      logger.warn("cURL the discovery token URL for details");
      logger.warn(ONE_TOKEN);
      return;
    case "clusterFull":
    case "other":
      logger.warn("failed to bootstrap; discovery token was already used", { ...token, error });
      logger.warn(ONE_TOKEN);
  }
}
