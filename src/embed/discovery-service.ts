/** The discovery service that the settings name, if they name one. */
import type { EtcdClientOptions, TlsOptions } from "../client/index.ts";
import { V2Discovery } from "../discovery/v2-discovery.ts";
import { V3Discovery, type V3DiscoveryDeps } from "../discovery/v3-discovery.ts";
import type { Discovery } from "../env/discovery.ts";
import { readAuthorities, readKeyPair, systemAuthorities } from "../platform/index.ts";
import type { EtcdConfig } from "./config/index.ts";

export function discoveryOf(config: EtcdConfig, deps: V3DiscoveryDeps): Discovery | undefined {
  if (config.discovery !== "") return v2DiscoveryOf(config, deps);
  if (config.discoveryEndpoints.length === 0) return undefined;
  const options = {
    token: config.discoveryToken,
    endpoints: config.discoveryEndpoints,
    client: () => clientOptions(config),
  };
  return new V3Discovery(options, deps);
}

/** That of `--discovery`. */
export function v2DiscoveryOf(config: EtcdConfig, deps: V3DiscoveryDeps): V2Discovery {
  const { discovery: url, discoveryProxy: proxy } = config;
  return new V2Discovery({ url, proxy, authorities: systemAuthorities }, deps);
}

function clientOptions(config: EtcdConfig): EtcdClientOptions {
  return {
    tls: tlsOptions(config),
    credentials: credentials(config),
    dialTimeoutMs: config.discoveryDialTimeoutMs,
    requestTimeoutMs: config.discoveryRequestTimeoutMs,
    keepaliveIntervalMs: config.discoveryKeepaliveTimeMs,
    keepaliveTimeoutMs: config.discoveryKeepaliveTimeoutMs,
  };
}

/** Undefined: no TLS, but for endpoints with the scheme https. */
function tlsOptions(config: EtcdConfig): TlsOptions | undefined {
  const { discoveryCert: certFile, discoveryKey: keyFile, discoveryCacert: caFile } = config;
  const isUnverified = config.discoveryInsecureSkipTlsVerify;
  const isPlain = config.discoveryInsecureTransport && !isUnverified;
  if (isPlain && certFile === "" && keyFile === "" && caFile === "") return undefined;
  if ((certFile === "") !== (keyFile === "")) {
    throw new Error(
      `KeyFile and CertFile must both be present[key: ${keyFile}, cert: ${certFile}]`,
    );
  }
  const pair = certFile === "" ? undefined : readKeyPair(certFile, keyFile);
  return {
    ...(pair && { cert: pair.cert, key: pair.key }),
    ...(caFile !== "" && { ca: readAuthorities(caFile) }),
    insecureSkipVerify: isUnverified,
  };
}

/** "name:password", or the name with the password beside it. A name alone does not log in. */
function credentials({ discoveryUser, discoveryPassword }: EtcdConfig) {
  const colon = discoveryUser.indexOf(":");
  if (discoveryPassword === "" && colon >= 0) {
    return {
      username: discoveryUser.slice(0, colon),
      password: discoveryUser.slice(colon + 1),
    };
  }
  if (discoveryUser === "" || discoveryPassword === "") return undefined;
  return { username: discoveryUser, password: discoveryPassword };
}
