/** Rows of flag tables, in short, and those of `snapshot restore`, which etcdctl has too. */
import type { FlagSpec } from "../framework/flags.ts";

const DEFAULT_PEER_URL = "http://localhost:2380";
/** What etcd reserves for its memory map. */
const DEFAULT_MEMORY_MAP_BYTES = "10737418240";

export function text(name: string, usage: string, value = ""): FlagSpec {
  return { name, kind: "string", default: value, usage };
}

/** The path of a directory. */
export function directory(name: string, usage: string): FlagSpec {
  return { ...text(name, usage), isDirectory: true };
}

export function count(name: string, usage: string, value = "0"): FlagSpec {
  return { name, kind: "uint", default: value, usage };
}

export function switchFlag(name: string, usage: string): FlagSpec {
  return { name, kind: "bool", default: "false", usage };
}

/** The tools describe `--data-dir` in their own words. */
export function restoreFlags(dataDirUsage: string): FlagSpec[] {
  return [
    directory("data-dir", dataDirUsage),
    directory("wal-dir", "Path to the WAL directory (use --data-dir if none given)"),
    text(
      "initial-cluster",
      "Initial cluster configuration for restore bootstrap",
      `default=${DEFAULT_PEER_URL}`,
    ),
    text(
      "initial-cluster-token",
      "Initial cluster token for the etcd cluster during restore bootstrap",
      "etcd-cluster",
    ),
    text(
      "initial-advertise-peer-urls",
      "List of this member's peer URLs to advertise to the rest of the cluster",
      DEFAULT_PEER_URL,
    ),
    text("name", "Human-readable name for this member", "default"),
    switchFlag(
      "skip-hash-check",
      "Ignore snapshot integrity hash value (required if copied from data directory)",
    ),
    // Taken for the scripts that give it; there is no memory map.
    count(
      "initial-memory-map-size",
      "Initial memory map size of the database in bytes. " +
        "It uses the default value if not defined or defined to 0",
      DEFAULT_MEMORY_MAP_BYTES,
    ),
    count("bump-revision", "How much to increase the latest revision after restore"),
    switchFlag(
      "mark-compacted",
      "Mark the latest revision after restore as the point of scheduled compaction " +
        "(required if --bump-revision > 0, disallowed otherwise)",
    ),
  ];
}
