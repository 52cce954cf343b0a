/**
 * The sockets of a member: peer, client, HTTP-only and metrics listeners. All are bound first, so
 * that a port in use changes nothing on disk, and hold their connections until there is something
 * to serve.
 */
import { joinHostPort } from "../base/port.ts";
import type { Duplex } from "node:stream";
import { METHODS } from "../api/rpc-table.ts";
import { assert } from "../base/assert.ts";
import type { Clock } from "../env/clock.ts";
import type { HttpHandler, HttpRequest } from "../env/http.ts";
import type { Logger } from "../env/logger.ts";
import type { Metrics } from "../env/metrics.ts";
import type { RpcService } from "../env/rpc.ts";
import type { ClientHttpHandler } from "../gateway/index.ts";
import {
  type ListenAddress,
  type Listener,
  type ListenerOptions,
  listen,
} from "../transport/listener.ts";
import { isSecureUrl } from "../base/etcd-url.ts";
import { systemCalls } from "../platform/index.ts";
import {
  type EtcdConfig,
  type EtcdUrl,
  type LogRecord,
  plainClientWarnings,
  plainPeerWarnings,
} from "./config/index.ts";
import { dashboardUrls } from "./dashboard.ts";
import { maxClientConnections } from "./descriptor-limit.ts";
import type { MemberTls } from "./member-tls.ts";

export interface ListenersDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** What is behind the listeners once the member has started. */
export interface Handlers {
  readonly service: RpcService;
  readonly client: ClientHttpHandler;
  readonly metrics: HttpHandler;
  readonly peer: HttpHandler;
}

const SECURELY = "serving client traffic securely";
const INSECURELY = "serving client traffic insecurely; this is strongly discouraged!";

/** One socket of clients. */
interface ClientSocket {
  /** That share it: http and https, or unix and unixs, of one address. */
  readonly urls: readonly EtcdUrl[];
  readonly traffic: "grpc+http" | "grpc" | "http";
  readonly listener: Listener;
}

export class Listeners {
  readonly #config: EtcdConfig;
  readonly #deps: ListenersDeps;
  readonly #peers: Listener[] = [];
  readonly #clients: ClientSocket[] = [];
  readonly #metrics: Listener[] = [];
  #handlers: Handlers | undefined;
  #tls: MemberTls | undefined;

  constructor(config: EtcdConfig, deps: ListenersDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  get peerAddresses(): readonly ListenAddress[] {
    return this.#peers.map((listener) => listener.address);
  }

  /** Of `--listen-client-urls`, in order; the HTTP-only ones come behind them. */
  get clientAddresses(): readonly ListenAddress[] {
    const { listenClientUrls, listenClientHttpUrls } = this.#config;
    return [...listenClientUrls, ...listenClientHttpUrls].flatMap((url) => {
      const socket = this.#clients.find(({ urls }) => urls.includes(url));
      return socket === undefined ? [] : [socket.listener.address];
    });
  }

  /** As URLs, with the schemes that were asked for. */
  get clientURLs(): readonly string[] {
    return this.#clients.flatMap(({ urls, listener }) =>
      urls.map(({ scheme }) => `${scheme}://${addressText(listener.address)}`),
    );
  }

