/**
 * Is this the peer that may talk? What etcd asks of a certificate beyond its signature, in etcd's
 * order: an allowed name, the address that it comes from, and that it is not revoked. Reasons are
 * in Go's words, for the log.
 */
import type { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import type { TLSSocket } from "node:tls";
import { chainReason } from "../../base/certificate-reason.ts";
import { serialText } from "./revocation-list.ts";
import type { TlsSettings } from "./tls-settings.ts";

/** Looks names up; `node:dns/promises` in production. */
export interface NameLookup {
  /** Names of an address; may reject. */
  reverse(address: string): Promise<readonly string[]>;
  /** Addresses of a name; may reject. */
  lookup(name: string): Promise<readonly string[]>;
}

/** The common name; of several the last, as Go reads it. Undefined when there is none. */
export function commonName(certificate: X509Certificate): string | undefined {
  const names: string | string[] | undefined = certificate.toLegacyObject().subject.CN;
  return typeof names === "string" ? names : names?.at(-1);
}

/** Why the chain does not verify, in Go's words; undefined when it does, or was not looked at. */
export function chainProblem({ authorizationError }: TLSSocket): string | undefined {
  const code: unknown = authorizationError;
  if (code === undefined || code === null) return undefined;
  return chainReason(String(code)) ?? `tls: failed to verify certificate: x509: ${code}`;
}

/** Only these common names, or these hosts, may connect; no list lets everybody in. */
export function nameProblem(
  certificate: X509Certificate,
  { allowedCommonNames, allowedHostnames }: TlsSettings,
): string | undefined {
  if (allowedCommonNames.length === 0 && allowedHostnames.length === 0) return undefined;
  const allowed =
    allowedCommonNames.includes(commonName(certificate) ?? "") ||
    allowedHostnames.some((host) => isFor(certificate, host));
  return allowed ? undefined : "client certificate authentication failed";
}

/** True if the certificate names the host or the address. */
function isFor(certificate: X509Certificate, host: string): boolean {
  if (isIP(host) !== 0) return certificate.checkIP(host) !== undefined;
  // Go looks at the alternative names alone, never at the common name.
  return certificate.checkHost(host, { subject: "never" }) !== undefined;
}

export function revocationProblem(
  certificates: readonly X509Certificate[],
  revoked: ReadonlySet<string>,
): string | undefined {
  for (const { serialNumber } of certificates) {
    const serial = serialText(serialNumber);
    if (revoked.has(serial)) return `transport: certificate serial ${serial} revoked`;
  }
  return undefined;
}

/**
 * A member's certificate must be for the address that it comes from, if it names any address or
 * host: by address, or by a name that the address has or that leads to it.
 */
export async function addressProblem(
  certificate: X509Certificate,
  address: string,
  names: NameLookup,
): Promise<string | undefined> {
  const { dns, hasAddresses, addresses } = alternativeNames(certificate);
  if (!hasAddresses && dns.length === 0) return undefined;
  if (hasAddresses) {
    if (certificate.checkIP(address) !== undefined) return undefined;
    if (dns.length === 0) {
      return `x509: certificate is valid for ${addresses.join(", ")}, not ${address}`;
    }
  }
  if (await isAddressOf(address, dns, names)) return undefined;
  const listed = dns.map((name) => JSON.stringify(name)).join(" ");
  return `tls: ${JSON.stringify(address)} does not match any of DNSNames [${listed}]`;
}

async function isAddressOf(
  address: string,
  dns: readonly string[],
  names: NameLookup,
): Promise<boolean> {
  const suffixes = dns.filter((name) => name.startsWith("*.")).map((name) => name.slice(1));
  const plain = dns.filter((name) => !name.startsWith("*."));
  const known = await names.reverse(address).catch(() => UNKNOWN);
  for (const name of known.map((each) => each.replace(/\.$/, ""))) {
    if (plain.includes(name) || suffixes.some((suffix) => name.endsWith(suffix))) return true;
  }
  for (const name of dns) {
    const found = await names.lookup(name).catch(() => UNKNOWN);
    if (found.includes(address)) return true;
  }
  return false;
}

/** Of a name that cannot be looked up. */
const UNKNOWN: readonly string[] = [];

/** What `subjectAltName` says, such as `DNS:localhost, IP Address:127.0.0.1`. */
export function alternativeNames({ subjectAltName = "" }: X509Certificate): {
  readonly dns: readonly string[];
  readonly addresses: readonly string[];
  readonly hasAddresses: boolean;
} {
  const dns: string[] = [];
  const addresses: string[] = [];
  // A value with a comma or a quote is quoted as JSON (since the fix of CVE-2021-44532).
  for (const [, kind, value = ""] of subjectAltName.matchAll(/(DNS|IP Address):("[^"]*"|[^,]*)/g)) {
    (kind === "DNS" ? dns : addresses).push(value.replace(/^"(.*)"$/, "$1"));
  }
  return { dns, addresses, hasAddresses: addresses.length > 0 };
}
