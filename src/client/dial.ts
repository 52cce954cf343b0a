/**
 * Opens one connection to an endpoint: TCP, unix or TLS socket, then HTTP/2 until the server's
 * SETTINGS. Nothing was sent of any call when a dial fails, so every call survives it.
 */
import { connect as netConnect, isIP, type Socket } from "node:net";
import type { SecureContextOptions } from "node:tls";
import { StatusCode } from "../api/errors.ts";
import { dialReason } from "../base/dial-reason.ts";
import type { Clock } from "../env/clock.ts";
import { ClientConnection, type ClientOptions } from "../transport/client/connection.ts";
import { RpcError } from "../transport/client/rpc-error.ts";
import { joinHostPort } from "../base/port.ts";
import type { Connection } from "./connection.ts";
import type { Pem, TlsOptions } from "./options.ts";
import type { Target } from "./target.ts";

export interface DialOptions {
  readonly tls: TlsOptions | undefined;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly connection: ClientOptions;
}

/** A dial under way. */
export interface Dial {
  /** Rejects with `RpcError` UNAVAILABLE, `unprocessed`. */
  readonly connection: Promise<Connection>;
  /** Gives up; `connection` then rejects. */
  abandon(): void;
}

export function dial(target: Target, options: DialOptions): Dial {
  const attempt = new DialAttempt(target, options);
  return { connection: attempt.run(), abandon: () => attempt.fail("the client is closed") };
}

class DialAttempt {
  readonly #target: Target;
  readonly #options: DialOptions;
  #socket: Socket | undefined;
  #failure: RpcError | undefined;
  #reject: ((error: RpcError) => void) | undefined;

  constructor(target: Target, options: DialOptions) {
    this.#target = target;
    this.#options = options;
  }

  async run(): Promise<ClientConnection> {
    const { clock, timeoutMs } = this.#options;
    const timer = clock.setTimer(timeoutMs, () => this.fail("i/o timeout"));
    try {
      const socket = await this.#open();
      const { secure } = this.#target;
      const connection = new ClientConnection(socket, authorityOf(this.#target), !secure, {
        ...this.#options.connection,
        clock,
        scheme: secure ? "https" : "http",
      });
      await connection.ready();
      return connection;
    } catch (error) {
      this.fail(error instanceof Error ? dialReason(error) : String(error));
      throw this.#failure;
    } finally {
      timer.cancel();
    }
  }

  fail(reason: string): void {
    if (this.#failure !== undefined) return;
    this.#failure = new RpcError(
      StatusCode.UNAVAILABLE,
      `connection error: desc = "transport: Error while dialing: dial ${this.#address()}: ${reason}"`,
      true,
    );
    this.#socket?.destroy();
    this.#reject?.(this.#failure);
  }

  #address(): string {
    const { host, port } = this.#target;
    return port === undefined ? `unix ${host}` : `tcp ${joinHostPort(host, port)}`;
  }

  async #open(): Promise<Socket> {
    const { host, port, secure } = this.#target;
    const where = port === undefined ? { path: host } : { host, port, noDelay: true };
    if (!secure) return this.#connected(netConnect(where), "connect");
    const tls = await import("node:tls");
    if (this.#failure !== undefined) throw this.#failure;
    const options = this.#options.tls ?? {};
    // A name with its final dot is certified, and sent as SNI (RFC 6066, section 3), without it.
    const named = host.endsWith(".") ? host.slice(0, -1) : host;
    const servername = options.serverName ?? (port === undefined ? "localhost" : named);
    const socket = tls.connect({
      ...where,
      ...secureContext(options),
      ALPNProtocols: ["h2"],
      minVersion: "TLSv1.2",
      rejectUnauthorized: options.insecureSkipVerify !== true,
      // SNI carries names only (RFC 6066, section 3); an address is verified all the same.
      ...(isIP(servername) === 0 ? { servername } : {}),
      checkServerIdentity: (_name, certificate) => tls.checkServerIdentity(servername, certificate),
    });
    return this.#connected(socket, "secureConnect");
  }

  #connected(socket: Socket, event: "connect" | "secureConnect"): Promise<Socket> {
    this.#socket = socket;
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      const onError = (error: Error): void => this.fail(dialReason(error));
      socket.once("error", onError);
      // A TLS server may close during the handshake without an error.
      socket.once("close", () => this.fail("connection closed during the handshake"));
      socket.once(event, () => {
        socket.off("error", onError);
        resolve(socket);
      });
    });
  }
}

/** As etcd's client: a socket is called by the name of its file, as in "localhost:2379". */
export function authorityOf({ host, port }: Target): string {
  if (port !== undefined) return joinHostPort(host, port);
  const name = /[^/]*$/.exec(host.replace(/\/+$/, ""))?.[0] || "localhost";
  // RFC 9110, section 4.2.3: what no authority may hold is escaped.
  return encodeURI(name).replace(/[?#]/g, encodeURIComponent);
}

function secureContext(options: TlsOptions): SecureContextOptions {
  const { ca, cert, key, passphrase } = options;
  return {
    ...(ca === undefined ? {} : { ca: Array.isArray(ca) ? ca.map(toPem) : toPem(ca as Pem) }),
    ...(cert === undefined ? {} : { cert: toPem(cert) }),
    ...(key === undefined ? {} : { key: toPem(key) }),
    ...(passphrase === undefined ? {} : { passphrase }),
  };
}

function toPem(pem: Pem): string {
  return typeof pem === "string" ? pem : Buffer.from(pem).toString("latin1");
}