  /**
   * Rejects with the system's refusal; whatever was bound stays bound until `stop`. `tls` is for
   * the URLs that ask for it.
   */
  async bind(tls: MemberTls): Promise<void> {
    this.#tls = tls;
    const { listenPeerUrls, listenClientUrls, listenClientHttpUrls, listenMetricsUrls } =
      this.#config;
    const { logger } = this.#deps;
    this.#saySocketOptions();
    logger.info("configuring peer listeners", { "listen-peer-urls": hrefs(listenPeerUrls) });
    this.#say(plainPeerWarnings(this.#config));
    for (const url of listenPeerUrls) {
      this.#peers.push(await listen(addressOf(url), this.#options([url], "peer", false)));
    }
    if (this.#config.enablePprof) logger.info("pprof is enabled", { path: "/debug/pprof" });
    this.#say(plainClientWarnings(this.#config));
    logger.info("configuring client listeners", { "listen-client-urls": hrefs(listenClientUrls) });
    const isSplit = listenClientHttpUrls.length > 0;
    await this.#bindClients(listenClientUrls, isSplit ? "grpc" : "grpc+http");
    await this.#bindClients(listenClientHttpUrls, "http");
    for (const url of listenMetricsUrls) {
      this.#metrics.push(await listen(addressOf(url), this.#options([url], "metrics", false)));
    }
  }

  #saySocketOptions(): void {
    const { socketReuseAddress, socketReusePort } = this.#config;
    if (!socketReuseAddress && !socketReusePort) return;
    this.#deps.logger.info("configuring socket options", {
      "reuse-address": socketReuseAddress,
      "reuse-port": socketReusePort,
    });
  }

  async #bindClients(urls: readonly EtcdUrl[], traffic: ClientSocket["traffic"]): Promise<void> {
    for (const shared of byAddress(urls)) {
      const options = this.#clientOptions(shared, traffic);
      const listener = await listen(addressOf(shared[0]), options);
      this.#clients.push({ urls: shared, traffic, listener });
    }
  }

  /** Peers and monitoring are served from now on; clients wait for `serveClients`. */
  serve(handlers: Handlers): void {
    this.#handlers = handlers;
    for (const listener of this.#peers) {
      listener.startServing();
      this.#deps.logger.info("serving peer traffic", { address: addressText(listener.address) });
    }
    for (const [i, listener] of this.#metrics.entries()) {
      listener.startServing();
      const address = this.#config.listenMetricsUrls[i]?.href;
      this.#deps.logger.info("serving metrics", { address });
    }
  }

  serveClients(): void {
    const dashboard = dashboardUrls(this.#config, this.clientURLs);
    if (dashboard.length > 0) this.#deps.logger.info("serving the dashboard", { urls: dashboard });
    for (const { urls, traffic, listener } of this.#clients) {
      listener.startServing();
      const fields = { traffic, address: addressText(listener.address) };
      if (!urls.every(isSecureUrl)) this.#deps.logger.info(INSECURELY, fields);
      if (urls.some(isSecureUrl)) this.#deps.logger.info(SECURELY, fields);
    }
  }

  /** Tells clients to go. Resolves when their last unary call is answered, or after `graceMs`. */
  async drainClients(graceMs: number): Promise<void> {
    await Promise.all(this.#clients.map(({ listener }) => listener.drain(graceMs)));
  }

  /** Clients and monitoring. Waits at most `graceMs` for calls in flight. */
  async stopClients(graceMs: number): Promise<void> {
    const all = [...this.#clients.map(({ listener }) => listener), ...this.#metrics];
    await Promise.all(all.map((listener) => listener.stop(graceMs)));
  }

  /** The peer ports; leadership must have been handed over, and the peer network stopped. */
  async stopPeers(graceMs: number): Promise<void> {
    const { logger } = this.#deps;
    const wasServing = this.#handlers !== undefined;
    await Promise.all(
      this.#peers.map(async (listener) => {
        const fields = { address: addressText(listener.address) };
        if (wasServing) logger.info("stopping serving peer traffic", fields);
        await listener.stop(graceMs);
        if (wasServing) logger.info("stopped serving peer traffic", fields);
      }),
    );
  }

  #say(warnings: readonly LogRecord[]): void {
    for (const { level, message, fields } of warnings) this.#deps.logger[level](message, fields);
  }

  /** `urls` are those of one socket. */
  #options(
    urls: readonly EtcdUrl[],
    http: "client" | "peer" | "metrics" | undefined,
    grpc: boolean,
  ): ListenerOptions {
    const config = this.#config;
    const upgrades = http === "client";
    const secure = urls.find(isSecureUrl);
    return {
      ...this.#deps,
      service: grpc ? this.#lateService : undefined,
      http: http === undefined ? undefined : this.#lateHandler(http),
      onUpgrade: upgrades ? (...args) => this.#upgrade(...args) : undefined,
      methods: METHODS,
      extensiveMetrics: config.metrics === "extensive",
      maxRequestBytes: config.maxRequestBytes,
      maxConcurrentStreams: config.maxConcurrentStreams,
      keepaliveMinTimeMs: config.grpcKeepaliveMinTimeMs,
      keepaliveIntervalMs: config.grpcKeepaliveIntervalMs,
      keepaliveTimeoutMs: config.grpcKeepaliveTimeoutMs,
      hold: true,
      ...(config.socketReusePort && { bindShared: bindSharedPort }),
      tls: secure && this.#tls?.acceptorFor(http === "peer" ? "peer" : "client"),
      plainToo: !urls.every(isSecureUrl),
      // A database may take longer; the handler of the peers watches that it moves.
      ...(http === "peer" && { http1RequestTimeoutMs: 0 }),
    };
  }

  /** Clients may not take the descriptors that the member itself needs. */
  #clientOptions(urls: readonly EtcdUrl[], traffic: ClientSocket["traffic"]): ListenerOptions {
    const calls = systemCalls();
    return {
      ...this.#options(urls, traffic === "grpc" ? undefined : "client", traffic !== "http"),
      maxConnections: maxClientConnections(),
      duplicate: calls instanceof Error ? undefined : calls.duplicate,
    };
  }

  readonly #lateService: RpcService = {
    unary: (calls) => this.#ready.service.unary(calls),
    stream: (call) => this.#ready.service.stream(call),
  };

  #lateHandler(which: "client" | "peer" | "metrics"): HttpHandler {
    return { handle: (request, response) => this.#ready[which].handle(request, response) };
  }

  #upgrade(request: HttpRequest, socket: Duplex, head: Buffer): boolean {
    return this.#ready.client.upgrade(request, socket, head);
  }

  /** Connections are held until there are handlers, so that nothing comes earlier. */
  get #ready(): Handlers {
    assert(this.#handlers !== undefined, "a request before the member serves");
    return this.#handlers;
  }
}

function bindSharedPort(host: string, port: number): number | string {
  const calls = systemCalls();
  return calls instanceof Error ? "ENOSYS" : calls.bindSharedPort(host, port);
}

/** In order of each address's first URL. A port that the system chooses is never the same. */
function byAddress(urls: readonly EtcdUrl[]): (readonly [EtcdUrl, ...EtcdUrl[]])[] {
  const groups = new Map<string, [EtcdUrl, ...EtcdUrl[]]>();
  for (const url of urls) {
    const { host, path, port, href } = url;
    const key = path === "" && port === 0 ? href : `${host}${path}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [url]);
    else group.push(url);
  }
  return [...groups.values()];
}

function hrefs(urls: readonly EtcdUrl[]): string[] {
  return urls.map((url) => url.href);
}

export function addressOf(url: EtcdUrl): ListenAddress {
  if (url.scheme.startsWith("unix")) return { path: `${url.host}${url.path}` };
  // As Go resolves it; the system's resolver may prefer ::1, where nobody expects a listener.
  const host = url.hostname === "localhost" ? "127.0.0.1" : url.hostname;
  return { host, port: url.port };
}

export function addressText(address: ListenAddress): string {
  return "path" in address ? address.path : joinHostPort(address.host, address.port);
}
