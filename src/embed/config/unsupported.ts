/**
 * Settings that are understood but not yet honoured. A member refuses to start with one of
 * them: a security setting that is silently ignored would be worse than an error.
 *
 * A row leaves this list in the change that implements its feature.
 */
import type { EtcdConfig } from "./config.ts";
import type { EtcdUrl } from "../../base/etcd-url.ts";

interface Row {
  readonly what: string;
  applies(config: EtcdConfig): boolean;
}

const ROWS: readonly Row[] = [
  { what: "TLS for clients (https or unixs URLs)", applies: (c) => isSecure(clientUrls(c)) },
  {
    what: "TLS between members (https URLs)",
    applies: (c) => isSecure([...c.listenPeerUrls, ...c.initialAdvertisePeerUrls]),
  },
  {
    // A certificate beside plain URLs is ignored, as by etcd.
    what: "TLS for clients (--trusted-ca-file, --auto-tls, --client-crl-file)",
    applies: (c) => c.trustedCaFile !== "" || c.autoTls || c.clientCrlFile !== "",
  },
  {
    what: "TLS between members (--peer-cert-file, --peer-key-file, --peer-trusted-ca-file, --peer-auto-tls, --peer-crl-file)",
    applies: (c) =>
      c.peerCertFile !== "" ||
      c.peerKeyFile !== "" ||
      c.peerTrustedCaFile !== "" ||
      c.peerAutoTls ||
      c.peerCrlFile !== "",
  },
  {
    what: "client certificates (--client-cert-auth, --client-cert-allowed-hostname)",
    applies: (c) => c.clientCertAuth || c.clientCertAllowedHostnames.length > 0,
  },
  {
    what: "members' certificates (--peer-client-cert-auth, --peer-cert-allowed-cn, --peer-cert-allowed-hostname)",
    applies: (c) =>
      c.peerClientCertAuth ||
      c.peerCertAllowedCns.length > 0 ||
      c.peerCertAllowedHostnames.length > 0,
  },
  { what: "v2 discovery (--discovery)", applies: (c) => c.discovery !== "" },
  { what: "DNS discovery (--discovery-srv)", applies: (c) => c.discoverySrv !== "" },
  {
    what: "v3 discovery (--discovery-endpoints)",
    applies: (c) => c.discoveryEndpoints.length > 0,
  },
  {
    what: "the v2 API (--enable-v2, --experimental-enable-v2v3)",
    applies: (c) => c.enableV2 || c.enableV2V3 !== "",
  },
  { what: "the v2 proxy (--proxy)", applies: (c) => c.proxy !== "off" },
  { what: "--enable-distributed-tracing", applies: (c) => c.enableDistributedTracing },
];

/** What of this configuration cannot be honoured, in words for an error message. */
export function unsupportedSettings(config: EtcdConfig): string[] {
  return ROWS.filter((row) => row.applies(config)).map((row) => row.what);
}

function clientUrls(config: EtcdConfig): EtcdUrl[] {
  return [
    ...config.listenClientUrls,
    ...config.listenClientHttpUrls,
    ...config.listenMetricsUrls,
    ...config.advertiseClientUrls,
  ];
}

function isSecure(urls: readonly EtcdUrl[]): boolean {
  return urls.some((url) => url.scheme === "https" || url.scheme === "unixs");
}
