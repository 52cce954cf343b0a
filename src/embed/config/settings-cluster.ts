/** Settings of the cluster: bootstrap, discovery, reconfiguration, compaction, the v2 legacy. */
import { quote } from "../../base/go-quote.ts";
import { TextError } from "../../base/go-text.ts";
import { setting } from "./setting.ts";
import { DEFAULT_CLIENT_URL, DEFAULT_NAME, DEFAULT_PEER_URL } from "./settings-member.ts";
import { parseEtcdUrls } from "../../base/etcd-url.ts";
import {
  bool,
  choice,
  duration,
  text,
  uint,
  uniqueList,
  urls,
  type ValueType,
} from "./value-type.ts";

export type ClusterState = "new" | "existing";
export type DiscoveryFallback = "exit" | "proxy";
export type ProxyMode = "off" | "readonly" | "on";
/** "not-yet" with the v2 API alone. */
export type V2Deprecation = "not-yet" | "write-only" | "write-only-skip-check";

const V2_PHASES: readonly string[] = [
  "not-yet",
  "write-only",
  "write-only-skip-check",
  "write-only-drop-data",
  "gone",
];

function v2PhaseOf(given: unknown): V2Deprecation {
  return given === "write-only-skip-check" || given === "not-yet" ? given : "write-only";
}

/** 3.6 enforces "write-only"; of what a user may write, only skip-check has an effect. */
const v2Phase: ValueType<V2Deprecation> = {
  goType: "string",
  isBool: false,
  parse(given) {
    for (const word of given.split(",")) {
      if (!V2_PHASES.includes(word)) throw new TextError(`invalid value ${quote(word)}`);
    }
    return v2PhaseOf(given);
  },
  fromYaml: v2PhaseOf,
  format: (value) => value,
};

const clusterState = choice<ClusterState>(
  (given) => `unexpected clusterState ${quote(given)}`,
  "new",
  "existing",
);
const fallback = choice<DiscoveryFallback>(
  () => "unexpected error setting up discovery-fallback flag: invalid value",
  "exit",
  "proxy",
);
const proxyMode = choice<ProxyMode>(
  () => "unexpected error setting up proxyFlag: invalid value",
  "off",
  "readonly",
  "on",
);

const DISCOVERY_CLIENT = "discovery-config.client";

