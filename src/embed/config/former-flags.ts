/**
 * Flags that 3.6 renamed or turned into feature gates, and flags so old that they are only
 * accepted. The texts of the warnings are etcd's, with their small irregularities.
 */
import type { GateName } from "./feature-gates.ts";
import type { GateFlag, RenamedFlag } from "./setting.ts";

function rename(now: string, warning?: string, yaml: readonly string[] = []): RenamedFlag {
  const flag = `experimental-${now}`;
  return { flag, now, yaml: [flag, ...yaml], warning };
}

function plain(now: string, yaml: readonly string[] = []): RenamedFlag {
  return rename(now, deprecated(`experimental-${now}`, "v3.6", "v3.7", `'--${now}'`), yaml);
}

function unversioned(now: string, written: string): RenamedFlag {
  return rename(now, deprecated(`experimental-${now}`, "3.6", "3.7", written));
}

function deprecated(flag: string, since: string, until: string, instead: string): string {
  return `--${flag} is deprecated in ${since} and will be decommissioned in ${until}. Use ${instead} instead.`;
}

export const RENAMED_TRACING_FLAGS: readonly RenamedFlag[] = [
  unversioned("enable-distributed-tracing", "--enable-distributed-tracing"),
  unversioned("distributed-tracing-address", "--distributed-tracing-address"),
  unversioned("distributed-tracing-service-name", "--distributed-tracing-service-name"),
  unversioned("distributed-tracing-instance-id", "--distributed-tracing-instance-id"),
  unversioned("distributed-tracing-sampling-rate", "--distributed-tracing-sampling-rate"),
];

const SLEEP_INTERVAL = "compaction-sleep-interval";

export const RENAMED_CHECK_FLAGS: readonly RenamedFlag[] = [
  plain("corrupt-check-time"),
  unversioned("compact-hash-check-time", "'--compact-hash-check-time'"),
  plain("compaction-batch-limit"),
  rename("peer-skip-client-san-verification"),
  plain("watch-progress-notify-interval"),
  plain("warning-apply-duration"),
  plain("bootstrap-defrag-threshold-megabytes"),
  rename(
    "warning-unary-request-duration",
    "--experimental-warning-unary-request-duration is deprecated, and will be decommissioned in v3.7. " +
      "Use --warning-unary-request-duration instead.",
  ),
  rename(
    SLEEP_INTERVAL,
    deprecated(`experimental-${SLEEP_INTERVAL}`, "v3.6", "v3.7", `'${SLEEP_INTERVAL}'`),
  ),
  plain("downgrade-check-time"),
  plain("memory-mlock"),
  // The key of 3.5's files has one hyphen more than the flag.
  plain("snapshot-catchup-entries", ["experimental-snapshot-catch-up-entries"]),
];

function gateFlag(flag: string, gate: GateName, since?: string): GateFlag {
  if (since === undefined) return { flag, gate, warning: undefined };
  const until = since.replace("3.6", "3.7");
  const instead = `'--feature-gates=${gate}=true'`;
  return { flag, gate, warning: deprecated(flag, since, until, instead) };
}

export const GATE_FLAGS: readonly GateFlag[] = [
  gateFlag("experimental-initial-corrupt-check", "InitialCorruptCheck"),
  gateFlag("experimental-compact-hash-check-enabled", "CompactHashCheck", "3.6"),
  gateFlag("experimental-enable-lease-checkpoint", "LeaseCheckpoint"),
  gateFlag("experimental-enable-lease-checkpoint-persist", "LeaseCheckpointPersist"),
  gateFlag(
    "experimental-txn-mode-write-with-shared-buffer",
    "TxnModeWriteWithSharedBuffer",
    "v3.6",
  ),
  gateFlag("experimental-stop-grpc-service-on-defrag", "StopGRPCServiceOnDefrag"),
];

/** Flags of etcd 0.4 and of test builds. They take a value only after "=", and mean nothing. */
export const IGNORED_FLAGS: readonly string[] = [
  "cluster-active-size",
  "cluster-remove-delay",
  "cluster-sync-interval",
  "config",
  "force",
  "max-result-buffer",
  "max-retry-attempts",
  "peer-heartbeat-interval",
  "peer-election-timeout",
  "retry-interval",
  "snapshot",
  "v",
  "vv",
  "test.coverprofile",
  "test.outputdir",
];
