/** Settings of TLS, origins and authentication. */
import { setting } from "./setting.ts";
import { bool, list, origins, text, uint, uniqueWords } from "./value-type.ts";

const CLIENT = "client-transport-security";
const PEER = "peer-transport-security";

export const SECURITY = {
  certFile: setting("cert-file", text, "", "File of the server certificate for clients.", {
    yaml: `${CLIENT}.cert-file`,
  }),
  keyFile: setting("key-file", text, "", "File of the server key for clients.", {
    yaml: `${CLIENT}.key-file`,
  }),
  clientCertAuth: setting(
    "client-cert-auth",
    bool,
    false,
    "Require clients to show a certificate of the trusted CA.",
    { yaml: `${CLIENT}.client-cert-auth` },
  ),
  clientCertFile: setting(
    "client-cert-file",
    text,
    "",
    "File of the certificate for the member's own connections as a client, otherwise --cert-file.",
    { yaml: `${CLIENT}.client-cert-file` },
  ),
  clientKeyFile: setting(
    "client-key-file",
    text,
    "",
    "File of the key for the member's own connections as a client, otherwise --key-file.",
    { yaml: `${CLIENT}.client-key-file` },
  ),
  clientCrlFile: setting("client-crl-file", text, "", "File of revoked client certificates.", {
    yaml: null,
  }),
  clientCertAllowedHostnames: setting(
    "client-cert-allowed-hostname",
    list,
    [],
    "Host names that a client certificate may be for, separated by commas.",
    { yaml: `${CLIENT}.allowed-hostname` },
  ),
  trustedCaFile: setting(
    "trusted-ca-file",
    text,
    "",
    "File of the CA certificates that clients are verified with.",
    { yaml: `${CLIENT}.trusted-ca-file` },
  ),
  autoTls: setting(
    "auto-tls",
    bool,
    false,
    "Serve clients over TLS with a certificate made at start.",
    { yaml: `${CLIENT}.auto-tls` },
  ),
  peerCertFile: setting(
    "peer-cert-file",
    text,
    "",
    "File of the server certificate for other members.",
    { yaml: `${PEER}.cert-file` },
  ),
  peerKeyFile: setting("peer-key-file", text, "", "File of the server key for other members.", {
    yaml: `${PEER}.key-file`,
  }),
  peerClientCertAuth: setting(
    "peer-client-cert-auth",
    bool,
    false,
    "Require other members to show a certificate of the trusted CA.",
    { yaml: `${PEER}.client-cert-auth` },
  ),
  peerClientCertFile: setting(
    "peer-client-cert-file",
    text,
    "",
    "File of the certificate for connections to other members, otherwise --peer-cert-file.",
    { yaml: `${PEER}.client-cert-file` },
  ),
  peerClientKeyFile: setting(
    "peer-client-key-file",
    text,
    "",
    "File of the key for connections to other members, otherwise --peer-key-file.",
    { yaml: `${PEER}.client-key-file` },
  ),
  peerTrustedCaFile: setting(
    "peer-trusted-ca-file",
    text,
    "",
    "File of the CA certificates that other members are verified with.",
    { yaml: `${PEER}.trusted-ca-file` },
  ),
  peerCertAllowedCns: setting(
    "peer-cert-allowed-cn",
    list,
    [],
    "Common names that a member's certificate may have, separated by commas.",
    { yaml: `${PEER}.allowed-cn` },
  ),
  peerCertAllowedHostnames: setting(
    "peer-cert-allowed-hostname",
    list,
    [],
    "Host names that a member's certificate may be for, separated by commas.",
    { yaml: `${PEER}.allowed-hostname` },
  ),
  peerAutoTls: setting(
    "peer-auto-tls",
    bool,
    false,
    "Talk TLS to other members with a certificate made at start, unless one is given.",
    { yaml: `${PEER}.auto-tls` },
  ),
  selfSignedCertValidityYears: setting(
    "self-signed-cert-validity",
    uint,
    1,
    "Years that certificates made at start are valid.",
    { zeroMeans: 1 },
  ),
  peerCrlFile: setting("peer-crl-file", text, "", "File of revoked certificates of members.", {
    yaml: null,
  }),
  /** Go's names of the suites; empty: the runtime chooses. */
  cipherSuites: setting(
    "cipher-suites",
    list,
    [],
    "TLS cipher suites to offer, separated by commas (empty leaves the choice to the runtime).",
  ),
  /** Allowed origins of browsers; "*" allows any. */
  cors: setting(
    "cors",
    origins,
    ["*"],
    "Origins of web pages that may call this member, separated by commas (* for any).",
  ),
  /** Allowed Host headers on insecure HTTP; "*" or empty allows any. */
  hostWhitelist: setting(
    "host-whitelist",
    uniqueWords,
    ["*"],
    "Host names that HTTP requests without TLS may ask for (* for any).",
  ),
  tlsMinVersion: setting(
    "tls-min-version",
    text,
    "TLS1.2",
    "Lowest version of TLS: TLS1.2 or TLS1.3.",
  ),
  tlsMaxVersion: setting(
    "tls-max-version",
    text,
    "",
    "Highest version of TLS: TLS1.2 or TLS1.3 (empty leaves the choice to the runtime).",
  ),
} as const;

export const AUTH = {
  authToken: setting(
    "auth-token",
    text,
    "simple",
    "Kind of authentication tokens with their options: 'simple' or 'jwt,…'.",
  ),
  bcryptCost: setting("bcrypt-cost", uint, 10, "Cost of hashing a password with bcrypt, 4 to 31."),
  authTokenTtlSeconds: setting(
    "auth-token-ttl",
    uint,
    300,
    "Seconds that a simple token is valid without use.",
  ),
} as const;
