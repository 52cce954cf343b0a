/**
 * What a member is told (`ServerOptions`, plain data) and what it is given (`ServerDeps`, the
 * world). `embed` makes both; the simulator makes them from its fakes.
 */
import type { Index } from "../base/ids.ts";
import type { TokenOptions } from "../auth/index.ts";
import type {
  Clock,
  Discovery,
  Disk,
  HostNames,
  Logger,
  Metrics,
  PasswordHasher,
  PeerNetwork,
  Random,
  TokenSigner,
  Tracer,
} from "../env/index.ts";
import type { KeyHistory } from "../mvcc/index.ts";
import type { RawNode, Ready } from "../raft/index.ts";
import type { ServerLimits } from "./limits.ts";

/** Runs `fire` after the I/O callbacks of this turn (Node: `setImmediate`). */
export type Defer = (fire: () => void) => void;

/** Sees each `Ready` of raft before it is carried out. Keeps nothing of it. */
export type RaftObserver = (ready: Ready, node: RawNode) => void;

export interface ServerDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Ready for `request` at once; the member calls `start` when it takes messages, and `stop`. */
  readonly network: PeerNetwork;
  readonly hostNames: HostNames;
  /** Finds the members of a new cluster; absent when `initialCluster` names them. */
  readonly discovery?: Discovery | undefined;
  readonly defer: Defer;
  /** Absent without distributed tracing. */
  readonly tracer?: Tracer | undefined;
  /** Absent: nobody watches. */
  readonly observeRaft?: RaftObserver | undefined;
  /** Hashes passwords, beside the event loop. */
  readonly passwords: PasswordHasher;
  /** With the key of `ServerOptions.tokens`; there when these are JSON web tokens. */
  readonly tokenSigner?: TokenSigner | undefined;
  /**
   * Runs `verifySegmentsBefore` for this WAL directory beside the event loop, during start-up.
   * Absent: it runs in line.
   */
  readonly verifyOlderSegments?: (directory: string, index: Index) => Promise<void>;
  /** Of the store whose db was copied to this disk: then its keys need not be read from there. */
  readonly keyHistory?: KeyHistory | undefined;
}

export interface ServerOptions {
  readonly name: string;
  readonly dataDirectory: string;
  /** Empty: `<data-dir>/member/wal`. */
  readonly walDirectory: string;
  /** Member name to its peer URLs. Used only when no WAL exists. */
  readonly initialCluster: ReadonlyMap<string, readonly string[]>;
  readonly initialClusterToken: string;
  /** Whether the cluster of `initialCluster` is to be made, or runs already and is joined. */
  readonly initialClusterState: "new" | "existing";
  /** Makes a cluster of one out of this member's data; everybody else is removed. */
  readonly forceNewCluster: boolean;
  /** Refuse changes of the membership that would leave no quorum of healthy members. */
  readonly strictReconfigCheck: boolean;
  readonly maxLearners: number;
  readonly clientURLs: readonly string[];
  readonly peerURLs: readonly string[];
  readonly heartbeatIntervalMs: number;
  readonly electionTicks: number;
  readonly preVote: boolean;
  readonly initialElectionTickAdvance: boolean;
  /** Applied entries between two snapshots on disk. */
  readonly snapshotCount: number;
  /** Entries kept in memory behind the applied index, for followers that catch up. */
  readonly catchUpEntries: number;
  /** 0 keeps all. */
  readonly maxWals: number;
  /** 0 keeps all. */
  readonly maxSnapshots: number;
  /** 0 means 2 GiB; negative disables the quota. */
  readonly quotaBackendBytes: number;
  readonly maxTxnOps: number;
  readonly maxRequestBytes: number;
  readonly backendBatchIntervalMs: number;
  readonly backendBatchLimit: number;
  readonly pageCacheBytes: number;
  /** The db is defragmented at the start when that frees as many bytes; 0 is never. */
  readonly bootstrapDefragThresholdBytes: number;
  readonly autoCompactionMode: "periodic" | "revision";
  /** Milliseconds (periodic) or revisions (revision); 0 is off. */
  readonly autoCompactionRetention: number;
  readonly compactionBatchLimit: number;
  readonly compactionSleepIntervalMs: number;
  readonly watchProgressNotifyIntervalMs: number;
  readonly leaseCheckpoint: boolean;
  /** Checkpoints outlive the member also in clusters of versions before 3.6. */
  readonly leaseCheckpointPersist: boolean;
  readonly warningApplyDurationMs: number;
  /** A unary call that takes longer is told of by `request stats`. */
  readonly warningUnaryRequestDurationMs: number;
  readonly unsafeNoFsync: boolean;
  /** Interval of the leader's comparison of the members' data; 0 is never. */
  readonly corruptCheckIntervalMs: number;
  /** Interval of the leader's comparison of hashes that compactions took; 0 is never. */
  readonly compactHashCheckIntervalMs: number;
  /** Also in clusters of versions before 3.6. */
  readonly compactHashCheck: boolean;
  /** Compare with the other members before the first client is served. */
  readonly initialCorruptCheck: boolean;
  /** What is absent is as in etcd; production sets `walSegmentBytes` at the most. */
  readonly limits?: Partial<ServerLimits>;
  /** Interval of the leader's checks whether a downgrade is complete; 0 is never. */
  readonly downgradeCheckIntervalMs: number;
  /** The health service answers NOT_SERVING while the db is being defragmented. */
  readonly stopServiceOnDefrag: boolean;
  readonly tokens: TokenOptions;
  /** A simple token ends when it is not used for so long; 0 means etcd's 5 minutes. */
  readonly simpleTokenTTLMs: number;
  /** Cost of new password hashes, 4 to 31. */
  readonly bcryptCost: number;
  /** Clients must show certificates, whose common name is a user. */
  readonly clientCertAuth: boolean;
  /** The v2 store is kept, and data of users of the v2 API is taken. */
  readonly servesV2: boolean;
  /** Without the v2 store, its users' data in a snapshot is dropped rather than refused. */
  readonly dropsV2Content: boolean;
}

/** Size of the db file at which writes are refused when no quota is configured, as in etcd. */
export const DEFAULT_QUOTA_BYTES = 2 * 1024 * 1024 * 1024;

/** How long a request may wait for consensus, as etcd: 5 s plus two election timeouts. */
export function requestTimeoutMs(options: ServerOptions): number {
  return 5000 + 2 * options.electionTicks * options.heartbeatIntervalMs;
}
