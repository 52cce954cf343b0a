/**
 * Starts a v2 proxy inside this process (`--proxy on|readonly`): it has no data but the addresses of
 * the members, serves on `--listen-client-urls`, and passes HTTP requests on.
 */
import { join } from "node:path";
import { type EtcdUrl, isSecureUrl } from "../base/etcd-url.ts";
import type { Clock } from "../env/clock.ts";
import type { Logger } from "../env/logger.ts";
import { SystemClock } from "../env/system-clock.ts";
import {
  METRICS_CONTENT_TYPE,
  MetricsRegistry,
  NodeDisk,
  NodeRandom,
  registerProcessMetrics,
  systemCalls,
} from "../platform/index.ts";
import { Director } from "../proxy/http/director.ts";
import { MemberURLsFinder } from "../proxy/http/member-urls.ts";
import { registerHttpProxyMetrics } from "../proxy/http/metrics.ts";
import { ProxyHandler } from "../proxy/http/proxy-handler.ts";
import { ReverseProxy } from "../proxy/http/reverse-proxy.ts";
import { type Listener, listen } from "../transport/listener.ts";
import { dialPeer, PeerHttp } from "../transport/peer/peer-http.ts";
import type { EtcdConfig } from "./config/index.ts";
import { maxClientConnections } from "./descriptor-limit.ts";
import { addressOf, addressText } from "./listeners.ts";
import { MemberTls } from "./member-tls.ts";
import { findProxiedMembers, peerURLsOf } from "./proxied-members.ts";

export interface V2ProxyOptions {
  readonly logger: Logger;
  /** The members, in the form of `--initial-cluster`. Default: what `findProxiedMembers` finds. */
  readonly cluster?: string;
}

export interface RunningV2Proxy {
  /** Where clients are served, as URLs with the real ports. */
  readonly clientAddresses: readonly string[];
  stop(): Promise<void>;
}

/** Connections to members that nobody uses are closed after this. */
const KEEP_IDLE_MS = 60_000;
/** What `setTimeout` takes at most; for a setting that says "no limit". */
const NO_TIMEOUT_MS = 2 ** 31 - 1;
/** One towards the client, one towards the member. */
const DESCRIPTORS_PER_REQUEST = 2;

/** Rejects when nothing can be served: bad files, ports in use. Then nothing runs. */
export async function startV2Proxy(
  config: EtcdConfig,
  options: V2ProxyOptions,
): Promise<RunningV2Proxy> {
  options.logger.info("v2 API proxy starting");
  const proxy = new V2Proxy(config, options);
  try {
    await proxy.start(options.cluster);
    return proxy;
  } catch (error) {
    await proxy.stop();
    throw error;
  }
}

class V2Proxy implements RunningV2Proxy {
  readonly #config: EtcdConfig;
  readonly #logger: Logger;
  readonly #clock: Clock = new SystemClock();
  readonly #metrics = new MetricsRegistry();
  readonly #proxyMetrics = registerHttpProxyMetrics(this.#metrics);
  readonly #processMetrics = registerProcessMetrics(this.#metrics);
  readonly #tls: MemberTls;
  readonly #peers: PeerHttp;
  readonly #members: PeerHttp;
  readonly #finder: MemberURLsFinder;
  readonly #director: Director;
  readonly #listeners: Listener[] = [];

