/**
 * The client's half of TLS towards other members: shows this member's certificate, and verifies the
 * other one's for the host that was dialled.
 */
import { isIP, type LookupFunction, type Socket } from "node:net";
import { checkServerIdentity, connect, type TLSSocket } from "node:tls";
import type { TlsCredentials } from "./tls-credentials.ts";
import { nameProblem } from "./verify-peer.ts";

/** Where to connect, and how (see `DialTarget`): a host and port, or the path of a unix socket. */
export type TlsTarget =
  | {
      readonly host: string;
      readonly port: number;
      readonly lookup?: LookupFunction;
      readonly localAddress?: string;
    }
  | { readonly path: string };

const NO_SUBJECT = { C: "", ST: "", L: "", O: "", OU: "", CN: "" } as const;
const KEEP_ALIVE = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 15_000 } as const;

export class TlsDialer {
  readonly #credentials: TlsCredentials;

  constructor(credentials: TlsCredentials) {
    this.#credentials = credentials;
  }

  /**
   * Failures are the socket's "error" event; "secureConnect" comes when the peer is verified.
   * @param serverName what the peer must prove to be, instead of the host that is dialled.
   */
  dial(target: TlsTarget, serverName = ""): Socket {
    const { settings } = this.#credentials;
    const host = "path" in target ? "localhost" : target.host;
    const expected = serverName === "" ? host : serverName;
    const socket: TLSSocket = connect({
      ...target,
      ...KEEP_ALIVE,
      secureContext: this.#credentials.client(),
      ALPNProtocols: ["http/1.1"],
      // Nobody has signed what `--peer-auto-tls` makes; etcd does not verify it either.
      rejectUnauthorized: !settings.isSelfSigned,
      // SNI carries names only (RFC 6066, section 3); an address is verified all the same.
      ...(isIP(expected) === 0 && { servername: expected }),
      checkServerIdentity: (_name, certificate) => {
        // Without its subject: Go never takes a common name for a host.
        const named = { ...certificate, subject: NO_SUBJECT };
        const mismatch = checkServerIdentity(expected, named);
        if (mismatch !== undefined) return mismatch;
        const shown = socket.getPeerX509Certificate();
        const problem = shown && nameProblem(shown, settings);
        return problem === undefined ? undefined : new Error(problem);
      },
    });
    return socket;
  }
}
