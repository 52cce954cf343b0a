/** A whole member on fakes: a fault disk, a virtual clock, seeded chance. */
import { METHOD } from "../../api/rpc-table.ts";
import { PutRequest, RangeRequest, RangeResponse } from "../../api/gen/rpc.ts";
import {
  type FaultDisk,
  FixedHostNames,
  MemoryLogger,
  NoPeers,
  NullMetrics,
  PlainPasswords,
  SeededRandom,
  VirtualClock,
} from "../../env/testing/index.ts";
import type { PeerNetwork, TokenSigner } from "../../env/index.ts";
import { EtcdServer, type ServerOptions } from "../index.ts";
import type { ServerDeps } from "../options.ts";
import { FakeUnaryCall } from "./fake-call.ts";

export const TEST_OPTIONS: ServerOptions = {
  name: "m1",
  dataDirectory: "/data",
  walDirectory: "",
  initialCluster: new Map([["m1", ["http://127.0.0.1:2380"]]]),
  initialClusterToken: "test",
  initialClusterState: "new",
  forceNewCluster: false,
  strictReconfigCheck: true,
  maxLearners: 1,
  clientURLs: ["http://127.0.0.1:2379"],
  peerURLs: ["http://127.0.0.1:2380"],
  heartbeatIntervalMs: 100,
  electionTicks: 10,
  preVote: true,
  initialElectionTickAdvance: true,
  snapshotCount: 10_000,
  catchUpEntries: 5000,
  maxWals: 5,
  maxSnapshots: 5,
  quotaBackendBytes: 0,
  maxTxnOps: 128,
  maxRequestBytes: 1_572_864,
  backendBatchIntervalMs: 100,
  backendBatchLimit: 10_000,
  pageCacheBytes: 1 << 20,
  bootstrapDefragThresholdBytes: 0,
  autoCompactionMode: "periodic",
  autoCompactionRetention: 0,
  compactionBatchLimit: 1000,
  compactionSleepIntervalMs: 10,
  watchProgressNotifyIntervalMs: 600_000,
  leaseCheckpoint: false,
  leaseCheckpointPersist: false,
  warningApplyDurationMs: 100,
  warningUnaryRequestDurationMs: 300,
  unsafeNoFsync: false,
  corruptCheckIntervalMs: 0,
  compactHashCheckIntervalMs: 60_000,
  compactHashCheck: false,
  initialCorruptCheck: false,
  downgradeCheckIntervalMs: 5000,
  stopServiceOnDefrag: false,
  tokens: { kind: "simple" },
  simpleTokenTTLMs: 300_000,
  bcryptCost: 10,
  clientCertAuth: false,
  servesV2: false,
  dropsV2Content: false,
};

/** Virtual milliseconds that pass per turn of the real loop while something is waited for. */
const MS_PER_TURN = 5;
const MAX_TURNS = 20_000;

export class TestMember {
  readonly clock: VirtualClock;
  readonly logger = new MemoryLogger();
  readonly disk: FaultDisk;
  readonly network: PeerNetwork;
  readonly hostNames = new FixedHostNames();
  readonly #options: ServerOptions;
  readonly #seed: number;
  readonly #tokenSigner: TokenSigner | undefined;
  readonly #verifyOlderSegments: ServerDeps["verifyOlderSegments"];
  /** The server runs, but has not published itself. */
  onStarted: ((server: EtcdServer) => void) | undefined;
  #server: EtcdServer | undefined;

  /** Members of one cluster share a clock, and each has its own end of the network. */
  constructor(
    disk: FaultDisk,
    options: Partial<ServerOptions> = {},
    world: {
      readonly clock?: VirtualClock;
      readonly network?: PeerNetwork;
      readonly seed?: number;
      readonly tokenSigner?: TokenSigner;
      readonly verifyOlderSegments?: NonNullable<ServerDeps["verifyOlderSegments"]>;
    } = {},
  ) {
    this.#verifyOlderSegments = world.verifyOlderSegments;
    this.#tokenSigner = world.tokenSigner;
    this.#seed = world.seed ?? 1;
    this.disk = disk;
    this.clock = world.clock ?? new VirtualClock();
    this.network = world.network ?? new NoPeers();
    this.#options = { ...TEST_OPTIONS, ...options };
  }

  get server(): EtcdServer {
    if (this.#server === undefined) throw new Error("the member has not started");
    return this.#server;
  }

  /** Starts the member and waits until it serves. */
  async start(): Promise<void> {
    let failure: unknown;
    let isReady = false;
    EtcdServer.start(this.#options, {
      disk: this.disk,
      clock: this.clock,
      random: new SeededRandom(this.#seed),
      logger: this.logger,
      metrics: new NullMetrics(),
      network: this.network,
      hostNames: this.hostNames,
      defer: setImmediate,
      passwords: new PlainPasswords(),
      tokenSigner: this.#tokenSigner,
      ...(this.#verifyOlderSegments && { verifyOlderSegments: this.#verifyOlderSegments }),
    })
      .then((server) => {
        this.#server = server;
        this.onStarted?.(server);
        return server.ready;
      })
      .then(
        () => {
          isReady = true;
        },
        (error: unknown) => {
          failure = error;
        },
      );
    await this.until(() => isReady || failure !== undefined || this.disk.crashed);
    if (failure !== undefined) throw failure;
  }

  /** Lets turns and virtual time pass until the condition holds. */
  async until(condition: () => boolean): Promise<void> {
    for (let turn = 0; turn < MAX_TURNS; turn++) {
      if (condition()) return;
      await new Promise((resolve) => setImmediate(resolve));
      this.clock.advance(MS_PER_TURN);
    }
    throw new Error("waited too long");
  }

  call(method: number, body: Uint8Array): FakeUnaryCall {
    const call = new FakeUnaryCall(method, body);
    this.server.rpc.unary([call]);
    return call;
  }

  put(key: string, value: string): FakeUnaryCall {
    const request = PutRequest.create({ key: Buffer.from(key), value: Buffer.from(value) });
    return this.call(METHOD.Put, PutRequest.encode(request));
  }

  /** All keys, by a linearizable read. */
  async everything(): Promise<RangeResponse> {
    const zero = Buffer.from([0]);
    const request = RangeRequest.create({ key: zero, rangeEnd: zero });
    const call = this.call(METHOD.Range, RangeRequest.encode(request));
    await this.until(() => call.answered);
    if (call.answer === undefined) throw new Error(call.failure?.message);
    return RangeResponse.decode(call.answer);
  }

  async stop(): Promise<void> {
    let isStopped = false;
    void this.server.stop().then(() => {
      isStopped = true;
    });
    await this.until(() => isStopped);
  }
}
