/**
 * `etcd gateway`: passes the bytes of TCP connections on, without looking at them. Each connection
 * goes to one endpoint. An endpoint that cannot be reached is left out until it answers again, for
 * which it is asked every `retryDelayMs`; the client notices nothing while another one is alive.
 *
 * An end of one direction is passed on and the other direction goes on; an error ends both.
 */
import { connect, type Socket } from "node:net";
import { dialReason } from "../../base/dial-reason.ts";
import { formatDuration } from "../../base/go-text.ts";
import type { Clock, Timer } from "../../env/clock.ts";
import type { Logger } from "../../env/logger.ts";
import type { Random } from "../../env/random.ts";
import { type ListenAddress, ListeningSocket } from "../../transport/listening-socket.ts";
import { joinHostPort } from "../../base/port.ts";
import { EndpointChoice, type TcpEndpoint } from "./endpoint-choice.ts";

export interface TcpProxyOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly endpoints: readonly TcpEndpoint[];
  /** How long an endpoint that failed is left alone; 0 means five minutes. */
  readonly retryDelayMs: number;
  /** Further clients wait until one goes. Default: no limit. */
  readonly maxConnections?: number | undefined;
  readonly duplicate?: ((descriptor: number) => number | undefined) | undefined;
}

export interface TcpProxyDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** An endpoint that does not answer at all must not hold the client; the next one is tried. */
const DIAL_TIMEOUT_MS = 5_000;
const DEFAULT_RETRY_DELAY_MS = 300_000;
const KEEP_ALIVE = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 } as const;

interface Remote extends TcpEndpoint {
  /** "host:port". */
  readonly address: string;
  isAlive: boolean;
}

export class TcpProxy {
  readonly #deps: TcpProxyDeps;
  readonly #remotes: readonly Remote[];
  readonly #choice: EndpointChoice;
  readonly #retryDelayMs: number;
  readonly #sockets = new Set<Socket>();
  #listening: ListeningSocket | undefined;
  #retry: Timer | undefined;

  private constructor(options: TcpProxyOptions, deps: TcpProxyDeps) {
    this.#deps = deps;
    this.#choice = new EndpointChoice(deps.random);
    this.#retryDelayMs = options.retryDelayMs === 0 ? DEFAULT_RETRY_DELAY_MS : options.retryDelayMs;
    this.#remotes = options.endpoints.map((endpoint) => ({
      ...endpoint,
      address: joinHostPort(endpoint.host, endpoint.port),
      isAlive: true,
    }));
  }

  /** Listens. Rejects with the system's refusal in Go's words. */
  static async start(options: TcpProxyOptions, deps: TcpProxyDeps): Promise<TcpProxy> {
    const proxy = new TcpProxy(options, deps);
    const { logger } = deps;
    const { maxConnections, duplicate } = options;
    proxy.#listening = await ListeningSocket.bind(
      options.listen,
      { logger, maxConnections, duplicate, allowHalfOpen: true },
      (socket) => void proxy.#serve(socket),
    );
    proxy.#scheduleRetry();
    return proxy;
  }

  get address(): ListenAddress | undefined {
    return this.#listening?.address;
  }

  /** "host:port" of each endpoint. */
  get endpoints(): readonly string[] {
    return this.#remotes.map(({ address }) => address);
  }

  /** Closes everything, connections that are in use too. */
  stop(): void {
    this.#listening?.close();
    this.#retry?.cancel();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #serve(client: Socket): Promise<void> {
    this.#own(client);
    for (;;) {
      const remote = this.#choice.next(this.#remotes.filter(({ isAlive }) => isAlive));
      if (remote === undefined) break;
      const outcome = await this.#dial(remote);
      if (outcome instanceof Error) {
        remote.isAlive = false;
        this.#deps.logger.warn("deactivated endpoint", this.#fields(remote, outcome));
      } else if (client.destroyed) {
        outcome.destroy();
        return;
      } else {
        join(client, outcome);
        return;
      }
    }
    client.destroy();
  }

  #scheduleRetry(): void {
    this.#retry = this.#deps.clock.setTimer(this.#retryDelayMs, () => {
      for (const remote of this.#remotes) if (!remote.isAlive) void this.#revive(remote);
      this.#scheduleRetry();
    });
  }

  async #revive(remote: Remote): Promise<void> {
    const { logger } = this.#deps;
    const outcome = await this.#dial(remote);
    if (outcome instanceof Error) {
      logger.warn(
        "failed to activate endpoint (stay inactive for another interval)",
        this.#fields(remote, outcome),
      );
      return;
    }
    outcome.destroy();
    remote.isAlive = true;
    logger.info("activated", { address: remote.address });
  }

  #fields({ address }: Remote, error: Error): Readonly<Record<string, unknown>> {
    return { address, interval: formatDuration(this.#retryDelayMs), error };
  }

  /** An open connection, or why there is none. */
  #dial({ host, port, address }: Remote): Promise<Socket | Error> {
    return new Promise((resolve) => {
      const socket = connect({ host, port, ...KEEP_ALIVE, allowHalfOpen: true });
      this.#own(socket);
      const fail = (reason: string): void => {
        timer.cancel();
        socket.destroy();
        resolve(new Error(`dial tcp ${address}: ${reason}`));
      };
      const timer = this.#deps.clock.setTimer(DIAL_TIMEOUT_MS, () => fail("i/o timeout"));
      socket.once("error", (error) => fail(dialReason(error)));
      // By `stop`.
      socket.once("close", () => fail("operation was canceled"));
      socket.once("connect", () => {
        timer.cancel();
        resolve(socket);
      });
    });
  }

  #own(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#sockets.delete(socket));
  }
}

/** Bytes of either side go to the other, at the pace of the slower one. */
function join(client: Socket, remote: Socket): void {
  client.pipe(remote);
  remote.pipe(client);
  client.once("close", () => remote.destroy());
  remote.once("close", () => client.destroySoon());
}
