/**
 * Go's words for a certificate that does not verify and for an alert of the other side, by the codes
 * that Node has for them. People search logs for these.
 */
import { isIP } from "node:net";

const UNKNOWN_AUTHORITY = "x509: certificate signed by unknown authority";
const BAD_DATE = "x509: certificate has expired or is not yet valid";

const CHAIN_WORDS: Readonly<Record<string, string>> = {
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_AUTHORITY,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY,
  CERT_UNTRUSTED: UNKNOWN_AUTHORITY,
  CERT_SIGNATURE_FAILURE: "x509: certificate has an invalid signature",
  CERT_HAS_EXPIRED: BAD_DATE,
  CERT_NOT_YET_VALID: BAD_DATE,
  INVALID_PURPOSE: "x509: certificate specifies an incompatible key usage",
  INVALID_CA: "x509: invalid signature: parent certificate cannot sign this kind of certificate",
};

/** Go's names of alerts (RFC 8446, section 6.2) where OpenSSL's are others. */
const ALERT_WORDS: Readonly<Record<string, string>> = {
  "bad record mac": "bad record MAC",
  "certificate expired": "expired certificate",
  "certificate revoked": "revoked certificate",
  "certificate unknown": "unknown certificate",
  "decode error": "error decoding message",
  "decrypt error": "error decrypting message",
  "protocol version": "protocol version not supported",
  "unknown ca": "unknown certificate authority",
};

/** Why a chain does not verify; undefined for a code that says nothing about one. */
export function chainReason(code: string): string | undefined {
  const words = CHAIN_WORDS[code];
  return words && `tls: failed to verify certificate: ${words}`;
}

/** `alert` is OpenSSL's name of it, such as "bad certificate". */
export function alertReason(alert: string): string {
  return `remote error: tls: ${ALERT_WORDS[alert] ?? alert}`;
}

/** What Node's refusal of a certificate for another host carries. */
interface NameMismatch {
  readonly message: string;
  readonly host?: unknown;
  readonly cert?: { readonly subjectaltname?: string | undefined } | undefined;
}

/** Why a certificate is not for the host that was dialled. */
export function nameReason({ host, cert }: NameMismatch): string {
  const wanted = String(host);
  return `tls: failed to verify certificate: x509: ${mismatch(wanted, cert?.subjectaltname ?? "")}`;
}

function mismatch(host: string, alternatives: string): string {
  const isAddress = isIP(host) !== 0;
  const kind = isAddress ? "IP Address" : "DNS";
  const names = [...alternatives.matchAll(/(DNS|IP Address):("[^"]*"|[^,]*)/g)]
    .filter(([, found]) => found === kind)
    .map(([, , name = ""]) => name.replace(/^"(.*)"$/, "$1"));
  if (names.length > 0) return `certificate is valid for ${names.join(", ")}, not ${host}`;
  return isAddress
    ? `cannot validate certificate for ${host} because it doesn't contain any IP SANs`
    : `certificate is not valid for any names, but wanted to match ${host}`;
}
