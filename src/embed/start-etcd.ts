/**
 * Starts one member inside this process: binds its listeners, recovers its data, joins its
 * cluster, and serves.
 *
 * Listeners are bound before anything else is touched, so that a port in use changes nothing on
 * disk. Clients may connect at once, and wait until the member serves.
 */
import { join } from "node:path";
import { assert } from "../base/assert.ts";
import { optionNames, unknownOption } from "../base/known-options.ts";
import { formatID, type MemberID } from "../base/ids.ts";
import { NameService } from "../discovery/name-service.ts";
import type { Logger } from "../env/logger.ts";
import type { PeerNetwork } from "../env/peers.ts";
import type { RpcService } from "../env/rpc.ts";
import { SystemClock } from "../env/system-clock.ts";
import {
  BcryptHasher,
  MetricsRegistry,
  NodeDisk,
  NodeHostNames,
  NodeRandom,
  fileDescriptorLimit,
  openFileDescriptors,
  registerProcessMetrics,
} from "../platform/index.ts";
import { EtcdServer, type ServerOptions, TracedService } from "../server/index.ts";
import type { Tracing } from "../spans/index.ts";
import { type LabChannel, MemberLab } from "../lab/member-lab.ts";
import { type DialPeerOptions, dialPeer, PeerHttp } from "../transport/peer/peer-http.ts";
import { PeerTransport } from "../transport/peer/peer-transport.ts";
import { walExists } from "../wal/index.ts";
import { registerBuildMetrics } from "./build-metrics.ts";
import { withChosenPorts } from "./chosen-ports.ts";
import { ConfigError, type EtcdConfig, startProblem } from "./config/index.ts";
import { DescriptorWatch } from "./descriptor-watch.ts";
import { TOO_FEW_DESCRIPTORS, tooLowDescriptorLimit } from "./descriptor-limit.ts";
import { discoveryOf } from "./discovery-service.ts";
import { makeHttpHandlers } from "./http-handlers.ts";
import { findInitialCluster } from "./initial-cluster.ts";
import { Listeners } from "./listeners.ts";
import { memberLocalAddress } from "./local-address.ts";
import { MemberQuestions } from "./member-questions.ts";
import { MemberTls } from "./member-tls.ts";
import { openLogger } from "./open-logger.ts";
import { openTracing } from "./open-tracing.ts";
import { verifyOlderSegmentsInWorker } from "./older-segments.ts";
import { serverOptionsOf } from "./server-options.ts";
import { PeerStatistics } from "./peer-statistics.ts";
import type { TokenSigner } from "../env/secrets.ts";
import { openTokenSigner } from "./token-signer.ts";
import { addressFields, logUnusual, startFields, stopFields } from "./start-lines.ts";

/** How long calls in flight may take to end once a stop was asked for. */
const STOP_GRACE_MS = 5000;

/** Connections to other members' client ports that nobody uses are closed after this. */
const KEEP_QUESTIONS_MS = 30_000;

/** As etcd's: this and an election timeout. */
const PEER_DIAL_TIMEOUT_MS = 1000;

export interface StartOptions {
  /** Default: what the settings say, which is etcd's JSON lines on stderr. */
  readonly logger?: Logger;
  /** The commit that the build was made from, for the log. */
  readonly gitSha?: string;
  /**
   * Name servers, as "address" or "address:port", for SRV records and for the host names of members.
   * Default: the system's resolver.
   */
  readonly nameServers?: readonly string[];
  /** For members of `etcd-cluster`, whose network it can cut and slow. Default: none of that. */
  readonly lab?: LabChannel;
}

const START_OPTIONS = optionNames<StartOptions>({
  logger: true,
  gitSha: true,
  nameServers: true,
  lab: true,
});