export const CLUSTERING = {
  initialAdvertisePeerUrls: setting(
    "initial-advertise-peer-urls",
    urls,
    parseEtcdUrls(DEFAULT_PEER_URL),
    "This member's addresses for the other members, told to the cluster at bootstrap.",
  ),
  /** `name=url,…`; empty when discovery finds the members. Read it with parseInitialCluster. */
  initialCluster: setting(
    "initial-cluster",
    text,
    `${DEFAULT_NAME}=${DEFAULT_PEER_URL}`,
    "Names and peer addresses of the members that found the cluster.",
  ),
  initialClusterState: setting(
    "initial-cluster-state",
    clusterState,
    "new",
    "'new' to found a cluster, 'existing' to join one. Without effect once the member has data.",
  ),
  initialClusterToken: setting(
    "initial-cluster-token",
    text,
    "etcd-cluster",
    "Word mixed into the IDs of cluster and members, so that clusters cannot be confused.",
  ),
  advertiseClientUrls: setting(
    "advertise-client-urls",
    urls,
    parseEtcdUrls(DEFAULT_CLIENT_URL),
    "This member's addresses for clients, told to the cluster; clients must be able to reach them.",
  ),
  /** URL of the v2 discovery service with the cluster's token. */
  discovery: setting(
    "discovery",
    text,
    "",
    "URL of a v2 discovery token. Deprecated in v3.7, to be removed in v3.8.",
  ),
  discoveryToken: setting(
    "discovery-token",
    text,
    "",
    "v3 discovery: token of the cluster to found.",
    { yaml: "discovery-config.token" },
  ),
  discoveryEndpoints: setting(
    "discovery-endpoints",
    uniqueList,
    [],
    "v3 discovery: gRPC endpoints of the service.",
    { yaml: `${DISCOVERY_CLIENT}.endpoints` },
  ),
  discoveryDialTimeoutMs: setting(
    "discovery-dial-timeout",
    duration,
    2000,
    "v3 discovery: dial timeout.",
    { yaml: `${DISCOVERY_CLIENT}.dial-timeout` },
  ),
  discoveryRequestTimeoutMs: setting(
    "discovery-request-timeout",
    duration,
    5000,
    "v3 discovery: timeout of a request, without dialling.",
    { yaml: `${DISCOVERY_CLIENT}.request-timeout` },
  ),
  discoveryKeepaliveTimeMs: setting(
    "discovery-keepalive-time",
    duration,
    2000,
    "v3 discovery: interval of keepalive pings.",
    { yaml: `${DISCOVERY_CLIENT}.keepalive-time` },
  ),
  discoveryKeepaliveTimeoutMs: setting(
    "discovery-keepalive-timeout",
    duration,
    6000,
    "v3 discovery: time to wait for the answer to a ping.",
    { yaml: `${DISCOVERY_CLIENT}.keepalive-timeout` },
  ),
  discoveryInsecureTransport: setting(
    "discovery-insecure-transport",
    bool,
    true,
    "v3 discovery: connect without TLS.",
    { yaml: `${DISCOVERY_CLIENT}.secure.insecure-transport` },
  ),
  discoveryInsecureSkipTlsVerify: setting(
    "discovery-insecure-skip-tls-verify",
    bool,
    false,
    "v3 discovery: do not verify the server's certificate (for tests only).",
    { yaml: `${DISCOVERY_CLIENT}.secure.insecure-skip-tls-verify` },
  ),
  discoveryCert: setting(
    "discovery-cert",
    text,
    "",
    "v3 discovery: file of the client certificate.",
    { yaml: `${DISCOVERY_CLIENT}.secure.cert` },
  ),
  discoveryKey: setting("discovery-key", text, "", "v3 discovery: file of the client key.", {
    yaml: `${DISCOVERY_CLIENT}.secure.key`,
  }),
  discoveryCacert: setting(
    "discovery-cacert",
    text,
    "",
    "v3 discovery: file of the CA certificates that servers are verified with.",
    { yaml: `${DISCOVERY_CLIENT}.secure.cacert` },
  ),
  discoveryUser: setting("discovery-user", text, "", "v3 discovery: user name, or name:password.", {
    yaml: `${DISCOVERY_CLIENT}.auth.username`,
  }),
  discoveryPassword: setting(
    "discovery-password",
    text,
    "",
    "v3 discovery: password, when --discovery-user has none.",
    { yaml: `${DISCOVERY_CLIENT}.auth.password` },
  ),
  /** What a member does that finds its v2 discovery token used up. */
  discoveryFallback: setting(
    "discovery-fallback",
    fallback,
    "proxy",
    "What to do when v2 discovery says that the cluster is full: 'exit' or 'proxy'.",
  ),
  discoveryProxy: setting(
    "discovery-proxy",
    text,
    "",
    "HTTP proxy for the v2 discovery service. Deprecated in v3.7, to be removed in v3.8.",
  ),
  discoverySrv: setting(
    "discovery-srv",
    text,
    "",
    "DNS domain whose SRV records name the members.",
  ),
  discoverySrvName: setting(
    "discovery-srv-name",
    text,
    "",
    "Suffix of the service name in SRV queries.",
  ),
  strictReconfigCheck: setting(
    "strict-reconfig-check",
    bool,
    true,
    "Refuse membership changes that would lose the quorum.",
  ),
  preVote: setting(
    "pre-vote",
    bool,
    true,
    "Ask for votes before starting an election, so that a member that was cut off does not disturb when it returns.",
  ),
  /** Raw; read it with autoCompactionOf. */
  autoCompactionRetention: setting(
    "auto-compaction-retention",
    text,
    "0",
    "History to keep when compacting automatically; 0 turns automatic compaction off.",
  ),
  autoCompactionMode: setting(
    "auto-compaction-mode",
    text,
    "periodic",
    "Meaning of --auto-compaction-retention: 'periodic' (a duration, hours without a unit) or 'revision' (a number of revisions).",
  ),
  v2Deprecation: setting(
    "v2-deprecation",
    v2Phase,
    "write-only",
    "Phase of the v2 store's retirement: not-yet, write-only, write-only-skip-check, write-only-drop-data or gone. The default is enforced; only write-only-skip-check has an effect. Deprecated, to be removed in v3.8.",
    {
      warning:
        "--v2-deprecation is deprecated and scheduled for removal in v3.8. The default value is enforced, ignoring user input.",
    },
  ),
} as const;

/** What 3.6 removed and the guides of 3.5 and before still use. */
export const V2_LEGACY = {
  enableV2: setting(
    "enable-v2",
    bool,
    false,
    "Serve the v2 API to clients. Removed from Go etcd in 3.6, kept here.",
  ),
  /** v3 key prefix under which v2 keys are kept; empty: off. */
  enableV2V3: setting(
    "experimental-enable-v2v3",
    text,
    "",
    "Prefix of v3 keys that hold what the v2 API serves. Removed from Go etcd in 3.6, kept here.",
  ),
  proxy: setting(
    "proxy",
    proxyMode,
    "off",
    "v2 proxy mode: off, readonly or on. Removed from Go etcd in 3.6, kept here.",
  ),
  proxyFailureWaitMs: setting(
    "proxy-failure-wait",
    uint,
    5000,
    "Milliseconds that the proxy leaves an endpoint alone after a failure.",
  ),
  proxyRefreshIntervalMs: setting(
    "proxy-refresh-interval",
    uint,
    30_000,
    "Milliseconds between two refreshes of the proxy's endpoints.",
  ),
  proxyDialTimeoutMs: setting(
    "proxy-dial-timeout",
    uint,
    1000,
    "Milliseconds that the proxy waits for a connection (0 for no limit).",
  ),
  proxyWriteTimeoutMs: setting(
    "proxy-write-timeout",
    uint,
    5000,
    "Milliseconds that the proxy waits for a write (0 for no limit).",
  ),
  proxyReadTimeoutMs: setting(
    "proxy-read-timeout",
    uint,
    0,
    "Milliseconds that the proxy waits for a read (0 for no limit).",
  ),
} as const;
