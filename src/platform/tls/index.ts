export { CertificateExpiry } from "./certificate-expiry.ts";
export { selfSignedFiles } from "./self-signed.ts";
export { NodeTlsAcceptor } from "./tls-acceptor.ts";
export { TlsCredentials } from "./tls-credentials.ts";
export { TlsDialer } from "./tls-dialer.ts";
export { readAuthorities, readKeyPair } from "./tls-files.ts";
export {
  registerTlsMetrics,
  type TlsSide,
} from "./tls-metrics.ts";
export {
  describeTls,
  hasNoCertificate,
  NO_TLS,
  type TlsSettings,
  type TlsVersion,
} from "./tls-settings.ts";
export type { NameLookup } from "./verify-peer.ts";
