/**
 * Writes `docs/METRICS.md`: `node dist/tools/metrics-page.js`. The families are those that a
 * member really registers: one is started on a temporary directory and asked. A test fails when
 * the page and the member differ.
 *
 * Which names of etcd are known stands in the tables of the layers (`src/env/metric-table.ts`),
 * which are collected here.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { AuthMetrics } from "../src/auth/auth-metrics.ts";
import { BackendSeries } from "../src/backend/metrics.ts";
import { BuildMetrics } from "../src/embed/build-metrics.ts";
import { createConfig, startEtcd } from "../src/embed/index.ts";
import type { HistogramOptions, MetricOptions } from "../src/env/metrics.ts";
import { MemoryLogger } from "../src/env/testing/index.ts";
import { HealthMetrics } from "../src/gateway/endpoints/health-metrics.ts";
import { ScrapeMetrics } from "../src/gateway/endpoints/metrics.ts";
import { LeaseMetrics } from "../src/lease/lease-metrics.ts";
import { MvccMetrics } from "../src/mvcc/mvcc-metrics.ts";
import { DescriptorMetrics } from "../src/platform/metrics-process.ts";
import { MetricsRegistry } from "../src/platform/metrics.ts";
import { GrpcProxyTable } from "../src/proxy/grpc/metrics.ts";
import { HttpProxyTable } from "../src/proxy/http/metrics.ts";
import { ApplyMetrics } from "../src/server/apply/apply-metrics.ts";
import { ConsensusMetrics } from "../src/server/consensus/consensus-metrics.ts";
import { MembersMetrics } from "../src/server/members/members-metrics.ts";
import { ServerMetrics } from "../src/server/metrics.ts";
import { ServicesMetrics } from "../src/server/services/services-metrics.ts";
import { TracingMetrics } from "../src/server/tracing/tracing-metrics.ts";
import { UpkeepMetrics } from "../src/server/upkeep/upkeep-metrics.ts";
import { SnapMetrics } from "../src/snap/snap-metrics.ts";
import { GrpcMetrics } from "../src/transport/grpc/grpc-metrics.ts";
import { PeerMetrics } from "../src/transport/peer/peer-metrics.ts";
import { V2HttpMetrics } from "../src/v2/v2-http-metrics.ts";
import { V2Metrics } from "../src/v2store/v2-metrics.ts";
import { WalMetrics } from "../src/wal/wal-metrics.ts";
import { findRepository } from "./tidy.ts";

export const METRICS_PAGE = "docs/METRICS.md";

export interface MetricFamily {
  readonly name: string;
  readonly kind: "counter" | "gauge" | "histogram";
  readonly labels: readonly string[];
  readonly help: string;
  /** Registered only with `--metrics=extensive`. */
  readonly isExtensive: boolean;
}

/** A family as a table defines it. */
export type DefinedFamily = MetricOptions &
  Partial<Pick<HistogramOptions, "buckets"> & { readonly labels: readonly string[] }>;

/** The tables of the layers and wings; a test looks for one that is missing. */
const METRIC_TABLES: readonly Readonly<Record<string, DefinedFamily>>[] = [
  ApplyMetrics,
  AuthMetrics,
  BackendSeries,
  BuildMetrics,
  ConsensusMetrics,
  DescriptorMetrics,
  GrpcMetrics,
  GrpcProxyTable,
  HealthMetrics,
  HttpProxyTable,
  LeaseMetrics,
  MembersMetrics,
  MvccMetrics,
  PeerMetrics,
  ScrapeMetrics,
  ServerMetrics,
  ServicesMetrics,
  SnapMetrics,
  TracingMetrics,
  UpkeepMetrics,
  V2HttpMetrics,
  V2Metrics,
  WalMetrics,
];

interface Section {
  readonly title: string;
  readonly prefixes: readonly string[];
}

/** A family belongs to the first section with a fitting prefix; the last one takes the rest. */
const SECTIONS: readonly Section[] = [
  {
    title: "The member and raft",
    prefixes: ["etcd_server_", "etcd_cluster_", "etcd_debugging_server_"],
  },
  { title: "Keys and watches", prefixes: ["etcd_mvcc_", "etcd_debugging_mvcc_"] },
  { title: "Leases", prefixes: ["etcd_debugging_lease_", "etcd_lease_"] },
  {
    title: "Disk",
    prefixes: ["etcd_disk_", "etcd_snap_", "etcd_debugging_snap_", "etcd_debugging_disk_"],
  },
  { title: "Network and RPCs", prefixes: ["etcd_network_", "grpc_"] },
  { title: "The v2 API", prefixes: ["etcd_http_", "etcd_debugging_store_"] },
  { title: "TLS", prefixes: ["etcd_tls_"] },
  { title: "Authentication", prefixes: ["etcd_debugging_auth_"] },
  { title: "The process", prefixes: [""] },
];

