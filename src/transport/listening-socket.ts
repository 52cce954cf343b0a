/**
 * A socket that listens: bound on both families where Go binds both, and full at a number of
 * connections. Full means that it accepts no more: who connects then waits in the system's queue
 * until another connection ends, as behind Go's `LimitListener`.
 *
 * Node cannot pause a listening socket. The pause keeps a second descriptor of it and closes the
 * first; the queue belongs to the socket and stays. Where no second descriptor is to be had (unix
 * sockets, whose file goes with the first, and other systems), surplus connections are closed.
 */
import { closeSync, existsSync } from "node:fs";
import { createServer, type Server, type ServerOpts, type Socket } from "node:net";
import { dirname } from "node:path";
import { joinHostPort, MAX_PORT } from "../base/port.ts";
import { systemErrorText } from "../base/system-errors.ts";
import type { Logger } from "../env/logger.ts";

export type ListenAddress =
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

export interface ListeningOptions {
  readonly logger: Pick<Logger, "warn">;
  /** At how many connections the socket is full. Default: no limit. */
  readonly maxConnections?: number | undefined;
  /** A new descriptor of the same socket; undefined when the system refuses. */
  readonly duplicate?: ((descriptor: number) => number | undefined) | undefined;
  /**
   * Makes TCP ports ones that several processes may listen on: the descriptor of a bound socket, or
   * the system's name for its refusal. "" is every address. Default: one process per port.
   */
  readonly bindShared?: ((host: string, port: number) => number | string) | undefined;
  /** A client that has said all may still be answered. Default: its end closes the connection. */
  readonly allowHalfOpen?: boolean | undefined;
}

/** Connections that wait in the system until they are accepted; the system may allow fewer. */
const BACKLOG = 1024;

const SOCKET_OPTIONS = {
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: 30_000,
  pauseOnConnect: true,
} as const;

function socketOptions({ allowHalfOpen = false }: ListeningOptions): ServerOpts {
  return { ...SOCKET_OPTIONS, allowHalfOpen };
}

type State =
  | { readonly kind: "accepting"; readonly server: Server }
  /** Full: the descriptor holds the socket. */
  | { readonly kind: "full"; readonly descriptor: number }
  | { readonly kind: "closed" };

export class ListeningSocket {
  /** Where it is bound; the port is the real one if 0 was asked for. */
  readonly address: ListenAddress;
  readonly #options: ListeningOptions;
  readonly #onConnection: (socket: Socket) => void;
  #state: State;
  #connections = 0;

  private constructor(
    server: Server,
    asked: ListenAddress,
    options: ListeningOptions,
    onConnection: (socket: Socket) => void,
  ) {
    const bound = server.address();
    this.address =
      bound !== null && typeof bound === "object"
        ? { host: bound.address, port: bound.port }
        : asked;
    this.#options = options;
    this.#onConnection = onConnection;
    this.#state = { kind: "accepting", server };
    this.#attach(server);
  }

