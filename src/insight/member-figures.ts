/**
 * What a member is doing, from two looks at its /metrics: the figures of `etcdctl top` and of the
 * dashboard. Every etcd from 3.4 on has them; latencies of single RPCs need `--metrics=extensive`.
 */
import { type Distribution, distributionOf, quantile, since } from "./distribution.ts";
import { type Exposition, firstValue } from "./exposition.ts";

/** One look. */
export interface Scrape {
  readonly atMs: number;
  readonly samples: Exposition;
}

/** Durations between the two looks, in seconds; undefined when nothing was measured. */
export interface Timing {
  readonly perSecond: number;
  readonly p50: number | undefined;
  readonly p99: number | undefined;
}

export interface RpcFigures {
  /** Such as "KV/Range". */
  readonly method: string;
  readonly perSecond: number;
  readonly failuresPerSecond: number;
  /** Undefined unless the member runs with `--metrics=extensive`. */
  readonly timing: Timing | undefined;
}

export interface PeerFigures {
  /** The other member's id, in hexadecimal. */
  readonly id: string;
  readonly roundTrip: Timing;
}

export interface MemberFigures {
  /** The busiest first; those that are not called are left out. */
  readonly rpcs: readonly RpcFigures[];
  readonly requestsPerSecond: number;
  readonly fsync: Timing | undefined;
  readonly commit: Timing | undefined;
  readonly peers: readonly PeerFigures[];
  readonly dbBytes: number | undefined;
  readonly dbInUseBytes: number | undefined;
  readonly quotaBytes: number | undefined;
  readonly keys: number | undefined;
  readonly currentRevision: number | undefined;
  readonly compactRevision: number | undefined;
  readonly watchStreams: number | undefined;
  readonly watchers: number | undefined;
  readonly slowWatchers: number | undefined;
  readonly eventsPerSecond: number;
  readonly pendingProposals: number | undefined;
  readonly leaderChanges: number | undefined;
  readonly residentBytes: number | undefined;
  /** Of one processor: 1 is all of it. */
  readonly processorShare: number;
  /** The bytes that clients' connections carried per second. */
  readonly receivedPerSecond: number;
  readonly sentPerSecond: number;
}

export function figuresBetween(before: Scrape, after: Scrape): MemberFigures {
  const { samples } = after;
  const seconds = Math.max(0.001, (after.atMs - before.atMs) / 1000);
  const look: Look = { before: before.samples, after: samples, seconds };
  const now = (name: string): number | undefined => firstValue(samples, name);
  const rpcs = rpcFigures(look);
  return {
    rpcs,
    requestsPerSecond: rpcs.reduce((sum, { perSecond }) => sum + perSecond, 0),
    fsync: timing(look, "etcd_disk_wal_fsync_duration_seconds"),
    commit: timing(look, "etcd_disk_backend_commit_duration_seconds"),
    peers: peerFigures(look),
    dbBytes: now("etcd_mvcc_db_total_size_in_bytes"),
    dbInUseBytes: now("etcd_mvcc_db_total_size_in_use_in_bytes"),
    quotaBytes: now("etcd_server_quota_backend_bytes"),
    keys: now("etcd_debugging_mvcc_keys_total"),
    currentRevision: now("etcd_debugging_mvcc_current_revision"),
    compactRevision: now("etcd_debugging_mvcc_compact_revision"),
    watchStreams: now("etcd_debugging_mvcc_watch_stream_total"),
    watchers: now("etcd_debugging_mvcc_watcher_total"),
    slowWatchers: now("etcd_debugging_mvcc_slow_watcher_total"),
    eventsPerSecond: rate(look, "etcd_debugging_mvcc_events_total"),
    pendingProposals: now("etcd_server_proposals_pending"),
    leaderChanges: now("etcd_server_leader_changes_seen_total"),
    residentBytes: now("process_resident_memory_bytes"),
    processorShare: rate(look, "process_cpu_seconds_total"),
    receivedPerSecond: rate(look, "etcd_network_client_grpc_received_bytes_total"),
    sentPerSecond: rate(look, "etcd_network_client_grpc_sent_bytes_total"),
  };
}

interface Look {
  readonly before: Exposition;
  readonly after: Exposition;
  readonly seconds: number;
}

/** Growth per second; a counter that has fallen began anew with its process. */
function growth(before: number, after: number, seconds: number): number {
  return (after < before ? after : after - before) / seconds;
}

function rate({ before, after, seconds }: Look, name: string): number {
  return growth(firstValue(before, name) ?? 0, firstValue(after, name) ?? 0, seconds);
}

function timing(
  { before, after, seconds }: Look,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Timing | undefined {
  const all = distributionOf(after, name, labels);
  if (all === undefined) return undefined;
  const recent: Distribution = since(all, distributionOf(before, name, labels));
  const p50 = quantile(recent, 0.5);
  return { perSecond: recent.count / seconds, p50, p99: quantile(recent, 0.99) };
}

/** `grpc_service` without its package. */
const SERVICE = /^.*\./;

function rpcFigures(look: Look): readonly RpcFigures[] {
  const ends = (exposition: Exposition): ReadonlyMap<string, Counts> => {
    const found = new Map<string, Counts>();
    for (const { labels, value } of exposition.get("grpc_server_handled_total") ?? []) {
      const { grpc_service: service = "", grpc_method: method = "", grpc_code: code } = labels;
      const key = `${service}/${method}`;
      const { all, failed } = found.get(key) ?? { all: 0, failed: 0 };
      found.set(key, { all: all + value, failed: failed + (code === "OK" ? 0 : value) });
    }
    return found;
  };
  const earlier = ends(look.before);
  const rows: RpcFigures[] = [];
  for (const [path, { all, failed }] of ends(look.after)) {
    const past = earlier.get(path) ?? { all: 0, failed: 0 };
    const perSecond = growth(past.all, all, look.seconds);
    if (perSecond === 0) continue;
    const [service = "", method = ""] = path.split("/");
    const labels = { grpc_service: service, grpc_method: method };
    rows.push({
      method: `${service.replace(SERVICE, "")}/${method}`,
      perSecond,
      failuresPerSecond: growth(past.failed, failed, look.seconds),
      timing: timing(look, "grpc_server_handling_seconds", labels),
    });
  }
  return rows.sort((a, b) => b.perSecond - a.perSecond || (a.method < b.method ? -1 : 1));
}

interface Counts {
  readonly all: number;
  readonly failed: number;
}

function peerFigures(look: Look): readonly PeerFigures[] {
  const name = "etcd_network_peer_round_trip_time_seconds";
  const ids = new Set((look.after.get(`${name}_count`) ?? []).map(({ labels }) => labels["To"]));
  return [...ids]
    .filter((id) => id !== undefined)
    .sort()
    .flatMap((id) => {
      const roundTrip = timing(look, name, { To: id });
      return roundTrip === undefined ? [] : [{ id, roundTrip }];
    });
}
