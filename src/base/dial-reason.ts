/** Go's words for what the system says when a connection cannot be opened. */
export function dialReason(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case "ECONNREFUSED":
      return "connect: connection refused";
    case "ECONNRESET":
      // Node's own remarks, such as on an unfinished handshake, come without a system call.
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

/** OpenSSL's message names its own source lines; its reason is for people. */
function tlsReason(
  error: NodeJS.ErrnoException & { readonly reason?: string },
): string | undefined {
  const { code, reason } = error;
  if (reason === undefined || code === undefined || !/^ERR_O?SSL_/.test(code)) return undefined;
  const alert = /\balert (.+)$/.exec(reason)?.[1];
  return alert === undefined ? `tls: ${reason}` : `remote error: tls: ${alert}`;
}
