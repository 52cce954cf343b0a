/**
 * TLS as arguments: what a listener needs of it. Certificates, verification and reload are the
 * platform's business; the transport moves the decrypted bytes.
 */
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

/** A connection whose handshake is done and whose peer may talk. */
export interface SecuredConnection {
  readonly stream: Duplex;
  /** What ALPN chose; undefined when the client offered nothing. */
  readonly protocol: "h2" | "http/1.1" | undefined;
  /** "ip:port" of the client, "@" for unix sockets. */
  readonly remote: string;
  /** Common name of the verified client certificate; undefined without one. */
  readonly certificateName: string | undefined;
}

export interface TlsAcceptor {
  /** Set by the listener before the first `accept`. */
  onSecured: ((connection: SecuredConnection) => void) | undefined;
  /**
   * Set by a listener that serves plain connections too: gets those that begin with no handshake,
   * paused and with nothing taken from them. Undefined: they fail as handshakes.
   */
  onPlain: ((socket: Socket) => void) | undefined;
  /**
   * Does the server's half of the handshake on an accepted socket, and verifies the client. On
   * failure the socket is closed and the reason logged.
   */
  accept(socket: Socket): void;
  /** Closes what is still shaking hands. Established connections live on. */
  stop(): void;
}
