import type { TlsSettings } from "../tls-settings.ts";

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
  serverName: "",
};
