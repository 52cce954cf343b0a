/**
 * Writes X.509 certificates (RFC 5280) with elliptic-curve keys, by the schema of a library and the
 * runtime's signatures. For `--auto-tls`, and for the authorities of tests.
 */
import { type KeyObject, randomBytes, sign } from "node:crypto";
import { createRequire } from "node:module";
import { isIP } from "node:net";

/** ecdsa-with-SHA512 (RFC 5758, section 3.2). */
const ECDSA_SHA512 = "1.2.840.10045.4.3.4";
const ORGANIZATION = "2.5.4.10";
const COMMON_NAME = "2.5.4.3";

export interface NameOptions {
  readonly organization?: string;
  readonly commonName?: string;
}

export interface CertificateOptions {
  readonly subject: NameOptions;
  readonly issuer: NameOptions;
  /** The subject's. */
  readonly publicKey: KeyObject;
  /** The issuer's private key, on an elliptic curve. */
  readonly signingKey: KeyObject;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly isAuthority: boolean;
  readonly usages: readonly ("server" | "client")[];
  /** Addresses and names that it is for; empty leaves the extension out. */
  readonly hosts: readonly string[];
}

/** The certificate as PEM. */
export function writeCertificate(options: CertificateOptions): string {
  const { asn, x509 } = library();
  const algorithm = new x509.AlgorithmIdentifier({ algorithm: ECDSA_SHA512 });
  const tbsCertificate = new x509.TBSCertificate({
    version: x509.Version.v3,
    serialNumber: newSerial(),
    signature: algorithm,
    issuer: nameOf(options.issuer),
    validity: new x509.Validity({ notBefore: options.notBefore, notAfter: options.notAfter }),
    subject: nameOf(options.subject),
    subjectPublicKeyInfo: asn.AsnConvert.parse(
      options.publicKey.export({ type: "spki", format: "der" }),
      x509.SubjectPublicKeyInfo,
    ),
    extensions: new x509.Extensions(extensionsOf(options)),
  });
  const signed = sign(
    "sha512",
    Buffer.from(asn.AsnConvert.serialize(tbsCertificate)),
    options.signingKey,
  );
  const certificate = new x509.Certificate({
    tbsCertificate,
    signatureAlgorithm: algorithm,
    signatureValue: Uint8Array.from(signed).buffer,
  });
  return toPem("CERTIFICATE", asn.AsnConvert.serialize(certificate));
}

export function toPem(label: string, der: ArrayBuffer): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}

/** Loaded when a certificate is written or a revocation list read: a tenth of a second. */
export function library(): {
  readonly asn: typeof import("@peculiar/asn1-schema");
  readonly x509: typeof import("@peculiar/asn1-x509");
} {
  const require = createRequire(import.meta.url);
  return { asn: require("@peculiar/asn1-schema"), x509: require("@peculiar/asn1-x509") };
}

export function nameOf({ organization, commonName }: NameOptions) {
  const { x509 } = library();
  const part = (type: string, utf8String: string) =>
    new x509.RelativeDistinguishedName([
      new x509.AttributeTypeAndValue({ type, value: new x509.AttributeValue({ utf8String }) }),
    ]);
  return new x509.Name([
    ...(organization === undefined ? [] : [part(ORGANIZATION, organization)]),
    ...(commonName === undefined ? [] : [part(COMMON_NAME, commonName)]),
  ]);
}

function extensionsOf({ isAuthority, usages, hosts }: CertificateOptions) {
  const { asn, x509 } = library();
  const extension = (extnID: string, critical: boolean, value: object) =>
    new x509.Extension({
      extnID,
      critical,
      extnValue: new asn.OctetString(asn.AsnConvert.serialize(value)),
    });
  const { digitalSignature, keyEncipherment, cRLSign, keyCertSign } = x509.KeyUsageFlags;
  const usage = digitalSignature | keyEncipherment | (isAuthority ? cRLSign | keyCertSign : 0);
  const purposes = usages.map((each) =>
    each === "server" ? x509.id_kp_serverAuth : x509.id_kp_clientAuth,
  );
  const names = hosts.map(
    (host) => new x509.GeneralName(isIP(host) === 0 ? { dNSName: host } : { iPAddress: host }),
  );
  return [
    extension(x509.id_ce_keyUsage, true, new x509.KeyUsage(usage)),
    ...(purposes.length === 0
      ? []
      : [extension(x509.id_ce_extKeyUsage, false, new x509.ExtendedKeyUsage(purposes))]),
    extension(x509.id_ce_basicConstraints, true, new x509.BasicConstraints({ cA: isAuthority })),
    ...(names.length === 0
      ? []
      : [extension(x509.id_ce_subjectAltName, false, new x509.SubjectAlternativeName(names))]),
  ];
}

/** DER integers are signed: a serial number begins neither with a set bit nor with zero. */
function newSerial(): ArrayBuffer {
  const bytes = Uint8Array.from(randomBytes(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.buffer;
}
