export { BcryptHasher } from "./bcrypt-hasher.ts";
export { unbundledStack } from "./bundle-places.ts";
export {
  createLogger,
  parseLogFormat,
  parseLogLevel,
  type RootLogger,
} from "./logger.ts";
export type { LogFormat } from "./logger-encoder.ts";
export type { LogSink } from "./logger-sinks.ts";
export { METRICS_CONTENT_TYPE, MetricsRegistry } from "./metrics.ts";
export {
  fileDescriptorLimit,
  openFileDescriptors,
  registerProcessMetrics,
} from "./metrics-process.ts";
export { NodeDisk } from "./node-disk.ts";
export { NodeHostNames } from "./node-host-names.ts";
export { NodeRandom } from "./node-random.ts";
export { sdNotify } from "./sd-notify.ts";
export { type TokenKeys, tokenSigner } from "./token-signer.ts";
export { systemAuthorities } from "./system-authorities.ts";
export { systemCalls } from "./system-calls.ts";
export {
  CertificateExpiry,
  describeTls,
  hasNoCertificate,
  type NameLookup,
  NO_TLS,
  NodeTlsAcceptor,
  readAuthorities,
  readKeyPair,
  registerTlsMetrics,
  selfSignedFiles,
  TlsCredentials,
  TlsDialer,
  type TlsSettings,
  type TlsSide,
  type TlsVersion,
} from "./tls/index.ts";