  /** Rejects with Go's text, such as "listen tcp 1.2.3.4:1: bind: …". */
  static bind(
    address: ListenAddress,
    options: ListeningOptions,
    onConnection: (socket: Socket) => void,
  ): Promise<ListeningSocket> {
    const problem = addressProblem(address);
    if (problem !== undefined) return Promise.reject(new Error(problem));
    const server = createServer(socketOptions(options));
    return new Promise((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) => {
        reject(new Error(bindErrorText(address, error), { cause: error }));
      });
      server.once("listening", () => {
        server.removeAllListeners();
        resolve(new ListeningSocket(server, address, options, onConnection));
      });
      if ("path" in address) {
        server.listen({ path: address.path, backlog: BACKLOG });
        return;
      }
      const host = hostOf(address.host);
      if (options.bindShared === undefined) {
        server.listen({ ...host, port: address.port, backlog: BACKLOG });
        return;
      }
      const fd = options.bindShared(host.host ?? "", address.port);
      if (typeof fd === "number") server.listen({ fd, backlog: BACKLOG });
      else server.emit("error", Object.assign(new Error(fd), { code: fd }));
    });
  }

  /** Accepts no more; connections that it has accepted go on. */
  close(): void {
    const state = this.#state;
    this.#state = { kind: "closed" };
    if (state.kind === "accepting") state.server.close();
    else if (state.kind === "full") closeSync(state.descriptor);
  }

  #attach(server: Server): void {
    server.on("error", (error) => this.#options.logger.warn("listener error", { error }));
    server.on("connection", (socket) => this.#accept(socket));
  }

  #accept(socket: Socket): void {
    this.#connections++;
    socket.once("close", () => {
      this.#connections--;
      this.#resume();
    });
    const { maxConnections = Number.POSITIVE_INFINITY } = this.#options;
    if (this.#connections > maxConnections) {
      this.#options.logger.warn("closed a connection beyond the limit of connections", {
        ...this.#fields(),
        "remote-addr": remoteAddress(socket),
      });
      socket.destroy();
      return;
    }
    if (this.#connections === maxConnections) this.#pause();
    this.#onConnection(socket);
  }

  #pause(): void {
    const state = this.#state;
    if (state.kind !== "accepting" || "path" in this.address) return;
    const first = descriptorOf(state.server);
    const descriptor = first === undefined ? undefined : this.#options.duplicate?.(first);
    if (descriptor === undefined) return;
    state.server.close();
    this.#state = { kind: "full", descriptor };
    this.#options.logger.warn(
      "the limit of connections is reached; further ones wait until one ends",
      this.#fields(),
    );
  }

  #resume(): void {
    if (this.#state.kind !== "full") return;
    const server = createServer(socketOptions(this.#options));
    this.#attach(server);
    server.listen({ fd: this.#state.descriptor, backlog: BACKLOG });
    this.#state = { kind: "accepting", server };
  }

  #fields(): Readonly<Record<string, unknown>> {
    const { address } = this;
    return {
      address: "path" in address ? address.path : joinHostPort(address.host, address.port),
      "max-connections": this.#options.maxConnections,
    };
  }
}

/** Node has no public name for it. */
function descriptorOf(server: Server): number | undefined {
  const { _handle: handle } = server as { readonly _handle?: { readonly fd?: number } };
  return handle?.fd;
}

/** As Go listens on "tcp": the IPv4 wildcard is every address, IPv6 too where the host has it. */
function hostOf(host: string): { readonly host?: string } {
  return host === "" || host === "0.0.0.0" || host === "::" ? {} : { host };
}

/** Go's form of a peer's address; a socket of both families maps IPv4 addresses into IPv6. */
export function remoteAddress(socket: Socket): string {
  const { remoteAddress: address, remotePort } = socket;
  if (address === undefined) return "@";
  return joinHostPort(address.replace(/^::ffff:(?=[\d.]+$)/, ""), remotePort ?? 0);
}

/** What the system takes, without the end mark; Node would cut a longer path off and bind elsewhere. */
const MAX_UNIX_PATH_BYTES = 107;

/** What Go refuses before it asks the system; undefined when nothing. */
function addressProblem(address: ListenAddress): string | undefined {
  if ("path" in address) {
    const isTooLong = Buffer.byteLength(address.path) > MAX_UNIX_PATH_BYTES;
    return isTooLong ? `listen unix ${address.path}: bind: invalid argument` : undefined;
  }
  if (address.port <= MAX_PORT) return undefined;
  return `listen tcp: address ${address.port}: invalid port`;
}

function bindErrorText(address: ListenAddress, error: NodeJS.ErrnoException): string {
  if ("path" in address) {
    // Node says so for a folder that is missing, too.
    const isMissing = error.code === "EACCES" && !existsSync(dirname(address.path));
    const reason = isMissing ? "no such file or directory" : systemErrorText(error);
    return `listen unix ${address.path}: bind: ${reason}`;
  }
  if (error.code === "ENOTFOUND" || error.code === "EAI_AGAIN") {
    return `listen tcp: lookup ${address.host}: no such host`;
  }
  const call = error.code === "EMFILE" || error.code === "EAFNOSUPPORT" ? "socket" : "bind";
  const at = `listen tcp ${joinHostPort(address.host, address.port)}`;
  return `${at}: ${call}: ${systemErrorText(error)}`;
}
