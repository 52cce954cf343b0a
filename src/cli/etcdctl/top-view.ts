/** Views of what members are doing: `etcdctl top`. */
import type { StatusResponse } from "../../api/gen/rpc.ts";
import { humanizeBytes } from "../../base/go-text.ts";
import type { MemberFigures, Timing } from "../../insight/member-figures.ts";
import type { JsonValue } from "./go-json.ts";
import type { View } from "./view.ts";

/** What one look at an endpoint showed. */
export interface EndpointLook {
  readonly endpoint: string;
  readonly status: StatusResponse | undefined;
  /** Undefined until there are two looks, and where /metrics cannot be read. */
  readonly figures: MemberFigures | undefined;
  /** "" when all is well. */
  readonly error: string;
}

const HEADINGS = [
  "Endpoint",
  "Role",
  "Term",
  "Index",
  "Applied",
  "DB",
  "In use",
  "Requests/s",
  "fsync p50/p99",
  "Commit p50/p99",
  "Watchers",
  "Slow",
  "Events/s",
  "CPU",
  "Memory",
];

const RPC_HEADINGS = ["Request", "Per second", "Failed", "p50", "p99"];

export function topView(looks: readonly EndpointLook[]): View {
  const table = { headings: HEADINGS, rows: looks.map(rowOf) };
  return {
    simple: (out) => {
      for (const line of columns([HEADINGS, ...table.rows])) out.line(line);
      const rpcs = rpcRows(looks);
      if (rpcs.length > 0) out.line("");
      if (rpcs.length > 0) for (const line of columns([RPC_HEADINGS, ...rpcs])) out.line(line);
      for (const { endpoint, error } of looks) {
        if (error !== "") out.line(`${endpoint}: ${error}`);
      }
    },
    json: () => looks.map(jsonOf),
    table: () => table,
  };
}

/** The first column to the left, figures to the right. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("  "),
  );
}

function rowOf({ endpoint, status, figures }: EndpointLook): string[] {
  const told = (value: number | undefined): string => (value === undefined ? "-" : String(value));
  return [
    endpoint,
    status === undefined ? "-" : roleOf(status),
    told(status?.raftTerm),
    told(status?.raftIndex),
    told(status?.raftAppliedIndex),
    bytes(status?.dbSize),
    bytes(status?.dbSizeInUse),
    rate(figures?.requestsPerSecond),
    bothOf(figures?.fsync),
    bothOf(figures?.commit),
    told(figures?.watchers),
    told(figures?.slowWatchers),
    rate(figures?.eventsPerSecond),
    figures === undefined ? "-" : `${Math.round(figures.processorShare * 100)}%`,
    bytes(figures?.residentBytes),
  ];
}

function roleOf({ header, leader, isLearner }: StatusResponse): string {
  if (isLearner) return "learner";
  if (leader === 0n) return "no leader";
  return header?.memberId === leader ? "leader" : "follower";
}

/** All endpoints together; of latencies the longest. */
function rpcRows(looks: readonly EndpointLook[]): string[][] {
  interface Sum {
    perSecond: number;
    failed: number;
    p50: number | undefined;
    p99: number | undefined;
  }
  const sums = new Map<string, Sum>();
  for (const { method, perSecond, failuresPerSecond, timing } of looks.flatMap(
    ({ figures }) => figures?.rpcs ?? [],
  )) {
    const sum = sums.get(method) ?? { perSecond: 0, failed: 0, p50: undefined, p99: undefined };
    sum.perSecond += perSecond;
    sum.failed += failuresPerSecond;
    sum.p50 = longest(sum.p50, timing?.p50);
    sum.p99 = longest(sum.p99, timing?.p99);
    sums.set(method, sum);
  }
  return [...sums]
    .sort(([, a], [, b]) => b.perSecond - a.perSecond)
    .map(([method, { perSecond, failed, p50, p99 }]) => {
      return [method, rate(perSecond), rate(failed), duration(p50), duration(p99)];
    });
}

function longest(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.max(one, other);
}

function bytes(value: number | undefined): string {
  return value === undefined ? "-" : humanizeBytes(value);
}

function rate(value: number | undefined): string {
  if (value === undefined) return "-";
  return value > 0 && value < 10 ? value.toFixed(1) : String(Math.round(value));
}

function bothOf(timing: Timing | undefined): string {
  return `${duration(timing?.p50)}/${duration(timing?.p99)}`;
}

function duration(seconds: number | undefined): string {
  if (seconds === undefined) return "-";
  const ms = seconds * 1000;
  return ms < 10 ? `${ms.toFixed(1)}ms` : `${Math.round(ms)}ms`;
}

function jsonOf({ endpoint, status, figures, error }: EndpointLook): JsonValue {
  const json: Record<string, JsonValue> = { endpoint };
  if (error !== "") json["error"] = error;
  if (status !== undefined) {
    json["role"] = roleOf(status);
    json["raft_term"] = status.raftTerm;
    json["raft_index"] = status.raftIndex;
    json["raft_applied_index"] = status.raftAppliedIndex;
    json["db_size"] = status.dbSize;
    json["db_size_in_use"] = status.dbSizeInUse;
  }
  if (figures === undefined) return json;
  const { watchers, slowWatchers, residentBytes } = figures;
  json["requests_per_second"] = figures.requestsPerSecond;
  json["events_per_second"] = figures.eventsPerSecond;
  json["processor_share"] = figures.processorShare;
  json["fsync"] = timingJson(figures.fsync);
  json["commit"] = timingJson(figures.commit);
  if (watchers !== undefined) json["watchers"] = watchers;
  if (slowWatchers !== undefined) json["slow_watchers"] = slowWatchers;
  if (residentBytes !== undefined) json["resident_bytes"] = residentBytes;
  json["rpcs"] = figures.rpcs.map(({ method, perSecond, failuresPerSecond, timing }) => ({
    ...{ method, per_second: perSecond, failures_per_second: failuresPerSecond },
    ...(timing === undefined ? {} : { timing: timingJson(timing) }),
  }));
  return json;
}

/** Seconds. */
function timingJson(timing: Timing | undefined): JsonValue {
  if (timing === undefined) return null;
  return { per_second: timing.perSecond, p50: timing.p50 ?? null, p99: timing.p99 ?? null };
}
