/**
 * The server's half of TLS on accepted sockets. The runtime does the handshake; whether the client
 * may talk is decided here, with one set of checks for every listener.
 *
 * A handshake that does not end costs memory and may be one of thousands: it has ten seconds until
 * the client's hello and ten from there, and when too many are under way the oldest one goes. An
 * honest client's takes milliseconds, so it is never the oldest of a thousand that idle.
 */
import { joinHostPort } from "../../base/port.ts";
import type { Socket } from "node:net";
import { createServer, type SecureContext, type Server, TLSSocket } from "node:tls";
import { alertReason } from "../../base/certificate-reason.ts";
import { shownCertificates } from "../../base/shown-certificates.ts";
import type { Clock } from "../../env/clock.ts";
import type { Logger } from "../../env/logger.ts";
import type { SecuredConnection, TlsAcceptor } from "../../env/tls.ts";
import { awaitHello } from "./client-hello.ts";
import { SilentConnections } from "./silent-connections.ts";
import type { TlsCredentials } from "./tls-credentials.ts";
import { requiresClientCertificate } from "./tls-settings.ts";
import {
  addressProblem,
  alternativeNames,
  chainProblem,
  commonName,
  nameProblem,
  type NameLookup,
  revocationProblem,
} from "./verify-peer.ts";

/** For the client's hello, and again for the rest of the handshake. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Of a listener, after the client's hello. About 50 KB each while they last. */
const MAX_PENDING_HANDSHAKES = 1000;
/** Connections of a listener that have not said hello. About 5 KB each. */
const MAX_SILENT_CONNECTIONS = 4000;
const PROTOCOLS = ["h2", "http/1.1"];

export interface TlsListenerOptions {
  readonly credentials: TlsCredentials;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Such as "rejected connection on client endpoint". */
  readonly rejectedMessage: string;
  /**
   * Set on peer listeners: a certificate with alternative names must be for the address that it
   * comes from. Undefined: clients come from anywhere.
   */
  readonly names: NameLookup | undefined;
  /** Told of the outcome of each handshake. */
  readonly onOutcome?: (outcome: "done" | "rejected") => void;
}

export class NodeTlsAcceptor implements TlsAcceptor {
  onSecured: ((connection: SecuredConnection) => void) | undefined;
  onPlain: ((socket: Socket) => void) | undefined;
  readonly #options: TlsListenerOptions;
  readonly #server: Server;
  readonly #silent: SilentConnections;
  /** By the client's address, in the order of arrival. Unix sockets have none, and no strangers. */
  readonly #pending = new Map<string, Socket>();
  #shown: SecureContext | undefined;

