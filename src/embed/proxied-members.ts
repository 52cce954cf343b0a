/**
 * The members that a v2 proxy stands before when it starts for the first time: found as a member
 * would find them, but without being one.
 */
import { NameService } from "../discovery/name-service.ts";
import { membersFromSrv } from "../discovery/srv-members.ts";
import type { Clock } from "../env/clock.ts";
import type { Logger } from "../env/logger.ts";
import { type EtcdConfig, parseInitialCluster } from "./config/index.ts";
import { v2DiscoveryOf } from "./discovery-service.ts";
import { srvQuestionOf } from "./initial-cluster.ts";

export interface ProxiedMembersDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Their peer URLs, in order: from a v2 discovery service, which may take until all members are
 * there, from DNS, or from `--initial-cluster`. Rejects in etcd's words when nobody is found.
 */
export async function findProxiedMembers(
  config: EtcdConfig,
  deps: ProxiedMembersDeps,
): Promise<readonly string[]> {
  return peerURLsOf(await findCluster(config, deps));
}

/** All URLs of a list in the form of `--initial-cluster`, in order. */
export function peerURLsOf(cluster: string): readonly string[] {
  const urls = [...parseInitialCluster(cluster).values()].flat();
  return urls.map(({ href }) => href).sort();
}

async function findCluster(config: EtcdConfig, deps: ProxiedMembersDeps): Promise<string> {
  if (config.discovery !== "") return v2DiscoveryOf(config, deps).members();
  if (config.discoverySrv === "") return config.initialCluster;
  const names = new NameService();
  const pairs = await membersFromSrv(srvQuestionOf(config, false), { ...deps, names });
  return pairs.join(",");
}
