/**
 * The initial cluster of a member that has no data: what the settings say, or what DNS says when
 * `--discovery-srv` names a domain. With a discovery service it is this member alone at first, and
 * the token of the service is that of the cluster. A member that has data knows its cluster; then
 * nothing is looked up, and its peers' names are resolved whenever they are dialled.
 */
import { errorMessage } from "../base/error-message.ts";
import { membersFromSrv, type SrvNames, type SrvQuestion } from "../discovery/srv-members.ts";
import type { Logger } from "../env/logger.ts";
import { type EtcdConfig, formatInitialCluster } from "./config/index.ts";

export interface InitialClusterFound {
  readonly config: EtcdConfig;
  /** The name that peers' certificates must be for, instead of the host dialled; "" for none. */
  readonly peerServerName: string;
}

export interface InitialClusterDeps {
  readonly names: SrvNames;
  readonly logger: Logger;
}

/** Rejects in etcd's words when DNS names no members, or not this one. */
export async function findInitialCluster(
  config: EtcdConfig,
  deps: InitialClusterDeps,
): Promise<InitialClusterFound> {
  const serviceToken = config.discovery === "" ? config.discoveryToken : config.discovery;
  if (serviceToken !== "") {
    const self = formatInitialCluster(config.name, config.initialAdvertisePeerUrls);
    const alone = { ...config, initialCluster: self, initialClusterToken: serviceToken };
    return { config: alone, peerServerName: "" };
  }
  if (config.discoverySrv === "") return { config, peerServerName: "" };
  try {
    const pairs = await membersFromSrv(srvQuestionOf(config, true), deps);
    const isSecure = pairs.some((pair) => pair.includes("https://"));
    // As in etcd: who brings no authority of his own trusts the domain rather than the targets.
    const peerServerName = isSecure && config.peerTrustedCaFile === "" ? config.discoverySrv : "";
    return { config: { ...config, initialCluster: pairs.join(",") }, peerServerName };
  } catch (error) {
    const reason = errorMessage(error);
    throw new Error(`error setting up initial cluster: ${reason}`);
  }
}

/** What DNS is asked. `isMember`: of a member, rather than of a proxy. */
export function srvQuestionOf(config: EtcdConfig, isMember: boolean): SrvQuestion {
  return {
    domain: config.discoverySrv,
    serviceName: config.discoverySrvName,
    memberName: config.name,
    advertisedURLs: config.initialAdvertisePeerUrls,
    isMember,
  };
}
