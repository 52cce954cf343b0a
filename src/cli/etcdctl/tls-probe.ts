/**
 * One TLS connection to an endpoint, as far as it gets: what the server shows, whether the runtime
 * can verify it, and whether the server takes this client. Nothing is judged here.
 */
import type { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import type { TlsOptions } from "../../client/index.ts";

export interface ProbeTarget {
  /** The path of a unix socket, or a host. */
  readonly host: string;
  /** Undefined for unix sockets. */
  readonly port: number | undefined;
}

/** What the server did after the handshake. */
export type Reaction = "answered" | "hung up" | "silent";

export type Probe =
  | { readonly kind: "unreachable"; readonly reason: string; readonly code: string }
  | {
      readonly kind: "shown";
      /** Such as "TLSv1.3". */
      readonly version: string;
      readonly cipher: string;
      /** What ALPN chose; undefined when nothing. */
      readonly protocol: string | undefined;
      /** The server's own certificate first. */
      readonly chain: readonly X509Certificate[];
      /** OpenSSL's code for a chain that does not verify; undefined when it does. */
      readonly chainCode: string | undefined;
      readonly reaction: Reaction;
      /** The alert of a server that hung up, in Go's words, if it sent one. */
      readonly alert: string | undefined;
    };

/** More than any real chain. */
const MAX_SHOWN_CERTIFICATES = 10;

export function probe(target: ProbeTarget, tls: TlsOptions, timeoutMs: number): Promise<Probe> {
  const { host, port } = target;
  const name = serverNameOf(target, tls);
  const { ca, cert, key, passphrase } = tls;
  return new Promise((resolve) => {
    const socket = connect({
      ...(port === undefined ? { path: host } : { host, port }),
      ...(ca !== undefined && { ca: ca as string | Buffer }),
      ...(cert !== undefined && { cert: Buffer.from(cert) }),
      ...(key !== undefined && { key: Buffer.from(key) }),
      ...(passphrase !== undefined && { passphrase }),
      ALPNProtocols: ["h2"],
      minVersion: "TLSv1.2",
      // Judged by the caller, who wants to see the certificate all the same.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ...(isIP(name) === 0 && { servername: name }),
    });
    let shown: Omit<Extract<Probe, { kind: "shown" }>, "reaction" | "alert"> | undefined;
    const end = (reaction: Reaction, error?: NodeJS.ErrnoException): void => {
      socket.destroy();
      if (shown !== undefined) {
        resolve({ ...shown, reaction, alert: error && reasonOf(error) });
        return;
      }
      const code = error?.code ?? (reaction === "silent" ? "ETIMEDOUT" : "ECONNRESET");
      const reason = error === undefined ? "no answer in time" : reasonOf(error);
      resolve({ kind: "unreachable", reason, code });
    };
    socket.setTimeout(timeoutMs, () => end("silent"));
    socket.once("secureConnect", () => {
      shown = describe(socket);
      socket.write(HTTP2_GREETING);
    });
    socket.once("data", () => end("answered"));
    socket.once("error", (error) => end("hung up", error));
    socket.once("close", () => end("hung up"));
  });
}

/** OpenSSL's message names its own source lines; its reason is for people. */
function reasonOf(error: Error & { readonly reason?: string }): string {
  return error.reason ?? error.message;
}

/** The name that the server has to prove. */
export function serverNameOf({ host, port }: ProbeTarget, { serverName }: TlsOptions): string {
  if (serverName !== undefined) return serverName;
  return port === undefined ? "localhost" : host.replace(/\.$/, "");
}

function describe(socket: TLSSocket) {
  const chain: X509Certificate[] = [];
  let next = socket.getPeerX509Certificate();
  while (next !== undefined && chain.length < MAX_SHOWN_CERTIFICATES) {
    chain.push(next);
    const issuer: X509Certificate | undefined = next.issuerCertificate;
    if (issuer === undefined || issuer.fingerprint256 === next.fingerprint256) break;
    next = issuer;
  }
  const { alpnProtocol, authorized, authorizationError } = socket;
  return {
    kind: "shown" as const,
    version: socket.getProtocol() ?? "",
    cipher: socket.getCipher().name,
    protocol: alpnProtocol === null || alpnProtocol === false ? undefined : alpnProtocol,
    chain,
    chainCode: authorized ? undefined : String(authorizationError ?? "UNKNOWN"),
  };
}

/** The preface and empty SETTINGS (RFC 9113, section 3.4): a server answers with its own. */
const HTTP2_GREETING = Buffer.from(
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
  "latin1",
);
