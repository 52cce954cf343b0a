/** The TLS settings of one side of a member (clients or peers), as the configuration has them. */

export interface TlsSettings {
  /** Files; "" when not given. */
  readonly certFile: string;
  readonly keyFile: string;
  /** For the member's own connections as a client; `certFile` and `keyFile` when not given. */
  readonly clientCertFile: string;
  readonly clientKeyFile: string;
  readonly trustedCaFile: string;
  readonly crlFile: string;
  readonly clientCertAuth: boolean;
  /** A certificate must have one of these common names; empty allows any. */
  readonly allowedCommonNames: readonly string[];
  /** A certificate must be for one of these hosts; empty allows any. */
  readonly allowedHostnames: readonly string[];
  /** OpenSSL's list of suites; undefined leaves the choice to the runtime. */
  readonly ciphers: string | undefined;
  readonly minVersion: TlsVersion;
  /** Undefined leaves the choice to the runtime. */
  readonly maxVersion: TlsVersion | undefined;
  /** Made at start by `--auto-tls`: nobody can verify it, so dialers do not try. */
  readonly isSelfSigned: boolean;
}

export type TlsVersion = "TLSv1.2" | "TLSv1.3";

/** Nothing is set. */
export const NO_TLS: TlsSettings = {
  certFile: "",
  keyFile: "",
  clientCertFile: "",
  clientKeyFile: "",
  trustedCaFile: "",
  crlFile: "",
  clientCertAuth: false,
  allowedCommonNames: [],
  allowedHostnames: [],
  ciphers: undefined,
  minVersion: "TLSv1.2",
  maxVersion: undefined,
  isSelfSigned: false,
};

/** True when there is nothing that a server could show. */
export function hasNoCertificate({ certFile, keyFile }: TlsSettings): boolean {
  return certFile === "" && keyFile === "";
}

/** Either of the two asks for certificates, as in etcd. */
export function requiresClientCertificate(settings: TlsSettings): boolean {
  return settings.trustedCaFile !== "" || settings.clientCertAuth;
}

/** As Go prints etcd's `TLSInfo` in a log line. */
export function describeTls(settings: TlsSettings): string {
  const { certFile, keyFile, clientCertFile, clientKeyFile, trustedCaFile, crlFile } = settings;
  return [
    `cert = ${certFile}`,
    `key = ${keyFile}`,
    `client-cert=${clientCertFile}`,
    `client-key=${clientKeyFile}`,
    `trusted-ca = ${trustedCaFile}`,
    `client-cert-auth = ${settings.clientCertAuth}`,
    `crl-file = ${crlFile}`,
  ].join(", ");
}
