/**
 * Certificate revocation lists (RFC 5280, section 5.1): which serial numbers they revoke. As in
 * etcd, a list counts whoever signed it, and also without a next update or after it.
 *
 * The list is walked node by node and anything unexpected refuses it: the schema of
 * `@peculiar/asn1-x509` 2.11 reads a list without a next update as one that revokes nothing.
 */
import { createRequire } from "node:module";

const PEM = /-----BEGIN X509 CRL-----([^-]*)-----END X509 CRL-----/;

/**
 * Serial numbers as lower-case hexadecimal without leading zeros. Takes DER, as etcd does, and PEM.
 * Throws when it is no list.
 */
export function revokedSerials(bytes: Uint8Array): ReadonlySet<string> {
  // Loaded when a member is given a list.
  const { fromBER, GeneralizedTime, Integer, Sequence, UTCTime } = createRequire(import.meta.url)(
    "asn1js",
  ) as typeof import("asn1js");
  type Node = InstanceType<typeof import("asn1js").BaseBlock>;
  const parts = (node: Node | undefined): Node[] => {
    if (node instanceof Sequence) return [...node.valueBlock.value];
    throw new Error("not a certificate revocation list");
  };
  const isTime = (node: Node | undefined): boolean =>
    node instanceof UTCTime || node instanceof GeneralizedTime;

  const { offset, result } = fromBER(der(bytes));
  if (offset === -1) throw new Error("not DER");
  const fields = parts(parts(result)[0]);
  if (fields[0] instanceof Integer) fields.shift();
  // signature, issuer, thisUpdate
  parts(fields[0]);
  parts(fields[1]);
  if (!isTime(fields[2])) throw new Error("a list says when it was made");
  const rest = fields.slice(isTime(fields[3]) ? 4 : 3);
  const revoked = rest[0] instanceof Sequence ? parts(rest[0]) : [];
  return new Set(
    revoked.map((entry) => {
      const serial = parts(entry)[0];
      if (!(serial instanceof Integer)) throw new Error("an entry begins with a serial number");
      return serialText(Buffer.from(serial.valueBlock.valueHexView).toString("hex"));
    }),
  );
}

/** One form for what X509Certificate and the list say. */
export function serialText(hex: string): string {
  return hex.toLowerCase().replace(/^0+(?=.)/, "");
}

function der(bytes: Uint8Array): Uint8Array {
  const body = PEM.exec(Buffer.from(bytes).toString("latin1"))?.[1];
  return body === undefined ? bytes : Buffer.from(body, "base64");
}
