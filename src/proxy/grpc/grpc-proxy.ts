/**
 * `etcd grpc-proxy`: one process between many clients and the members. Equal watches become one,
 * reads that may be old are remembered, and every caller keeps the rights that its token has.
 */
import { METHODS } from "../../api/rpc-table.ts";
import type { EtcdClientOptions, KeyClient } from "../../client/index.ts";
import type { Clock } from "../../env/clock.ts";
import type { Logger } from "../../env/logger.ts";
import type { Metrics } from "../../env/metrics.ts";
import type { Random } from "../../env/random.ts";
import type { TlsAcceptor } from "../../env/tls.ts";
import {
  type ListenAddress,
  type Listener,
  type ListenerOptions,
  listen,
} from "../../transport/listener.ts";
import { Profiler } from "../../gateway/index.ts";
import { HttpPaths } from "./http-paths.ts";
import { LoggedService } from "./logged-service.ts";
import { registerProxyMetrics } from "./metrics.ts";
import { ProxyService } from "./proxy-service.ts";
import { RegisteredProxies, type RegistrationOptions } from "./registered-proxies.ts";
import { Upstream } from "./upstream.ts";

export interface GrpcProxyOptions {
  readonly listen: ListenAddress;
  /** Health and metrics only; undefined for none. */
  readonly metricsListen:
    | { readonly address: ListenAddress; readonly isSecure: boolean }
    | undefined;
  readonly upstream: EtcdClientOptions;
  /** `--experimental-enable-grpc-logging`. */
  readonly logsMessages: boolean;
  /** `--enable-pprof`; undefined for none. */
  readonly commandLine: readonly string[] | undefined;
  readonly namespace: string;
  readonly isOrdered: boolean;
  /** "" for no leasing. */
  readonly leasingPrefix: string;
  /** Larger requests are refused. */
  readonly maxSendBytes: number;
  readonly registration: RegistrationOptions;
  /** How often the endpoints are taken from the cluster; 0 for never. */
  readonly autoSyncIntervalMs: number;
  readonly listener: Pick<
    ListenerOptions,
    | "keepaliveMinTimeMs"
    | "keepaliveIntervalMs"
    | "keepaliveTimeoutMs"
    | "maxConcurrentStreams"
    | "maxConnections"
    | "duplicate"
  >;
}

export interface GrpcProxyDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly exposition: { readonly contentType: string; render(): string };
  readonly memberMetrics: () => Promise<Uint8Array>;
  /** For each listener; undefined without TLS. */
  readonly acceptor: () => TlsAcceptor | undefined;
}

/** For calls under way at a stop. */
const STOP_GRACE_MS = 1_000;
/** Of the name by which a proxy knows itself. */
const ID_BYTES = 8;

export class GrpcProxy {
  readonly #options: GrpcProxyOptions;
  readonly #deps: GrpcProxyDeps;
  readonly #upstream: Upstream;
  readonly #service: ProxyService;
  readonly #proxies: RegisteredProxies;
  readonly #listeners: Listener[] = [];

  private constructor(options: GrpcProxyOptions, deps: GrpcProxyDeps) {
    this.#options = options;
    this.#deps = deps;
    const { clock, logger, random } = deps;
    const id = Buffer.from(random.fill(new Uint8Array(ID_BYTES))).toString("hex");
    this.#upstream = new Upstream({ ...options.upstream, clock }, id);
    const { own } = this.#upstream;
    const client: KeyClient = options.namespace === "" ? own : own.namespace(options.namespace);
    this.#proxies = new RegisteredProxies(options.registration, { client, clock, logger });
    this.#service = new ProxyService(options, {
      upstream: this.#upstream,
      metrics: registerProxyMetrics(deps.metrics),
      proxies: this.#proxies,
    });
  }

  /** Rejects with the system's refusal in Go's words; then nothing runs. */
  static async start(options: GrpcProxyOptions, deps: GrpcProxyDeps): Promise<GrpcProxy> {
    const proxy = new GrpcProxy(options, deps);
    try {
      await proxy.#listen();
    } catch (error) {
      await proxy.stop();
      throw error;
    }
    proxy.#proxies.start();
    proxy.#syncLater();
    return proxy;
  }

  get address(): ListenAddress | undefined {
    return this.#listeners[0]?.address;
  }

  async stop(): Promise<void> {
    const unregistered = this.#proxies.stop();
    this.#service.stop();
    await Promise.all(this.#listeners.map((listener) => listener.stop(STOP_GRACE_MS)));
    await unregistered;
    await this.#upstream.close();
  }

  async #listen(): Promise<void> {
    const { clock, logger, metrics, exposition, memberMetrics, acceptor } = this.#deps;
    const { listen: address, metricsListen, listener } = this.#options;
    const { commandLine, logsMessages } = this.#options;
    const http = new HttpPaths({
      client: this.#upstream.own,
      metrics: exposition,
      memberMetrics,
      profiler: commandLine && new Profiler({ clock, commandLine }),
    });
    const service = logsMessages ? new LoggedService(this.#service, logger) : this.#service;
    const maxRequestBytes = this.#options.maxSendBytes;
    const shared = { ...listener, maxRequestBytes, clock, logger, http, methods: METHODS };
    this.#listeners.push(await listen(address, { ...shared, service, metrics, tls: acceptor() }));
    if (metricsListen === undefined) return;
    const tls = metricsListen.isSecure ? acceptor() : undefined;
    this.#listeners.push(await listen(metricsListen.address, { ...shared, tls }));
  }

  #syncLater(): void {
    const { autoSyncIntervalMs } = this.#options;
    if (autoSyncIntervalMs === 0) return;
    const { clock, logger } = this.#deps;
    clock.setTimer(autoSyncIntervalMs, () => {
      if (this.#upstream.own.closed) return;
      this.#upstream
        .syncEndpoints()
        .then((endpoints) => {
          if (endpoints !== undefined) logger.info("endpoints were updated", { endpoints });
        })
        .catch((error: unknown) => logger.info("Auto sync endpoints failed.", { error }))
        .finally(() => this.#syncLater());
    });
  }
}
