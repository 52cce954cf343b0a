/** Refuses certificates and keys that cannot be used before anything is dialled, in Go's words. */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";

interface Block {
  readonly label: string;
  readonly pem: string;
}

const KEY_LABEL = /(^| )PRIVATE KEY$/;

function blocksOf(pem: Uint8Array): Block[] {
  const text = Buffer.from(pem).toString("latin1");
  const found = text.matchAll(/-----BEGIN ([^-\n]+)-----[\s\S]*?-----END \1-----/g);
  return [...found].map(([block, label = ""]) => ({ label, pem: block }));
}

/** What is wrong with a certificate and its key; undefined when they fit. */
export function pairProblem(cert: Uint8Array, key: Uint8Array): string | undefined {
  const certBlocks = blocksOf(cert);
  const leaf = certBlocks.find(({ label }) => label === "CERTIFICATE");
  if (leaf === undefined) return withoutCertificate(certBlocks);
  const keyBlocks = blocksOf(key);
  const own = keyBlocks.find(({ label }) => KEY_LABEL.test(label));
  if (own === undefined) return withoutKey(keyBlocks);
  const certificate = parseCertificate(leaf);
  if (certificate === undefined) return MALFORMED;
  const privateKey = parseKey(own);
  if (privateKey === undefined) return "tls: failed to parse private key";
  return certificate.checkPrivateKey(privateKey)
    ? undefined
    : "tls: private key does not match public key";
}

/** What is wrong with a bundle of certificates to trust. One without any trusts nobody. */
export function bundleProblem(bundle: Uint8Array): string | undefined {
  const isBad = blocksOf(bundle).some((block) => parseCertificate(block) === undefined);
  return isBad ? MALFORMED : undefined;
}

const MALFORMED = "x509: malformed certificate";

function withoutCertificate(blocks: readonly Block[]): string {
  if (blocks.length === 0) return "tls: failed to find any PEM data in certificate input";
  if (blocks.length === 1 && KEY_LABEL.test(blocks[0]?.label ?? "")) {
    return "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched";
  }
  return `tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: ${labelsOf(blocks)}`;
}

function withoutKey(blocks: readonly Block[]): string {
  if (blocks.length === 0) return "tls: failed to find any PEM data in key input";
  if (blocks.length === 1 && blocks[0]?.label === "CERTIFICATE") {
    return "tls: found a certificate rather than a key in the PEM for the private key";
  }
  return `tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: ${labelsOf(blocks)}`;
}

function labelsOf(blocks: readonly Block[]): string {
  return `[${blocks.map(({ label }) => label).join(" ")}]`;
}

function parseCertificate({ label, pem }: Block): X509Certificate | undefined {
  if (label !== "CERTIFICATE") return undefined;
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function parseKey({ pem }: Block): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}