/** A member that runs in this process. */
export interface RunningEtcd extends AsyncDisposable {
  /** Settles when clients are served; rejects when the member stops before. */
  readonly ready: Promise<void>;
  /** Settles when the member has stopped, with the reason if nobody asked for it. */
  readonly stopped: Promise<Error | undefined>;
  /**
   * Where clients are served, as URLs: "http://127.0.0.1:2379" or "unix://path". Ports are the real
   * ones when 0 was asked for. They are what a client takes as `endpoints`.
   */
  readonly clientAddresses: readonly string[];
  /** As in answers to clients. */
  readonly memberID: MemberID;
  /** Ends calls, syncs and closes everything. May be called repeatedly. */
  stop(): Promise<void>;
}

/**
 * Throws `ConfigError` for settings that cannot work or are not supported yet, `BootstrapError`,
 * `DiskError` and the errors of damaged files; then nothing runs and nothing was changed.
 */
export async function startEtcd(
  config: EtcdConfig,
  options: StartOptions = {},
): Promise<RunningEtcd> {
  const unknown = unknownOption("startEtcd", options, START_OPTIONS);
  if (unknown !== undefined) throw new ConfigError(unknown);
  refuseUnsupported(config);
  if (options.logger !== undefined) return startMember(config, options.logger, options);
  const logger = openLogger(config);
  try {
    const member = await startMember(config, logger, options);
    void member.stopped.then(() => logger.close());
    return member;
  } catch (error) {
    logger.close();
    throw error;
  }
}

/** As `startEtcd`, for a configuration that has been checked. `rpc` is what its listeners serve. */
export async function startMember(
  config: EtcdConfig,
  logger: Logger,
  options: StartOptions = {},
): Promise<RunningEtcd & Pick<EtcdServer, "rpc">> {
  const tokenSigner = openTokenSigner(config, logger);
  const member = new RunningMember(config, logger, { ...options, tokenSigner });
  await member.start();
  return member;
}

function refuseUnsupported(config: EtcdConfig): void {
  const problem = startProblem(config);
  if (problem !== undefined) throw new ConfigError(problem);
  const limit = tooLowDescriptorLimit();
  if (limit !== undefined) throw new ConfigError(`${TOO_FEW_DESCRIPTORS} (${limit})`);
  if (config.proxy !== "off") {
    throw new ConfigError("startEtcd starts members; a v2 proxy (--proxy) is none");
  }
}

interface MemberOptions extends StartOptions {
  readonly tokenSigner: TokenSigner | undefined;
}

class RunningMember implements RunningEtcd {
  readonly ready: Promise<void>;
  readonly stopped: Promise<Error | undefined>;
  #config: EtcdConfig;
  readonly #logger: Logger;
  readonly #clock = new SystemClock();
  readonly #gitSha: string | undefined;
  readonly #names: NameService;
  readonly #metrics = new MetricsRegistry();
  readonly #passwords = new BcryptHasher();
  readonly #draining = new AbortController();
  readonly #processMetrics = registerProcessMetrics(this.#metrics);
  readonly #listeners: Listeners;
  readonly #descriptors: DescriptorWatch;
  readonly #tokenSigner: TokenSigner | undefined;
  readonly #random = new NodeRandom();
  readonly #lab: MemberLab | undefined;
  #tracing: Tracing | undefined;
  #tls: MemberTls | undefined;
  #server: EtcdServer | undefined;
  /** To other members' client ports; with the dashboard. */
  #questionsHttp: PeerHttp | undefined;
  #stopping: Promise<void> | undefined;
  #resolveReady: () => void = () => {};
  #rejectReady: (error: Error) => void = () => {};
  #resolveStopped: (error: Error | undefined) => void = () => {};

