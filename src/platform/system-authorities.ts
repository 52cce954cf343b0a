/**
 * The authorities that this machine trusts, as Go programs find them: Node brings a list of its
 * own and does not look at the system's.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** Where distributions keep them; the first that is there counts. */
const BUNDLES: readonly string[] = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/tls/cacert.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** PEM texts. `SSL_CERT_FILE` takes the place of the system's bundle, as in Go. */
export function systemAuthorities(): readonly string[] {
  const { SSL_CERT_FILE: chosen = "" } = process.env;
  for (const path of chosen === "" ? BUNDLES : [chosen]) {
    try {
      return [readFileSync(path, "utf8")];
    } catch {
      // The next one may be there.
    }
  }
  // Node makes texts of them when it is asked.
  const require = createRequire(import.meta.url);
  return (require("node:tls") as typeof import("node:tls")).rootCertificates;
}
