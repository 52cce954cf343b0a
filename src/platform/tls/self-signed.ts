/**
 * The certificate that `--auto-tls` and `--peer-auto-tls` make at the first start, with etcd's
 * content: a P-521 key, organization "etcd", for the hosts of the listeners, for servers and
 * clients. Kept in the data directory, so that it is the same at the next start.
 */
import { generateKeyPairSync } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Logger } from "../../env/logger.ts";
import { writeCertificate } from "./certificate-writer.ts";

const YEAR_MS = 365 * 24 * 60 * 60 * 1000;

export interface SelfSignedOptions {
  /** Made if it is missing, with mode 0700. */
  readonly directory: string;
  /** Addresses and names that the certificate is for. */
  readonly hosts: readonly string[];
  readonly validityYears: number;
  readonly nowMs: number;
  readonly logger: Logger;
}

/** The files of the certificate and its key; made now if they are not there yet. */
export function selfSignedFiles(options: SelfSignedOptions): {
  readonly certFile: string;
  readonly keyFile: string;
} {
  const { directory, logger } = options;
  const certFile = resolve(join(directory, "cert.pem"));
  const keyFile = resolve(join(directory, "key.pem"));
  if (existsSync(certFile) && existsSync(keyFile)) return { certFile, keyFile };
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const notAfter = new Date(options.nowMs + options.validityYears * YEAR_MS);
  logger.warn("automatically generate certificates", {
    "certificate-validity-bound-not-after": notAfter.toISOString(),
  });
  const { cert, key } = makeCertificate(options.hosts, new Date(options.nowMs), notAfter);
  writeFileSync(certFile, cert, { mode: 0o600 });
  logger.info("created cert file", { path: certFile });
  writeFileSync(keyFile, key, { mode: 0o600 });
  logger.info("created key file", { path: keyFile });
  return { certFile, keyFile };
}

function makeCertificate(
  hosts: readonly string[],
  notBefore: Date,
  notAfter: Date,
): { readonly cert: string; readonly key: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-521" });
  const subject = { organization: "etcd" };
  const cert = writeCertificate({
    subject,
    issuer: subject,
    publicKey,
    signingKey: privateKey,
    notBefore,
    notAfter,
    isAuthority: true,
    usages: ["server", "client"],
    hosts,
  });
  return { cert, key: privateKey.export({ type: "sec1", format: "pem" }).toString() };
}