  constructor(config: EtcdConfig, logger: Logger, options: MemberOptions) {
    const { gitSha, nameServers, tokenSigner, lab } = options;
    this.#lab = lab === undefined ? undefined : new MemberLab(lab, this.#clock);
    this.#tokenSigner = tokenSigner;
    this.#config = config;
    this.#logger = logger;
    this.#gitSha = gitSha;
    this.#names = new NameService(nameServers);
    this.#listeners = new Listeners(config, {
      clock: this.#clock,
      logger,
      metrics: this.#metrics,
    });
    this.#descriptors = new DescriptorWatch({
      clock: this.#clock,
      logger,
      count: () => ({ used: openFileDescriptors(), limit: fileDescriptorLimit() }),
    });
    this.ready = new Promise((resolve, reject) => {
      this.#resolveReady = resolve;
      this.#rejectReady = reject;
    });
    // Who waits only for `stopped` must not see an unhandled rejection.
    this.ready.catch(() => undefined);
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve;
    });
  }

  get clientAddresses(): readonly string[] {
    return this.#listeners.clientURLs;
  }

  get memberID(): MemberID {
    return this.#startedServer.memberID;
  }

  get rpc(): EtcdServer["rpc"] {
    return this.#startedServer.rpc;
  }

  get #startedServer(): EtcdServer {
    assert(this.#server !== undefined, "the member has not started");
    return this.#server;
  }

  async start(): Promise<void> {
    try {
      const tls = this.#openTls();
      await this.#listeners.bind(tls);
      this.#config = withChosenPorts(this.#config, {
        peers: this.#listeners.peerAddresses,
        clients: this.#listeners.clientAddresses,
      });
      const isInitialized = this.#isInitialized();
      const peerServerName = isInitialized ? "" : await this.#findInitialCluster();
      this.#tracing = await this.#openTracing();
      const options = serverOptionsOf(this.#config);
      this.#logStarting(isInitialized, options);
      const network = this.#openNetwork(tls, peerServerName);
      const statistics = this.#config.enableV2 ? new PeerStatistics(this.#clock) : undefined;
      const server = await EtcdServer.start(options, {
        disk: new NodeDisk(),
        clock: this.#clock,
        random: this.#random,
        logger: this.#logger,
        tracer: this.#tracing?.tracer,
        metrics: this.#metrics,
        network: this.#observedNetwork(network, statistics),
        observeRaft: this.#lab && ((ready, node) => this.#lab?.observe(ready, node)),
        hostNames: this.#names.socketLookup === undefined ? new NodeHostNames() : this.#names,
        discovery: discoveryOf(this.#config, { clock: this.#clock, logger: this.#logger }),
        defer: setImmediate,
        passwords: this.#passwords,
        tokenSigner: this.#tokenSigner,
        verifyOlderSegments: verifyOlderSegmentsInWorker,
      });
      this.#server = server;
      this.#lab?.start(server.raft.node);
      registerBuildMetrics(this.#metrics, this.#config, process.version);
      this.#logger.info("now serving peer/client/metrics", {
        "local-member-id": formatID(server.memberID),
        ...addressFields(this.#config),
      });
      const service = this.#tracedService(server);
      this.#listeners.serve({
        service,
        ...makeHttpHandlers({
          server,
          service,
          raftHandler: network.handler,
          config: this.#config,
          registry: this.#metrics,
          clock: this.#clock,
          logger: this.#logger,
          passwords: this.#passwords,
          statistics,
          questions: this.#openQuestions(server, tls),
          draining: this.#draining.signal,
        }),
      });
    } catch (error) {
      await this.#listeners.stopClients(0);
      await this.#listeners.stopPeers(0);
      this.#tls?.stop();
      await this.#tracing?.stop();
      this.#processMetrics.stop();
      throw error;
    }
    this.#descriptors.start();
    this.#watchServer(this.#startedServer);
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop(undefined);
    return this.#stopping;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #openTls(): MemberTls {
    this.#tls = new MemberTls(this.#config, {
      clock: this.#clock,
      logger: this.#logger,
      metrics: this.#metrics,
    });
    return this.#tls;
  }

  #openNetwork(tls: MemberTls, peerServerName: string): PeerTransport {
    const localAddress = memberLocalAddress(this.#config, this.#logger);
    const lookup = this.#names.socketLookup;
    const ways: DialPeerOptions = {
      dialTls: (target) => tls.dialer.dial(target, peerServerName),
      ...(lookup !== undefined && { lookup }),
      ...(localAddress !== undefined && { localAddress }),
    };
    return new PeerTransport(
      {
        clock: this.#clock,
        logger: this.#logger,
        metrics: this.#metrics,
        random: this.#random,
      },
      {
        dialTimeoutMs: PEER_DIAL_TIMEOUT_MS + this.#config.electionTimeoutMs,
        readTimeoutMs: this.#config.raftReadTimeoutMs,
        writeTimeoutMs: this.#config.raftWriteTimeoutMs,
        dial: (url, reading) => dialPeer(url, { ...ways, ...reading }),
      },
    );
  }

  #openQuestions(server: EtcdServer, tls: MemberTls): MemberQuestions | undefined {
    if (!this.#config.enableDashboard) return undefined;
    const dialer = tls.memberDialer();
    this.#questionsHttp = new PeerHttp({
      clock: this.#clock,
      dial: (url) => dialPeer(url, { dialTls: (target) => dialer.dial(target) }),
      dialTimeoutMs: PEER_DIAL_TIMEOUT_MS,
      keepIdleMs: KEEP_QUESTIONS_MS,
    });
    return new MemberQuestions(server, this.#questionsHttp);
  }

  #observedNetwork(network: PeerNetwork, statistics: PeerStatistics | undefined): PeerNetwork {
    const metered = statistics?.metered(network) ?? network;
    return this.#lab?.faulty(metered) ?? metered;
  }

  #openTracing(): Promise<Tracing | undefined> {
    return openTracing(this.#config, {
      clock: this.#clock,
      random: this.#random,
      logger: this.#logger,
    });
  }

  #tracedService(server: EtcdServer): RpcService {
    if (this.#tracing === undefined) return server.rpc;
    return new TracedService(server.rpc, this.#tracing.tracer, this.#clock);
  }

  #watchServer(server: EtcdServer): void {
    server.ready.then(
      () => this.#serve(),
      (error: Error) => this.#rejectReady(error),
    );
    void server.failed.then((error) => {
      this.#stopping ??= this.#stop(error);
    });
  }

  #serve(): void {
    if (this.#stopping !== undefined) return;
    this.#logger.info("ready to serve client requests");
    this.#listeners.serveClients();
    this.#resolveReady();
  }

  #isInitialized(): boolean {
    const { dataDir, walDir } = this.#config;
    const directory = walDir === "" ? join(dataDir, "member", "wal") : walDir;
    return walExists(new NodeDisk(), directory);
  }

  /** Returns the name that peers' certificates must be for, "" for the hosts that are dialled. */
  async #findInitialCluster(): Promise<string> {
    const deps = { names: this.#names, logger: this.#logger };
    const { config, peerServerName } = await findInitialCluster(this.#config, deps);
    this.#config = config;
    return peerServerName;
  }

  #logStarting(isInitialized: boolean, options: ServerOptions): void {
    const facts = { gitSha: this.#gitSha, isInitialized };
    this.#logger.info("starting an etcd server", startFields(this.#config, facts));
    logUnusual(this.#logger, this.#config, options);
  }

  async #stop(reason: Error | undefined): Promise<void> {
    this.#logger.info("closing etcd server", stopFields(this.#config));
    this.#rejectReady(reason ?? new Error("the member was stopped"));
    const graceMs = reason === undefined ? STOP_GRACE_MS : 0;
    const deadlineMs = this.#clock.nowMs() + graceMs;
    const leftMs = (): number => Math.max(0, deadlineMs - this.#clock.nowMs());
    if (reason === undefined && this.#server !== undefined) {
      this.#draining.abort();
      this.#server.rpc.endWaits();
      await this.#listeners.drainClients(graceMs);
      // Who watches gets what was acknowledged to others.
      await this.#server.rpc.settle(leftMs());
    }
    this.#questionsHttp?.close();
    // An open watch would keep its connection busy for as long as it lives.
    this.#server?.rpc.stop();
    await this.#listeners.stopClients(leftMs());
    this.#descriptors.stop();
    await this.#server?.stop();
    this.#lab?.stop();
    await this.#listeners.stopPeers(graceMs);
    await this.#tracing?.stop();
    this.#tls?.stop();
    this.#processMetrics.stop();
    this.#logger.info("closed etcd server", stopFields(this.#config));
    this.#resolveStopped(reason);
  }
}
