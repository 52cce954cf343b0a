/**
 * Reads certificates, keys, authorities and revocation lists, and checks that they can serve before
 * anything is served with them. Errors have the words of Go, which etcd shows.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { systemErrorCode, systemErrorText } from "../../base/system-errors.ts";
import { revokedSerials } from "./revocation-list.ts";

/** A file that cannot be used; the message is complete, in Go's words where it has some. */
class TlsFileError extends Error {
  readonly path: string;

  constructor(path: string, message: string) {
    super(message);
    this.name = "TlsFileError";
    this.path = path;
  }
}

export interface KeyPair {
  /** PEM, the chain included. */
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly leaf: X509Certificate;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;
const ANY_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----/;
const BLOCKS = new RegExp(ANY_BLOCK, "g");

export function readKeyPair(certFile: string, keyFile: string): KeyPair {
  const cert = readFile(certFile);
  const key = readFile(keyFile);
  const [leaf] = certificates(certFile, cert);
  if (leaf === undefined) {
    throw new TlsFileError(certFile, missingBlock("certificate input", "CERTIFICATE", cert));
  }
  if (!ANY_BLOCK.test(key.toString("latin1"))) {
    throw new TlsFileError(keyFile, missingBlock("key input", "PRIVATE KEY", key));
  }
  const privateKey = parsePrivateKey(keyFile, key);
  if (!leaf.checkPrivateKey(privateKey)) {
    throw new TlsFileError(keyFile, "tls: private key does not match public key");
  }
  return { cert, key, leaf };
}

/** The authorities of a file. A file without certificates trusts nobody, as in Go. */
export function readAuthorities(path: string): readonly string[] {
  const pem = readFile(path);
  const others = [...pem.toString("latin1").matchAll(BLOCKS)].filter(
    ([, kind]) => kind !== "CERTIFICATE",
  );
  // Go takes every block for a certificate.
  if (others.length > 0) throw new TlsFileError(path, "x509: malformed tbs certificate");
  return certificates(path, pem).map((certificate) => certificate.toString());
}

/** Serial numbers, lower-case hexadecimal without leading zeros, that a list revokes. */
export function readRevocations(path: string): ReadonlySet<string> {
  const bytes = readFile(path);
  try {
    return revokedSerials(bytes);
  } catch {
    // The parser's own words are about its schema.
    throw new TlsFileError(path, "x509: malformed crl");
  }
}

function readFile(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    // A directory can be opened, and not read.
    const call = systemErrorCode(error) === "EISDIR" ? "read" : "open";
    throw new TlsFileError(path, `${call} ${path}: ${systemErrorText(error)}`);
  }
}

function certificates(path: string, pem: Buffer): X509Certificate[] {
  const blocks = pem.toString("latin1").match(CERTIFICATE) ?? [];
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch {
    throw new TlsFileError(path, "x509: malformed certificate");
  }
}

function parsePrivateKey(path: string, pem: Buffer): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // With a passphrase it cannot be read either: etcd has no setting for one.
    throw new TlsFileError(path, "tls: failed to parse private key");
  }
}

function missingBlock(where: string, wanted: string, pem: Buffer): string {
  const found = ANY_BLOCK.exec(pem.toString("latin1"))?.[1];
  if (found === undefined) return `tls: failed to find any PEM data in ${where}`;
  return `tls: failed to find "${wanted}" PEM block in ${where} after skipping PEM blocks of the following types: [${found}]`;
}
