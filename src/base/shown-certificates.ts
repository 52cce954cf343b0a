/** The chain of a TLS connection, for whoever judges it. */
import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";

/** The certificates that the peer showed, its own first. */
export function shownCertificates(socket: TLSSocket): X509Certificate[] {
  const shown: X509Certificate[] = [];
  let next = socket.getPeerX509Certificate();
  while (next !== undefined && shown.length < MAX_CHAIN) {
    shown.push(next);
    const issuer: X509Certificate | undefined = next.issuerCertificate;
    if (issuer === undefined || issuer.fingerprint256 === next.fingerprint256) break;
    next = issuer;
  }
  return shown;
}

/** OpenSSL follows a hundred; a real chain has three or four. */
const MAX_CHAIN = 16;
