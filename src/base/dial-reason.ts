/** Go's words for what the system, or TLS, says when a connection cannot be opened. */
import { alertReason, chainReason, nameReason } from "./certificate-reason.ts";

/** Node's remark, without a code of its own, on a peer that hangs up amid a handshake. */
const HUNG_UP = /^Client network socket disconnected before secure TLS connection/;

export function dialReason(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case "ECONNREFUSED":
      return "connect: connection refused";
    case "ECONNRESET":
      if (HUNG_UP.test(error.message)) return "EOF";
      // Node's own remarks come without a system call.
      return error.syscall === undefined ? error.message : "connection reset by peer";
    case "ENOTFOUND":
      return "no such host";
    case "EHOSTUNREACH":
      return "connect: no route to host";
    case "ENETUNREACH":
      return "connect: network is unreachable";
    case "ENOENT":
      return "connect: no such file or directory";
    case "ETIMEDOUT":
      return "i/o timeout";
    default:
      return tlsReason(error) ?? error.message;
  }
}

/** OpenSSL's message names its own source lines; its reason is for people. Undefined: not of TLS. */
export function tlsReason(
  error: NodeJS.ErrnoException & { readonly reason?: string },
): string | undefined {
  const { code = "", reason } = error;
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return nameReason(error);
  const chain = chainReason(code);
  if (chain !== undefined) return chain;
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER" || code === "ERR_SSL_PACKET_LENGTH_TOO_LONG") {
    return "tls: first record does not look like a TLS handshake";
  }
  if (reason === undefined || !/^ERR_O?SSL_/.test(code)) return undefined;
  const alert = /\balert (.+)$/.exec(reason)?.[1];
  return alert === undefined ? `tls: ${reason}` : alertReason(alert);
}
