/** Turns measurements into a table of ratios for people and a record for comparison over time. */
import { type Budget, BUDGETS_MS, budgetOf } from "./budgets.ts";
import { OURS } from "./servers.ts";
import type { Measurement } from "./workloads.ts";

/** One run of one workload on one server. */
export interface Sample extends Measurement {
  /** Label of the server. */
  readonly server: string;
  readonly round: number;
  /** Processor time of the server per operation, where the value is a throughput. */
  readonly cpuMicrosPerOperation?: number;
  /**
   * Longest stall of the server's event loop, where it tells: under the load whose result this is,
   * otherwise of what came behind all loads.
   */
  readonly stallMs?: number;
}

/** A workload that a server did not bring to its end. */
export interface Failure {
  readonly row: string;
  readonly server: string;
  readonly message: string;
}

/** Ours beside one other server. */
export interface Comparison {
  readonly server: string;
  /** Undefined where it failed. */
  readonly sample: Sample | undefined;
  /** ours / other. */
  readonly ratio: number | undefined;
  readonly budget: Budget | undefined;
  /** Undefined when there is no budget or nothing to compare with. */
  readonly isMet: boolean | undefined;
  /** Throughput and processor time per operation say different things. */
  readonly isNoise: boolean;
}

export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly ours: Sample | undefined;
  readonly others: readonly Comparison[];
  /** What ours may take in milliseconds, whatever the others take. */
  readonly budgetMs: number | undefined;
  /** On that budget; undefined without one. */
  readonly isMet: boolean | undefined;
}

/** The median run of each server counts. */
export function summarise(samples: readonly Sample[], failures: readonly Failure[] = []): Row[] {
  const names = [...new Set([...samples, ...failures].map(({ row }) => row))];
  return names.map((name) => {
    const these = samples.filter(({ row }) => row === name);
    const of = (label: string) => median(these.filter(({ server }) => server === label));
    const ours = of(OURS);
    const labels = [...these, ...failures.filter(({ row }) => row === name)]
      .map(({ server }) => server)
      .filter((label, index, all) => label !== OURS && all.indexOf(label) === index);
    const others = labels.map((label) => comparisonOf(name, ours, label, of(label)));
    const unit = (ours ?? these[0])?.unit ?? "";
    const budgetMs = BUDGETS_MS.get(name);
    const isMet = budgetMs === undefined || ours === undefined ? undefined : ours.value <= budgetMs;
    return { name, unit, ours, others, budgetMs, isMet };
  });
}

function comparisonOf(
  row: string,
  ours: Sample | undefined,
  server: string,
  sample: Sample | undefined,
): Comparison {
  const budget = budgetOf(row, server);
  if (ours === undefined || sample === undefined) {
    return { server, sample, ratio: undefined, budget, isMet: undefined, isNoise: false };
  }
  const ratio = ours.value / sample.value;
  const isThroughput = ours.unit === "op/s";
  const verdicts: boolean[] = [];
  if (budget?.ratio !== undefined) {
    verdicts.push(isThroughput ? ratio >= budget.ratio : ratio <= budget.ratio);
  }
  const [p99, theirs] = [ours.result?.latency.p99Ms, sample.result?.latency.p99Ms];
  if (budget?.p99 !== undefined && p99 !== undefined && theirs !== undefined) {
    verdicts.push(p99 / theirs <= budget.p99);
  }
  const isMet = verdicts.length === 0 ? undefined : verdicts.every((verdict) => verdict);
  return { server, sample, ratio, budget, isMet, isNoise: isThroughput && isNoise(ours, sample) };
}

/** Closer than this, two figures are the same. */
const TOLERANCE = 0.05;

/** One has the higher throughput, and takes more processor time for each operation nevertheless. */
function isNoise(ours: Sample, other: Sample): boolean {
  const [cost, otherCost] = [ours.cpuMicrosPerOperation, other.cpuMicrosPerOperation];
  if (!cost || !otherCost) return false;
  const speed = directionOf(ours.value / other.value);
  const thrift = directionOf(otherCost / cost);
  return speed !== 0 && thrift !== 0 && speed !== thrift;
}

function directionOf(ratio: number): number {
  if (ratio > 1 + TOLERANCE) return 1;
  return ratio < 1 / (1 + TOLERANCE) ? -1 : 0;
}