const HEAD = `# Metrics

What \`/metrics\` offers on the client listener and on \`--listen-metrics-urls\`, in Prometheus' text format. Names, labels and
buckets of the \`etcd_\` and \`grpc_\` families are etcd's. A family with labels shows up with its first series. Families that
Go's runtime adds (\`go_*\`) do not exist; \`nodejs_*\` describe this runtime.

This page is made from what a running member registers, by \`node dist/tools/metrics-page.js\`.
`;

/** Every family that a member registers while it starts, by name. */
export async function registeredFamilies(): Promise<MetricFamily[]> {
  const basic = await registeredBy("basic");
  const families = [...(await registeredBy("extensive")).values()].map((family) => ({
    ...family,
    isExtensive: !basic.has(family.name),
  }));
  return families.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function registeredBy(detail: "basic" | "extensive"): Promise<Map<string, Registration>> {
  const families = new Map<string, Registration>();
  const stopRecording = recordRegistrations((family) => families.set(family.name, family));
  const folder = mkdtempSync(join(tmpdir(), "etcd-metrics-"));
  try {
    const config = createConfig({
      dataDir: join(folder, "data"),
      listenClientUrls: ["http://127.0.0.1:0"],
      listenPeerUrls: ["http://127.0.0.1:0"],
      metrics: detail,
      enableV2: true,
    });
    const member = await startEtcd(config, { logger: new MemoryLogger() });
    await member.ready;
    await member.stop();
  } finally {
    stopRecording();
    rmSync(folder, { recursive: true, force: true });
  }
  return families;
}

type Registration = Omit<MetricFamily, "isExtensive">;
type Method = (options: { name: string; help: string }, more?: unknown) => unknown;

/** Listens to all registries of this process until the returned function is called. */
function recordRegistrations(record: (family: Registration) => void): () => void {
  const registry = MetricsRegistry.prototype as unknown as Record<string, Method>;
  const methods = [
    ["counter", "counter"],
    ["counters", "counter"],
    ["counterFunction", "counter"],
    ["gauge", "gauge"],
    ["gauges", "gauge"],
    ["gaugeFunction", "gauge"],
    ["histogram", "histogram"],
    ["histograms", "histogram"],
  ] as const;
  const originals = methods.map(([method]) => registry[method] as Method);
  for (const [i, [method, kind]] of methods.entries()) {
    const original = originals[i] as Method;
    registry[method] = function (this: MetricsRegistry, options, more) {
      const labels = Array.isArray(more) ? (more as string[]) : [];
      record({ name: options.name, help: options.help, kind, labels });
      return original.call(this, options, more);
    };
  }
  return () => {
    for (const [i, [method]] of methods.entries()) registry[method] = originals[i] as Method;
  };
}

export function metricsPage(families: readonly MetricFamily[]): string {
  const parts = [HEAD];
  const rest = new Set(families);
  for (const { title, prefixes } of SECTIONS) {
    const chosen = [...rest].filter(({ name }) => prefixes.some((p) => name.startsWith(p)));
    if (chosen.length === 0) continue;
    for (const family of chosen) rest.delete(family);
    parts.push(`## ${title}\n`);
    parts.push("| metric | kind | labels | meaning |\n| --- | --- | --- | --- |");
    parts.push(`${chosen.map(row).join("\n")}\n`);
  }
  const missing = definedNames().filter((name) => !families.some((family) => family.name === name));
  if (missing.length > 0) {
    parts.push(
      "## Not there yet\n\nFamilies of etcd whose names are known, without a series at a member (`etcd_proxy_` and `etcd_grpc_proxy_` are those of the proxies):\n",
    );
    parts.push(`${missing.map((name) => `- \`${name}\``).join("\n")}\n`);
  }
  return parts.join("\n");
}

/** Every family that a table of etcd's names defines. */
export function definedFamilies(): readonly DefinedFamily[] {
  return METRIC_TABLES.flatMap((table) => Object.values<DefinedFamily>(table));
}

function definedNames(): string[] {
  return definedFamilies()
    .map(({ name }) => name)
    .sort();
}

function row({ name, kind, labels, help, isExtensive }: MetricFamily): string {
  const labelCell = labels.map((label) => `\`${label}\``).join(", ");
  const meaning = isExtensive ? `${help} Only with \`--metrics=extensive\`.` : help;
  return `| \`${name}\` | ${kind} | ${labelCell} | ${meaning.replaceAll("|", "\\|")} |`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = findRepository(dirname(fileURLToPath(import.meta.url)));
  writeFileSync(join(root, METRICS_PAGE), metricsPage(await registeredFamilies()));
}
