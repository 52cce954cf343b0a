/** Turns measurements into a table of ratios for people and a record for comparison over time. */
import { BUDGETS, BUDGETS_MS, type Measurement } from "./workloads.ts";

/** One run of one workload on one server. */
export interface Sample extends Measurement {
  readonly server: "ours" | "other";
  readonly round: number;
  /** Processor time of the server per operation, where the value is a throughput. */
  readonly cpuMicrosPerOperation?: number;
  /** Longest stall of the server's event loop, where it tells. */
  readonly stallMs?: number;
}

export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly ours: Sample | undefined;
  readonly other: Sample | undefined;
  /** ours / other. */
  readonly ratio: number | undefined;
  readonly budget: number | undefined;
  /** What ours may take in milliseconds; in place of a ratio. */
  readonly budgetMs: number | undefined;
  /** Undefined when there is no budget or nothing to compare with. */
  readonly isMet: boolean | undefined;
}

/** The median run of each server counts. */
export function summarise(samples: readonly Sample[]): Row[] {
  const names = [...new Set(samples.map((sample) => sample.row))];
  return names.map((name) => {
    const of = (server: Sample["server"]): Sample | undefined =>
      median(samples.filter((sample) => sample.row === name && sample.server === server));
    const ours = of("ours");
    const other = of("other");
    const unit = (ours ?? other)?.unit ?? "";
    const ratio = ours && other ? ours.value / other.value : undefined;
    const budget = BUDGETS.get(name);
    const budgetMs = BUDGETS_MS.get(name);
    const isMet = verdictOn({ unit, ours, ratio, budget, budgetMs });
    return { name, unit, ours, other, ratio, budget, budgetMs, isMet };
  });
}

function verdictOn({
  unit,
  ours,
  ratio,
  budget,
  budgetMs,
}: Pick<Row, "unit" | "ours" | "ratio" | "budget" | "budgetMs">): boolean | undefined {
  if (budgetMs !== undefined) return ours && ours.value <= budgetMs;
  if (ratio === undefined || budget === undefined) return undefined;
  return unit === "op/s" ? ratio >= budget : ratio <= budget;
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
  "ratio",
  "budget",
  "p50 ms",
  "p99 ms",
  "p99.9 ms",
  "cpu µs/op",
  "stall ms",
];

/** Latency columns show ours / other. */
export function formatTable(rows: readonly Row[]): string {
  const cells = [HEAD, ...rows.map(rowCells)];
  const widths = HEAD.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells
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
  const lines = pairs.flatMap(({ row, besides }) =>
    (["ours", "other"] as const).flatMap((server) => {
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

function rowCells({ name, unit, ours, other, ratio, budget, budgetMs, isMet }: Row): string[] {
  const both = (read: (sample: Sample) => number | undefined): string => {
    const texts = [ours, other].map((sample) => formatNumber(sample && read(sample)));
    return texts.every((text) => text === "") ? "" : texts.join(" / ");
  };
  const sign = unit === "op/s" ? "≥" : "≤";
  const wanted = budgetMs === undefined ? budget && `${sign} ${budget}x` : `≤ ${budgetMs} ms`;
  const verdict = isMet === undefined ? "" : isMet ? " ok" : " MISSED";
  return [
    name,
    unit,
    formatNumber(ours?.value),
    formatNumber(other?.value),
    ratio === undefined ? "" : `${ratio.toFixed(2)}x`,
    wanted === undefined ? "" : `${wanted}${verdict}`,
    both((sample) => sample.result?.latency.p50Ms),
    both((sample) => sample.result?.latency.p99Ms),
    both((sample) => sample.result?.latency.p999Ms),
    both((sample) => sample.cpuMicrosPerOperation),
    formatNumber(ours?.stallMs),
  ];
}

function formatNumber(value: number | undefined): string {
  if (value === undefined) return "";
  if (value >= 1000) return Math.round(value).toLocaleString("en-US");
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