function median(samples: readonly Sample[]): Sample | undefined {
  const sorted = [...samples].sort((a, b) => a.value - b.value);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

const HEAD = [
  "workload",
  "unit",
  "ours",
  "other",
  "value",
  "ratio",
  "budget",
  "p50 ms",
  "p99 ms",
  "p99.9 ms",
  "cpu µs/op",
  "anon MB",
  "file MB",
  "stall ms",
  "",
];

/** A line for each other server. The columns of latency, cost and memory show ours / other. */
export function formatTable(rows: readonly Row[]): string {
  const cells = [HEAD, ...rows.flatMap(rowLines)];
  const filled = HEAD.map((_, column) => cells.slice(1).some((row) => (row[column] ?? "") !== ""));
  const shown = cells.map((row) => row.filter((_, column) => filled[column]));
  const widths = (shown[0] ?? []).map((_, column) =>
    Math.max(...shown.map((row) => row[column]?.length ?? 0)),
  );
  return shown
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** A row, and the one with the same load that it is compared with. */
export interface Pair {
  readonly row: string;
  readonly besides: string;
}

/**
 * What each row keeps of the throughput of the other (medians), and how much more processor time an
 * operation takes: the least of all rounds, which other work on the machine disturbs least.
 */
export function formatPairs(samples: readonly Sample[], pairs: readonly Pair[]): string {
  const servers = [...new Set(samples.map(({ server }) => server))];
  const lines = pairs.flatMap(({ row, besides }) =>
    servers.flatMap((server) => {
      const of = (name: string) => samples.filter((s) => s.row === name && s.server === server);
      const [these, those] = [of(row), of(besides)];
      const [a, b] = [median(these), median(those)];
      if (a === undefined || b === undefined) return [];
      const kept = `${server}: ${row} is ${(a.value / b.value).toFixed(3)}x ${besides}`;
      const cost = leastCost(these) / leastCost(those);
      return [Number.isNaN(cost) ? kept : `${kept}, at ${cost.toFixed(3)}x its processor time`];
    }),
  );
  return lines.join("\n");
}

/** NaN where nothing was measured. */
function leastCost(samples: readonly Sample[]): number {
  return Math.min(...samples.map((sample) => sample.cpuMicrosPerOperation ?? Number.NaN));
}

function rowLines(row: Row): string[][] {
  if (row.others.length === 0) return [lineOf(row, undefined)];
  return row.others.map((other) => lineOf(row, other));
}

function lineOf(row: Row, other: Comparison | undefined): string[] {
  const { name, unit, ours } = row;
  const both = (read: (sample: Sample) => number | undefined): string => {
    const samples = other === undefined ? [ours] : [ours, other.sample];
    const texts = samples.map((sample) => formatNumber(sample && read(sample)));
    return texts.every((text) => text === "") ? "" : texts.join(" / ");
  };
  const hasFailed = other !== undefined && other.sample === undefined;
  return [
    name,
    unit,
    formatNumber(ours?.value),
    other?.server ?? "",
    hasFailed ? "failed" : formatNumber(other?.sample?.value),
    other?.ratio === undefined ? "" : `${other.ratio.toFixed(2)}x`,
    budgetText(row, other),
    both((sample) => sample.result?.latency.p50Ms),
    both((sample) => sample.result?.latency.p99Ms),
    both((sample) => sample.result?.latency.p999Ms),
    both((sample) => sample.cpuMicrosPerOperation),
    both((sample) => sample.memory?.anonymousMegabytes),
    both((sample) => sample.memory?.fileMegabytes),
    formatNumber(ours?.stallMs),
    noteOf(ours, other),
  ];
}

/** What makes the figures of a line doubtful. */
function noteOf(ours: Sample | undefined, other: Comparison | undefined): string {
  const errors = [ours, other?.sample].map((sample) => sample?.result?.errors ?? 0);
  const hasErrors = errors.some((count) => count > 0);
  return [
    ...(other?.isNoise === true ? ["noise"] : []),
    ...(hasErrors ? [`${errors.join(" / ")} errors`] : []),
  ].join(", ");
}

function budgetText(row: Row, other: Comparison | undefined): string {
  const verdict = (isMet: boolean | undefined): string =>
    isMet === undefined ? "" : isMet ? " ok" : " MISSED";
  if (row.budgetMs !== undefined) return `≤ ${row.budgetMs} ms${verdict(row.isMet)}`;
  const sign = row.unit === "op/s" ? "≥" : "≤";
  const parts = [
    ...(other?.budget?.ratio === undefined ? [] : [`${sign} ${other.budget.ratio}x`]),
    ...(other?.budget?.p99 === undefined ? [] : [`p99 ≤ ${other.budget.p99}x`]),
  ];
  return parts.length === 0 ? "" : `${parts.join(", ")}${verdict(other?.isMet)}`;
}

function formatNumber(value: number | undefined): string {
  if (value === undefined) return "";
  if (value >= 1000) return Math.round(value).toLocaleString("en-US");
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