  constructor(config: EtcdConfig, { logger }: V2ProxyOptions) {
    this.#config = config;
    this.#logger = logger;
    const clock = this.#clock;
    const directory = join(config.dataDir, "proxy");
    // Certificates that it makes itself belong to the proxy.
    const own = { ...config, dataDir: directory };
    this.#tls = new MemberTls(own, { clock, logger, metrics: this.#metrics });
    this.#peers = this.#httpBy(this.#tls.dialer);
    this.#members = this.#httpBy(this.#tls.memberDialer());
    this.#finder = new MemberURLsFinder(directory, {
      disk: new NodeDisk(),
      logger,
      http: this.#peers,
    });
    const { proxyFailureWaitMs, proxyRefreshIntervalMs } = config;
    this.#director = new Director(
      { failureWaitMs: proxyFailureWaitMs, refreshIntervalMs: proxyRefreshIntervalMs },
      { clock, logger, random: new NodeRandom(), findURLs: () => this.#finder.findClientURLs() },
    );
  }

  get clientAddresses(): readonly string[] {
    const { listenClientUrls } = this.#config;
    return this.#listeners.map(({ address }, i) => {
      return `${listenClientUrls[i]?.scheme ?? "http"}://${addressText(address)}`;
    });
  }

  async start(cluster: string | undefined): Promise<void> {
    this.#finder.begin(await this.#peerURLs(cluster));
    for (const url of this.#config.listenClientUrls) this.#listeners.push(await this.#listen(url));
    await this.#director.start();
    for (const [i, listener] of this.#listeners.entries()) {
      listener.startServing();
      const host = this.#config.listenClientUrls[i]?.href;
      this.#logger.info("v2 proxy started listening on client requests", { host });
    }
  }

  async stop(): Promise<void> {
    this.#director.stop();
    await Promise.all(this.#listeners.map((listener) => listener.stop(0)));
    this.#peers.close();
    this.#members.close();
    this.#tls.stop();
    this.#processMetrics.stop();
  }

  /** The file of an earlier run knows better than what was written for the first start. */
  async #peerURLs(cluster: string | undefined): Promise<readonly string[]> {
    const remembered = this.#finder.remembered();
    if (remembered !== undefined) {
      this.#sayIgnored();
      this.#logger.info("proxy using peer URLS from cluster file", {
        "peer-urls": remembered,
        "cluster-file": this.#finder.file,
      });
      return remembered;
    }
    const deps = { clock: this.#clock, logger: this.#logger };
    const urls =
      cluster === undefined ? await findProxiedMembers(this.#config, deps) : peerURLsOf(cluster);
    this.#logger.info("proxy using peer URLS", { "peer-urls": urls });
    return urls;
  }

  #sayIgnored(): void {
    const { discovery, discoverySrv } = this.#config;
    const ignored =
      "ignored since the proxy has already been initialized; valid cluster file found";
    const fields = { "cluster-file": this.#finder.file };
    if (discovery !== "") this.#logger.warn(`discovery token ${ignored}`, fields);
    if (discoverySrv !== "") this.#logger.warn(`DNS SRV discovery ${ignored}`, fields);
  }

  #httpBy(dialer: MemberTls["dialer"]): PeerHttp {
    const { proxyDialTimeoutMs } = this.#config;
    return new PeerHttp({
      clock: this.#clock,
      dial: (url) => dialPeer(url, { dialTls: (target) => dialer.dial(target) }),
      dialTimeoutMs: proxyDialTimeoutMs === 0 ? NO_TIMEOUT_MS : proxyDialTimeoutMs,
      keepIdleMs: KEEP_IDLE_MS,
    });
  }

  #listen(url: EtcdUrl): Promise<Listener> {
    const config = this.#config;
    const calls = systemCalls();
    const limit = maxClientConnections();
    const members = new ReverseProxy({
      director: this.#director,
      http: this.#members,
      logger: this.#logger,
      clock: this.#clock,
      metrics: this.#proxyMetrics,
      writeTimeoutMs: config.proxyWriteTimeoutMs,
      readTimeoutMs: config.proxyReadTimeoutMs,
    });
    return listen(addressOf(url), {
      http: new ProxyHandler({
        isReadonly: config.proxy === "readonly",
        cors: config.cors,
        endpoints: () => this.#director.available.map((endpoint) => endpoint.url.href),
        members,
        metrics: { contentType: METRICS_CONTENT_TYPE, render: () => this.#metrics.render() },
      }),
      methods: [],
      clock: this.#clock,
      logger: this.#logger,
      hold: true,
      tls: isSecureUrl(url) ? this.#tls.acceptorFor("client") : undefined,
      maxConnections: limit && Math.floor(limit / DESCRIPTORS_PER_REQUEST),
      duplicate: calls instanceof Error ? undefined : calls.duplicate,
      http1RequestTimeoutMs: 0,
    });
  }
}
