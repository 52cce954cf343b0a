/** The flags of `etcd grpc-proxy start`, with the words of etcd. */
import type { FlagSpec } from "../framework/flags.ts";

export const GRPC_PROXY_FLAGS: readonly FlagSpec[] = [
  {
    name: "advertise-client-url",
    kind: "string",
    default: "127.0.0.1:23790",
    usage: "advertise address to register (must be reachable by client)",
  },
  {
    name: "auto-tls",
    kind: "bool",
    default: "false",
    usage: "proxy TLS using generated certificates",
  },
  {
    name: "cacert",
    kind: "string",
    default: "",
    usage: "verify certificates of TLS-enabled secure etcd servers using this CA bundle",
  },
  {
    name: "cert",
    kind: "string",
    default: "",
    usage: "identify secure connections with etcd servers using this TLS certificate file",
  },
  {
    name: "cert-file",
    kind: "string",
    default: "",
    usage: "identify secure connections to the proxy using this TLS certificate file",
  },
  {
    name: "client-crl-file",
    kind: "string",
    default: "",
    usage: "proxy client certificate revocation list file.",
  },
  {
    name: "data-dir",
    kind: "string",
    default: "default.proxy",
    usage: "Data directory for persistent data",
  },
  {
    name: "debug",
    kind: "bool",
    default: "false",
    usage: "Enable debug-level logging for grpc-proxy.",
  },
  {
    name: "dial-keepalive-time",
    kind: "duration",
    default: "0s",
    usage: "keepalive time for client(grpc-proxy) connections (default 0, disable).",
  },
  {
    name: "dial-keepalive-timeout",
    kind: "duration",
    default: "20s",
    usage: "keepalive timeout for client(grpc-proxy) connections (default 20s).",
  },
  {
    name: "discovery-srv",
    kind: "string",
    default: "",
    usage: "domain name to query for SRV records describing cluster endpoints",
  },
  {
    name: "discovery-srv-name",
    kind: "string",
    default: "",
    usage: "service name to query when using DNS discovery",
  },
  {
    name: "enable-pprof",
    kind: "bool",
    default: "false",
    usage:
      'Enable runtime profiling data via HTTP server. Address is at client URL + "/debug/pprof/"',
  },
  {
    name: "endpoints",
    kind: "strings",
    default: "[127.0.0.1:2379]",
    usage: "comma separated etcd cluster endpoints",
  },
  {
    name: "endpoints-auto-sync-interval",
    kind: "duration",
    default: "0s",
    usage: "etcd endpoints auto sync interval (disabled by default)",
  },
  {
    name: "experimental-enable-grpc-logging",
    kind: "bool",
    default: "false",
    usage: "logging all grpc requests and responses",
  },
  {
    name: "experimental-leasing-prefix",
    kind: "string",
    default: "",
    usage: "leasing metadata prefix for disconnected linearized reads.",
  },
  {
    name: "experimental-serializable-ordering",
    kind: "bool",
    default: "false",
    usage:
      "Ensure serializable reads have monotonically increasing store revisions across endpoints.",
  },
  {
    name: "grpc-keepalive-interval",
    kind: "duration",
    default: "2h0m0s",
    usage:
      "Frequency duration of server-to-client ping to check if a connection is alive (0 to disable).",
  },
  {
    name: "grpc-keepalive-min-time",
    kind: "duration",
    default: "5s",
    usage: "Minimum interval duration that a client should wait before pinging proxy.",
  },
  {
    name: "grpc-keepalive-timeout",
    kind: "duration",
    default: "20s",
    usage: "Additional duration of wait before closing a non-responsive connection (0 to disable).",
  },
  {
    name: "insecure-discovery",
    kind: "bool",
    default: "false",
    usage: "accept insecure SRV records",
  },
  {
    name: "insecure-skip-tls-verify",
    kind: "bool",
    default: "false",
    usage:
      "skip authentication of etcd server TLS certificates (CAUTION: this option should be enabled only for testing purposes)",
  },
  {
    name: "key",
    kind: "string",
    default: "",
    usage: "identify secure connections with etcd servers using this TLS key file",
  },
  {
    name: "key-file",
    kind: "string",
    default: "",
    usage: "identify secure connections to the proxy using this TLS key file",
  },
  { name: "listen-addr", kind: "string", default: "127.0.0.1:23790", usage: "listen address" },
  {
    name: "listen-cipher-suites",
    kind: "strings",
    default: "[]",
    usage:
      "Comma-separated list of supported TLS cipher suites between client/proxy (empty will be auto-populated by Go).",
  },
  {
    name: "max-concurrent-streams",
    kind: "uint32",
    default: "4294967295",
    usage: "Maximum concurrent streams that each client can open at a time.",
  },
  {
    name: "max-recv-bytes",
    kind: "int",
    default: "2147483647",
    usage: "message receive limits in bytes (default value is math.MaxInt32)",
  },
  {
    name: "max-send-bytes",
    kind: "int",
    default: "1572864",
    usage: "message send limits in bytes (default value is 1.5 MiB)",
  },
  {
    name: "metrics-addr",
    kind: "string",
    default: "",
    usage: "listen for endpoint /metrics requests on an additional interface",
  },
  {
    name: "namespace",
    kind: "string",
    default: "",
    usage: "string to prefix to all keys for namespacing requests",
  },
  {
    name: "permit-without-stream",
    kind: "bool",
    default: "false",
    usage: "Enable client(grpc-proxy) to send keepalive pings even with no active RPCs.",
  },
  {
    name: "resolver-prefix",
    kind: "string",
    default: "",
    usage: "prefix to use for registering proxy (must be shared with other grpc-proxy members)",
  },
  {
    name: "resolver-ttl",
    kind: "int",
    default: "0",
    usage: "specify TTL, in seconds, when registering proxy endpoints",
  },
  {
    name: "self-signed-cert-validity",
    kind: "uint",
    default: "1",
    usage: "The validity period of the proxy certificates, unit is year",
  },
  {
    name: "tls-max-version",
    kind: "string",
    default: "",
    usage:
      "Maximum TLS version supported by grpc proxy. Possible values: TLS1.2, TLS1.3 (empty defers to Go).",
  },
  {
    name: "tls-min-version",
    kind: "string",
    default: "TLS1.2",
    usage: "Minimum TLS version supported by grpc proxy. Possible values: TLS1.2, TLS1.3.",
  },
  {
    name: "trusted-ca-file",
    kind: "string",
    default: "",
    usage: "verify certificates of TLS-enabled secure proxy using this CA bundle",
  },
];
