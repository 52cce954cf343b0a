/** Histograms of /metrics: what happened between two looks, and its quantiles. */
import type { Exposition } from "./exposition.ts";

export interface Distribution {
  /** Upper bounds, ascending; the last is Infinity where the page has it. */
  readonly bounds: readonly number[];
  /** Observations up to each bound. */
  readonly cumulative: readonly number[];
  readonly count: number;
  readonly sum: number;
}

/** The histogram `name`, of the series whose labels agree with `labels`; several are added up. */
export function distributionOf(
  exposition: Exposition,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Distribution | undefined {
  const agrees = (given: Readonly<Record<string, string>>): boolean =>
    Object.entries(labels).every(([label, value]) => given[label] === value);
  const counts = new Map<number, number>();
  for (const { labels: given, value } of exposition.get(`${name}_bucket`) ?? []) {
    if (!agrees(given)) continue;
    const bound = given["le"] === "+Inf" ? Number.POSITIVE_INFINITY : Number(given["le"]);
    counts.set(bound, (counts.get(bound) ?? 0) + value);
  }
  if (counts.size === 0) return undefined;
  const total = (suffix: string): number =>
    (exposition.get(name + suffix) ?? [])
      .filter((sample) => agrees(sample.labels))
      .reduce((sum, { value }) => sum + value, 0);
  const bounds = [...counts.keys()].sort((a, b) => a - b);
  const cumulative = bounds.map((bound) => counts.get(bound) ?? 0);
  return { bounds, cumulative, count: total("_count"), sum: total("_sum") };
}

/** What was observed after `before`. All of it when the member has started anew since then. */
export function since(after: Distribution, before: Distribution | undefined): Distribution {
  if (before === undefined || before.count > after.count) return after;
  const earlier = new Map(before.bounds.map((bound, i) => [bound, before.cumulative[i] ?? 0]));
  return {
    bounds: after.bounds,
    cumulative: after.cumulative.map((n, i) => n - (earlier.get(after.bounds[i] ?? 0) ?? 0)),
    count: after.count - before.count,
    sum: after.sum - before.sum,
  };
}

/**
 * The value below which the part `q` of all observations lies, as Prometheus' `histogram_quantile`
 * estimates it: evenly spread within a bucket, and the last finite bound for what lies above it.
 * Undefined without observations.
 */
export function quantile({ bounds, cumulative }: Distribution, q: number): number | undefined {
  const total = cumulative.at(-1) ?? 0;
  if (total <= 0) return undefined;
  const rank = q * total;
  const at = cumulative.findIndex((n) => n >= rank);
  const upper = bounds[at] ?? 0;
  const lower = at > 0 ? (bounds[at - 1] ?? 0) : 0;
  if (!Number.isFinite(upper)) return lower;
  const below = at > 0 ? (cumulative[at - 1] ?? 0) : 0;
  const inside = (cumulative[at] ?? 0) - below;
  return inside === 0 ? upper : lower + ((upper - lower) * (rank - below)) / inside;
}