  constructor(options: TlsListenerOptions) {
    this.#options = options;
    this.#silent = new SilentConnections({
      clock: options.clock,
      limit: MAX_SILENT_CONNECTIONS,
      timeoutMs: HANDSHAKE_TIMEOUT_MS,
      onTimeout: (socket) => this.#logRejection(socket, "i/o timeout"),
    });
    const needsCertificate = requiresClientCertificate(options.credentials.settings);
    this.#server = createServer({
      ALPNProtocols: PROTOCOLS,
      requestCert: needsCertificate,
      // A client without any is told so by an alert. One whose chain does not verify is not: the
      // runtime closes the connection after the handshake.
      rejectUnauthorized: needsCertificate,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    });
    // A socket that was asked for its address remembers it when it is closed: for the log.
    if (needsCertificate) this.#server.on("keylog", (_line, stream) => void stream.remoteAddress);
    this.#server.on("secureConnection", (stream) => void this.#decide(stream));
    this.#server.on("tlsClientError", (error, stream) =>
      this.#reject(stream, chainProblem(stream) ?? wordsOf(error)),
    );
  }

  accept(socket: Socket): void {
    const remote = addressOf(socket);
    this.#silent.add(socket);
    const onError = (): void => {
      socket.destroy();
    };
    const onClose = (): void => {
      if (this.#silent.delete(socket)) this.#logRejection(socket, "EOF", remote);
    };
    socket.on("error", onError);
    socket.on("end", onError);
    socket.once("close", onClose);
    awaitHello(socket, (isTls) => {
      socket.off("error", onError);
      socket.off("end", onError);
      socket.off("close", onClose);
      this.#silent.delete(socket);
      // What is no TLS at all and not wanted here is for OpenSSL to refuse.
      if (isTls || this.onPlain === undefined) this.#begin(socket);
      else this.onPlain(socket);
    });
  }

  stop(): void {
    this.#silent.stop();
    for (const socket of this.#pending.values()) socket.destroy();
  }

  /** The handshake proper. */
  #begin(socket: Socket): void {
    const credentials = this.#options.credentials.server();
    if (credentials === undefined) {
      socket.destroy();
      return;
    }
    if (this.#shown !== credentials.context) {
      this.#shown = credentials.context;
      this.#server.setSecureContext(credentials.options);
    }
    this.#track(socket);
    this.#server.emit("connection", socket);
  }

  #track(socket: Socket): void {
    if (socket.remoteAddress === undefined) return;
    if (this.#pending.size >= MAX_PENDING_HANDSHAKES) {
      const [oldest] = this.#pending.values();
      oldest?.destroy();
    }
    const address = addressOf(socket);
    this.#pending.set(address, socket);
    socket.once("close", () => {
      if (this.#pending.get(address) === socket) this.#pending.delete(address);
    });
  }

  async #decide(stream: TLSSocket): Promise<void> {
    const remote = addressOf(stream);
    stream.on("error", () => stream.destroy());
    const problem = await this.#problem(stream);
    this.#pending.delete(remote);
    if (stream.destroyed) return;
    if (problem !== undefined) {
      this.#reject(stream, problem);
      return;
    }
    this.#options.onOutcome?.("done");
    const certificate = stream.authorized ? stream.getPeerX509Certificate() : undefined;
    this.onSecured?.({
      stream,
      protocol: protocolOf(stream),
      remote,
      certificateName: certificate && commonName(certificate),
    });
  }

  /** Why this client may not talk; undefined when it may. */
  async #problem(stream: TLSSocket): Promise<string | undefined> {
    const { credentials, names } = this.#options;
    const { settings } = credentials;
    if (!requiresClientCertificate(settings)) return undefined;
    const shown = shownCertificates(stream);
    const [own] = shown;
    if (own === undefined) return "tls: client didn't provide a certificate";
    return (
      nameProblem(own, settings) ??
      revocationProblem(shown, credentials.revoked()) ??
      (names === undefined ? undefined : addressProblem(own, hostOf(stream), names))
    );
  }

  #reject(stream: TLSSocket, reason: string): void {
    this.#logRejection(stream, reason);
    stream.destroy();
  }

  #logRejection(stream: Socket, reason: string, remote = addressOf(stream)): void {
    const { logger, rejectedMessage, onOutcome } = this.#options;
    const certificate = stream instanceof TLSSocket ? stream.getPeerX509Certificate() : undefined;
    const { dns, addresses } = certificate === undefined ? NO_NAMES : alternativeNames(certificate);
    logger.warn(rejectedMessage, {
      "remote-addr": remote,
      "server-name": serverNameOf(stream),
      "ip-addresses": addresses,
      "dns-names": dns,
      error: reason,
    });
    onOutcome?.("rejected");
  }
}

const NO_NAMES = { dns: [], addresses: [] } as const;

function protocolOf({ alpnProtocol }: TLSSocket): "h2" | "http/1.1" | undefined {
  return alpnProtocol === "h2" || alpnProtocol === "http/1.1" ? alpnProtocol : undefined;
}

function addressOf(socket: Socket): string {
  if (socket.remoteAddress === undefined) return "@";
  return joinHostPort(hostOf(socket), socket.remotePort ?? 0);
}

/** Without the prefix of an IPv4 address on a socket for both families. */
function hostOf({ remoteAddress = "" }: Socket): string {
  return remoteAddress.replace(/^::ffff:(?=[0-9.]+$)/, "");
}

function serverNameOf(stream: Socket): string {
  const { servername } = stream as { servername?: string | false | null };
  return typeof servername === "string" ? servername : "";
}

/** Go's words for a handshake that failed. */
function wordsOf(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case "ERR_TLS_HANDSHAKE_TIMEOUT":
      return "i/o timeout";
    case "ECONNRESET":
      return "EOF";
    case "ERR_SSL_HTTP_REQUEST":
    case "ERR_SSL_WRONG_VERSION_NUMBER":
      return "tls: first record does not look like a TLS handshake";
    case "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE":
      return "tls: client didn't provide a certificate";
    case "ERR_SSL_NO_SHARED_CIPHER":
      return "tls: no cipher suite supported by both client and server";
    case "ERR_SSL_UNSUPPORTED_PROTOCOL":
    case "ERR_SSL_VERSION_TOO_LOW":
      return "tls: client offered only unsupported versions";
    case "ERR_SSL_NO_APPLICATION_PROTOCOL":
      return "tls: client requested unsupported application protocols";
    default: {
      const alert = /alert ([a-z ]+)/.exec(error.message)?.[1];
      return alert === undefined ? `tls: ${error.code ?? error.message}` : alertReason(alert);
    }
  }
}
