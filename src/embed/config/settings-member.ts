/** Settings of the member itself: identity, files, listeners, timing, limits. */
import { setting } from "./setting.ts";
import { parseEtcdUrls } from "../../base/etcd-url.ts";
import { SEGMENT_BYTES } from "../../wal/segment-bytes.ts";
import { bool, duration, int, int64, text, uint, uint32, uint64, urls } from "./value-type.ts";

export const DEFAULT_NAME = "default";
export const DEFAULT_PEER_URL = "http://localhost:2380";
export const DEFAULT_CLIENT_URL = "http://localhost:2379";

// biome-ignore lint/suspicious/noTemplateCurlyInString: the help shows it like this.
const DATA_DIR_SHOWN = "${name}.etcd";

export const MEMBER = {
  /** Human-readable name; part of the member's ID. */
  name: setting(
    "name",
    text,
    DEFAULT_NAME,
    "Name of this member, for people and for --initial-cluster.",
  ),
  /** Resolved: `<name>.etcd` in the working directory when none was given. */
  dataDir: setting("data-dir", text, "", "Directory of the member's data.", {
    shown: DATA_DIR_SHOWN,
  }),
  /** When set, the WAL lives directly in it; empty: below the data directory. */
  walDir: setting(
    "wal-dir",
    text,
    "",
    "Directory of the write-ahead log, when it shall not be in the data directory.",
  ),
  /** Applied entries between two snapshots of the raft log. */
  snapshotCount: setting(
    "snapshot-count",
    uint64,
    10_000,
    "Committed transactions after which a snapshot is taken.",
    { zeroMeans: 10_000 },
  ),
  /** Also the length of a raft tick. */
  heartbeatIntervalMs: setting(
    "heartbeat-interval",
    uint,
    100,
    "Milliseconds between two heartbeats of the leader.",
  ),
  electionTimeoutMs: setting(
    "election-timeout",
    uint,
    1000,
    "Milliseconds without a leader after which a follower stands for election.",
  ),
  initialElectionTickAdvance: setting(
    "initial-election-tick-advance",
    bool,
    true,
    "Shorten the first election timeout after a start.",
  ),
  listenPeerUrls: setting(
    "listen-peer-urls",
    urls,
    parseEtcdUrls(DEFAULT_PEER_URL),
    "Addresses to listen on for other members.",
  ),
  listenClientUrls: setting(
    "listen-client-urls",
    urls,
    parseEtcdUrls(DEFAULT_CLIENT_URL),
    "Addresses to listen on for clients: gRPC, and HTTP unless --listen-client-http-urls is given.",
  ),
  listenClientHttpUrls: setting(
    "listen-client-http-urls",
    urls,
    [],
    "Addresses to listen on for HTTP only; the others then serve gRPC only.",
  ),
  /** 0: unlimited. */
  maxSnapshots: setting(
    "max-snapshots",
    uint,
    5,
    "Snapshot files to keep (0 keeps all). Deprecated in v3.6, to be removed in v3.8.",
    {
      warning: "--max-snapshots is deprecated in 3.6 and will be decommissioned in 3.8.",
    },
  ),
  /** 0: unlimited. */
  maxWals: setting("max-wals", uint, 5, "Write-ahead log files to keep (0 keeps all)."),
  memoryMlock: setting("memory-mlock", bool, false, "Accepted, without effect here.", {
    shown: "",
  }),
  /** Never 0: that stands for 2 GiB. Negative: no quota. */
  quotaBackendBytes: setting(
    "quota-backend-bytes",
    int64,
    0,
    "Bytes that the database may take before an alarm makes the member read-only (0 stands for 2 GiB).",
    { zeroMeans: 2 * 1024 ** 3 },
  ),
  /** "array" or anything else for "map"; concerns only how the freelist is held in memory. */
  backendFreelistType: setting(
    "backend-bbolt-freelist-type",
    text,
    "",
    "Form of the database's freelist, array or map. Accepted, without effect here.",
    { shown: "map" },
  ),
  backendBatchIntervalMs: setting(
    "backend-batch-interval",
    duration,
    0,
    "Longest time before changes are committed to the database file.",
    { shown: "", zeroMeans: 100 },
  ),
  backendBatchLimit: setting(
    "backend-batch-limit",
    int,
    0,
    "Most operations before changes are committed to the database file.",
    { zeroMeans: 10_000 },
  ),
  maxTxnOps: setting("max-txn-ops", uint, 128, "Most operations in each list of a transaction."),
  maxRequestBytes: setting(
    "max-request-bytes",
    uint,
    1_572_864,
    "Largest request of a client, in bytes.",
  ),
  maxConcurrentStreams: setting(
    "max-concurrent-streams",
    uint32,
    4_294_967_295,
    "Most streams that one client connection may have open.",
    { shown: "math.MaxUint32" },
  ),
  /** 0 turns the policy off. */
  grpcKeepaliveMinTimeMs: setting(
    "grpc-keepalive-min-time",
    duration,
    5000,
    "Shortest interval between two pings of a client.",
  ),
  /** 0 turns server pings off. */
  grpcKeepaliveIntervalMs: setting(
    "grpc-keepalive-interval",
    duration,
    7_200_000,
    "Interval of the server's pings on an idle connection (0 for none).",
    { shown: "2h" },
  ),
  grpcKeepaliveTimeoutMs: setting(
    "grpc-keepalive-timeout",
    duration,
    20_000,
    "Time to wait for the answer to a ping before the connection is closed (0 for no limit).",
  ),
  socketReusePort: setting(
    "socket-reuse-port",
    bool,
    false,
    "Let other processes listen on the same ports (SO_REUSEPORT).",
    {
      yaml: "socket-options.reuse-port",
    },
  ),
  socketReuseAddress: setting(
    "socket-reuse-address",
    bool,
    false,
    "Listen on ports whose old connections are not quite gone (SO_REUSEADDR, always set).",
    { yaml: "socket-options.reuse-address" },
  ),
  enableGrpcGateway: setting(
    "enable-grpc-gateway",
    bool,
    true,
    "Serve the JSON gateway under /v3/.",
    { shown: "" },
  ),
  /** At least 5000. */
  raftReadTimeoutMs: setting(
    "raft-read-timeout",
    duration,
    5000,
    "Read timeout of connections between members.",
    { yaml: null },
  ),
  /** At least 5000. */
  raftWriteTimeoutMs: setting(
    "raft-write-timeout",
    duration,
    5000,
    "Write timeout of connections between members.",
    { yaml: null },
  ),
  /** A setting of this implementation: etcd maps the whole file instead. */
  backendPageCacheBytes: setting(
    "backend-page-cache-bytes",
    uint64,
    64 * 1024 ** 2,
    "Memory for cached pages of the database file, in bytes. Not a flag of Go etcd.",
  ),
  /** Fixed in etcd. */
  walSegmentBytes: setting(
    "wal-segment-bytes",
    uint64,
    SEGMENT_BYTES,
    "Size of a segment of the write-ahead log, in bytes; two are allocated at any time. " +
      "Not a flag of Go etcd.",
  ),
} as const;
