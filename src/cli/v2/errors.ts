/**
 * What can go wrong between this client and a cluster, in the words of etcd's v2 client. Which of
 * them mean "no connection" decides the exit code.
 */

import { joinHostPort } from "../../base/port.ts";
import { isIP } from "node:net";
import { unknownName } from "../framework/srv-lookup.ts";

/** Any failure whose message is shown to the user as it is. */
export class ClientError extends Error {
  /** True for failures to connect, resets and timeouts of the network. */
  readonly isConnection: boolean;

  constructor(message: string, isConnection = false) {
    super(message);
    this.name = "ClientError";
    this.isConnection = isConnection;
  }
}

/** The command's whole time is over; nothing more is tried. */
export class DeadlineError extends ClientError {
  constructor() {
    super("context deadline exceeded", true);
    this.name = "DeadlineError";
  }
}

/** The list of members is empty of addresses for clients. */
export class NoEndpointsError extends ClientError {
  constructor() {
    super("client: no endpoints available");
    this.name = "NoEndpointsError";
  }
}

/** Every endpoint failed, each for its own reason. */
export class ClusterError extends ClientError {
  /** One line for each endpoint. */
  readonly detail: string;

  constructor(errors: readonly ClientError[]) {
    const lines = errors.map((error, i) => `error #${i}: ${error.message}\n`);
    super(
      `client: etcd cluster is unavailable or misconfigured${lines.map((line) => `; ${line}`).join("")}`,
      errors.every((error) => error.isConnection),
    );
    this.name = "ClusterError";
    this.detail = lines.join("");
  }
}

const SYSTEM_TEXTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset by peer",
  EHOSTUNREACH: "no route to host",
  ENETUNREACH: "network is unreachable",
  ENOENT: "no such file or directory",
  EACCES: "permission denied",
  EADDRNOTAVAIL: "cannot assign requested address",
};

/** A failure of Node's network as Go's would be told; `host` is the address that was dialled. */
export function networkError(error: unknown, host: string): ClientError {
  const failure = error as NodeJS.ErrnoException & { errors?: readonly unknown[] };
  const [inner] = failure.errors ?? [];
  if (inner !== undefined) return networkError(inner, host);
  const { code = "", syscall, message } = failure;
  const target = dialledAddress(failure, host);
  const text = SYSTEM_TEXTS[code];
  if (syscall === "connect" && code === "ETIMEDOUT") {
    return new ClientError(`dial ${target}: i/o timeout`, true);
  }
  if (syscall === "connect" && text !== undefined) {
    return new ClientError(`dial ${target}: connect: ${text}`, true);
  }
  if (syscall === "getaddrinfo") {
    return new ClientError(`dial tcp: ${unknownName(hostname(host))}`, true);
  }
  if (syscall === "read" && text !== undefined) {
    return new ClientError(`read ${target}: read: ${text}`, true);
  }
  if (code === "ECONNRESET" || code === "ERR_SSL_UNEXPECTED_EOF_WHILE_READING") {
    return new ClientError("EOF");
  }
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER" || code === "EPROTO") {
    return new ClientError("tls: first record does not look like a TLS handshake");
  }
  return new ClientError(tlsText(failure) ?? message);
}

function tlsText(failure: NodeJS.ErrnoException): string | undefined {
  switch (failure.code) {
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return wrongCertificateText(failure);
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
      return "x509: certificate signed by unknown authority";
    case "CERT_HAS_EXPIRED":
    case "CERT_NOT_YET_VALID":
      return "x509: certificate has expired or is not yet valid";
    default:
      return undefined;
  }
}

/** The certificate is sound, but made for other names or addresses. */
function wrongCertificateText(failure: object): string {
  const { host = "", cert } = failure as { host?: string; cert?: { subjectaltname?: string } };
  const wanted = host.replace(/\.$/, "");
  const kind = isIP(wanted) === 0 ? "DNS:" : "IP Address:";
  const valid = (cert?.subjectaltname ?? "")
    .split(", ")
    .filter((name) => name.startsWith(kind))
    .map((name) => name.slice(kind.length))
    .join(", ");
  if (valid !== "") return `x509: certificate is valid for ${valid}, not ${wanted}`;
  return kind === "DNS:"
    ? `x509: certificate is not valid for any names, but wanted to match ${wanted}`
    : `x509: cannot validate certificate for ${wanted} because it doesn't contain any IP SANs`;
}

function dialledAddress(error: NodeJS.ErrnoException, host: string): string {
  const { address, port } = error as { address?: string; port?: number };
  if (address === undefined) return `tcp ${host}`;
  if (port === undefined) return `unix ${address}`;
  return `tcp ${joinHostPort(address, port)}`;
}

function hostname(host: string): string {
  return host.replace(/:\d*$/, "");
}
