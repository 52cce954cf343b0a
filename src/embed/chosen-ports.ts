/**
 * Port 0: the system chooses when the listener binds. Advertised addresses that were copied from
 * listened ones must tell others the port that was chosen, so they are fitted after the binding.
 * An address that was written with another port is left as it is.
 */
import type { ListenAddress } from "../transport/listener.ts";
import {
  type EtcdConfig,
  type EtcdUrl,
  formatInitialCluster,
  parseEtcdUrl,
} from "./config/index.ts";

/** Addresses in the order of `listenPeerUrls` and `listenClientUrls`. */
export interface BoundAddresses {
  readonly peers: readonly ListenAddress[];
  readonly clients: readonly ListenAddress[];
}

export function withChosenPorts(config: EtcdConfig, bound: BoundAddresses): EtcdConfig {
  const peers = chosen(config.listenPeerUrls, bound.peers);
  const clients = chosen(config.listenClientUrls, bound.clients);
  if (peers.size === 0 && clients.size === 0) return config;
  const { name, initialAdvertisePeerUrls: advertised, initialCluster } = config;
  const fitted = fit(advertised, peers);
  const isAlone = initialCluster === formatInitialCluster(name, advertised);
  return {
    ...config,
    initialAdvertisePeerUrls: fitted,
    advertiseClientUrls: fit(config.advertiseClientUrls, clients),
    initialCluster: isAlone ? formatInitialCluster(name, fitted) : initialCluster,
  };
}

/** Addresses whose port was left open, by their text, with the port that they got. */
function chosen(
  urls: readonly EtcdUrl[],
  bound: readonly ListenAddress[],
): ReadonlyMap<string, EtcdUrl> {
  const result = new Map<string, EtcdUrl>();
  for (const [index, url] of urls.entries()) {
    const address = bound[index];
    if (url.port !== 0 || address === undefined || !("port" in address)) continue;
    const real = url.href.replace(/:0*$/, `:${address.port}`);
    result.set(url.href, parseEtcdUrl(real));
  }
  return result;
}

function fit(
  advertised: readonly EtcdUrl[],
  ports: ReadonlyMap<string, EtcdUrl>,
): readonly EtcdUrl[] {
  return advertised.map((url) => ports.get(url.href) ?? url);
}
