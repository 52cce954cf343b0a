/** Settings of profiling, logs, tracing, background checks, and the unsafe ones. */
import { setting } from "./setting.ts";
import {
  bool,
  duration,
  int,
  list,
  text,
  uint,
  uint64,
  uniqueList,
  urls,
  type ValueType,
} from "./value-type.ts";

/** Sorted and without repeats from a flag, as it stands in a YAML file. */
const logTargets: ValueType<readonly string[]> = { ...uniqueList, fromYaml: list.fromYaml };

export const DASHBOARD = {
  enableDashboard: setting(
    "enable-dashboard",
    bool,
    false,
    "Serve the dashboard under /dashboard/ to clients. Not a flag of Go etcd.",
  ),
  dashboardReadOnly: setting(
    "dashboard-read-only",
    bool,
    false,
    "Let the dashboard offer no changes; what a user may do is a matter of permissions. Not a flag of Go etcd.",
  ),
} as const;

export const PROFILING = {
  enablePprof: setting(
    "enable-pprof",
    bool,
    false,
    "Serve profiles under /debug/pprof/ to clients.",
  ),
  /** "basic" or "extensive". */
  metrics: setting(
    "metrics",
    text,
    "basic",
    "Detail of the metrics: 'basic', or 'extensive' with histograms of gRPC calls.",
  ),
  listenMetricsUrls: setting(
    "listen-metrics-urls",
    urls,
    [],
    "Further addresses to listen on for /metrics and /health; https uses the certificate for clients.",
  ),
} as const;

const DEFAULT_LOG_ROTATION =
  '{"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}';

export const LOGGING = {
  /** Always "zap" once validated: the shape of the log lines. */
  logger: setting("logger", text, "zap", "Kind of logger; only 'zap' (structured lines) exists."),
  /** "default" (standard error), "stderr", "stdout", "systemd/journal" or paths of files. */
  logOutputs: setting(
    "log-outputs",
    logTargets,
    ["default"],
    "Where log lines go, separated by commas: default, stderr, stdout, systemd/journal or files.",
  ),
  logLevel: setting(
    "log-level",
    text,
    "info",
    "Lowest level that is logged: debug, info, warn, error, panic or fatal.",
  ),
  logFormat: setting("log-format", text, "json", "Form of log lines: json or console."),
  enableLogRotation: setting(
    "enable-log-rotation",
    bool,
    false,
    "Rotate the log, when it goes to one file.",
  ),
  logRotationConfigJson: setting(
    "log-rotation-config-json",
    text,
    DEFAULT_LOG_ROTATION,
    "When to rotate, as JSON: maxsize in MB, maxage in days, maxbackups (0 for no limit), localtime, compress.",
  ),
  warningUnaryRequestDurationMs: setting(
    "warning-unary-request-duration",
    duration,
    0,
    "Log a warning about calls that take longer.",
    { shown: "300ms", zeroMeans: 300 },
  ),
} as const;

export const TRACING = {
  enableDistributedTracing: setting(
    "enable-distributed-tracing",
    bool,
    false,
    "Send traces to an OpenTelemetry collector.",
  ),
  distributedTracingAddress: setting(
    "distributed-tracing-address",
    text,
    "localhost:4317",
    "Address of the collector.",
  ),
  distributedTracingServiceName: setting(
    "distributed-tracing-service-name",
    text,
    "etcd",
    "Service name in traces, the same on all members.",
  ),
  distributedTracingInstanceId: setting(
    "distributed-tracing-instance-id",
    text,
    "",
    "Instance ID in traces, different on each member.",
  ),
  distributedTracingSamplesPerMillion: setting(
    "distributed-tracing-sampling-rate",
    int,
    0,
    "Traces to keep out of a million.",
  ),
} as const;

export const CHECKS = {
  /** 0: off. */
  corruptCheckTimeMs: setting(
    "corrupt-check-time",
    duration,
    0,
    "Interval of the leader's comparison of the members' data (0 for none).",
  ),
  compactHashCheckTimeMs: setting(
    "compact-hash-check-time",
    duration,
    60_000,
    "Interval of the leader's comparison of hashes taken at compactions.",
    { shown: "1m" },
  ),
  compactionBatchLimit: setting(
    "compaction-batch-limit",
    int,
    0,
    "Most revisions that a compaction deletes at once.",
    { shown: "1000", zeroMeans: 1000 },
  ),
  peerSkipClientSanVerification: setting(
    "peer-skip-client-san-verification",
    bool,
    false,
    "Do not compare the host names in members' certificates.",
    { yaml: "peer-transport-security.skip-client-san-verification" },
  ),
  watchProgressNotifyIntervalMs: setting(
    "watch-progress-notify-interval",
    duration,
    0,
    "Interval of progress notifications to watchers that asked for them.",
    { shown: "10m", zeroMeans: 600_000 },
  ),
  warningApplyDurationMs: setting(
    "warning-apply-duration",
    duration,
    100,
    "Log a warning about requests that take longer to apply.",
  ),
  /** 0: off. */
  bootstrapDefragThresholdMegabytes: setting(
    "bootstrap-defrag-threshold-megabytes",
    uint,
    0,
    "Defragment at start when that frees at least so many megabytes (0 for never).",
  ),
  maxLearners: setting("max-learners", int, 1, "Most learners that the cluster may have."),
  compactionSleepIntervalMs: setting(
    "compaction-sleep-interval",
    duration,
    0,
    "Pause between two batches of a compaction.",
    { shown: "", zeroMeans: 10 },
  ),
  downgradeCheckTimeMs: setting(
    "downgrade-check-time",
    duration,
    5000,
    "Interval of checks whether a downgrade is complete.",
  ),
  snapshotCatchupEntries: setting(
    "snapshot-catchup-entries",
    uint64,
    5000,
    "Entries kept in memory after a snapshot, for followers that are a little behind.",
    { zeroMeans: 5000 },
  ),
} as const;

export const UNSAFE = {
  forceNewCluster: setting(
    "force-new-cluster",
    bool,
    false,
    "Start as the only member of a new cluster with the data that is there.",
  ),
  unsafeNoFsync: setting(
    "unsafe-no-fsync",
    bool,
    false,
    "Never wait for the disk. Data will be lost.",
  ),
} as const;
