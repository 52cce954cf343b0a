/** A certificate authority of a test: certificates for any purpose, and lists that revoke them. */
import { generateKeyPairSync, type KeyObject, sign, X509Certificate } from "node:crypto";
import { library, nameOf, toPem, writeCertificate } from "../certificate-writer.ts";

const HOUR_MS = 3_600_000;

export interface Issued {
  readonly cert: string;
  readonly key: string;
}

export interface IssueOptions {
  readonly commonName?: string;
  readonly hosts?: readonly string[];
  readonly usages?: readonly ("server" | "client")[];
  /** Hours from now; negative ones have passed. */
  readonly fromHours?: number;
  readonly untilHours?: number;
}

export class TestAuthority {
  readonly name: string;
  /** The authority's own certificate, PEM. */
  readonly cert: string;
  readonly #key: KeyObject;

  constructor(name = "test authority") {
    this.name = name;
    const { privateKey, publicKey } = newKeys();
    this.#key = privateKey;
    this.cert = writeCertificate({
      subject: { commonName: name },
      issuer: { commonName: name },
      publicKey,
      signingKey: privateKey,
      ...dates(-1, 24 * 365),
      isAuthority: true,
      usages: [],
      hosts: [],
    });
  }

  issue(options: IssueOptions = {}): Issued {
    const { privateKey, publicKey } = newKeys();
    const {
      commonName,
      hosts = ["localhost", "127.0.0.1"],
      usages = ["server", "client"],
    } = options;
    const cert = writeCertificate({
      subject: { organization: "test", ...(commonName !== undefined && { commonName }) },
      issuer: { commonName: this.name },
      publicKey,
      signingKey: this.#key,
      ...dates(options.fromHours ?? -1, options.untilHours ?? 12),
      isAuthority: false,
      usages,
      hosts,
    });
    return { cert, key: privateKey.export({ type: "pkcs8", format: "pem" }).toString() };
  }

  /** A list that revokes these certificates, as DER or PEM. */
  revoke(certificates: readonly string[], form: "der" | "pem" = "der"): Buffer {
    const { asn, x509 } = library();
    const algorithm = new x509.AlgorithmIdentifier({ algorithm: "1.2.840.10045.4.3.4" });
    const { notBefore } = dates(-1, 0);
    const tbsCertList = new x509.TBSCertList({
      version: x509.Version.v2,
      signature: algorithm,
      issuer: nameOf({ commonName: this.name }),
      thisUpdate: new x509.Time(notBefore),
      revokedCertificates: certificates.map(
        (pem) =>
          new x509.RevokedCertificate({
            userCertificate: Uint8Array.from(serialOf(pem)).buffer,
            revocationDate: new x509.Time(notBefore),
          }),
      ),
    });
    const signed = sign("sha512", Buffer.from(asn.AsnConvert.serialize(tbsCertList)), this.#key);
    const list = new x509.CertificateList({
      tbsCertList,
      signatureAlgorithm: algorithm,
      signature: Uint8Array.from(signed).buffer,
    });
    const der = asn.AsnConvert.serialize(list);
    return form === "der" ? Buffer.from(der) : Buffer.from(toPem("X509 CRL", der));
  }
}

function serialOf(pem: string): Buffer {
  return Buffer.from(new X509Certificate(pem).serialNumber, "hex");
}

function newKeys(): { privateKey: KeyObject; publicKey: KeyObject } {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

function dates(fromHours: number, untilHours: number): { notBefore: Date; notAfter: Date } {
  const nowMs = Date.now();
  return {
    notBefore: new Date(nowMs + fromHours * HOUR_MS),
    notAfter: new Date(nowMs + untilHours * HOUR_MS),
  };
}
