/**
 * TLS of a cluster of our own form: https for clients and between members, with certificates that
 * the members make themselves or with one pair of files for all of them.
 */
import { resolve } from "node:path";

export type ClusterTls =
  /** `--auto-tls` and `--peer-auto-tls` of each member: encrypted, and nobody proves who they are. */
  | { readonly kind: "auto" }
  /** Absolute paths. The certificate is for 127.0.0.1, and for server and client. */
  | {
      readonly kind: "files";
      readonly certFile: string;
      readonly keyFile: string;
      readonly trustedCaFile: string;
    };

export interface TlsFlags {
  readonly auto: boolean;
  readonly certFile: string;
  readonly keyFile: string;
  readonly trustedCaFile: string;
}

/**
 * What the flags ask for; undefined when nothing. Files are taken from `folder` on.
 * @throws Error when they do not go together.
 */
export function tlsOf(flags: TlsFlags, folder: string): ClusterTls | undefined {
  const { auto, certFile, keyFile, trustedCaFile } = flags;
  const files = [certFile, keyFile, trustedCaFile];
  const given = files.filter((file) => file !== "").length;
  if (given === 0) return auto ? { kind: "auto" } : undefined;
  if (auto) throw new Error("--auto-tls makes certificates; it does not go with --cert-file");
  if (given < files.length) {
    throw new Error("--cert-file, --key-file and --trusted-ca-file go together");
  }
  return {
    kind: "files",
    certFile: resolve(folder, certFile),
    keyFile: resolve(folder, keyFile),
    trustedCaFile: resolve(folder, trustedCaFile),
  };
}

/** From the folder's description; undefined when it is none. */
export function parseTls(value: unknown): ClusterTls | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { kind, certFile, keyFile, trustedCaFile } = value as Partial<Record<string, unknown>>;
  if (kind === "auto") return { kind };
  if (kind !== "files" || typeof certFile !== "string") return undefined;
  if (typeof keyFile !== "string" || typeof trustedCaFile !== "string") return undefined;
  return { kind, certFile, keyFile, trustedCaFile };
}

/** Flags of etcd for each member. Members must show the certificate to each other; clients need none. */
export function memberTlsFlags(tls: ClusterTls | undefined): readonly string[] {
  if (tls === undefined) return [];
  if (tls.kind === "auto") return ["--auto-tls", "--peer-auto-tls"];
  const { certFile, keyFile, trustedCaFile } = tls;
  return [
    ...["--cert-file", certFile, "--key-file", keyFile],
    ...["--peer-cert-file", certFile, "--peer-key-file", keyFile],
    ...["--peer-trusted-ca-file", trustedCaFile, "--peer-client-cert-auth"],
  ];
}

/** What `etcdctl` needs besides the endpoints. */
export function clientTlsFlags(tls: ClusterTls | undefined): string {
  if (tls === undefined) return "";
  return tls.kind === "auto" ? " --insecure-skip-tls-verify" : ` --cacert=${tls.trustedCaFile}`;
}
