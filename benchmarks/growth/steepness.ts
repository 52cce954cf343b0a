/**
 * How steep the curves are: the exponent of growth from one size to another. 0 is a cost that stays,
 * 1 one that grows as the size does.
 */
import { OURS } from "../servers.ts";
import type { Curve } from "./curves.ts";
import type { Point } from "./points.ts";

/** Exponents nearer to each other than this are the same. */
const TOLERANCE = 0.05;

interface Sized {
  readonly size: number;
  readonly value: number;
}

/** From the first size to the last; undefined for fewer than two. */
export function exponentOf(points: readonly Sized[]): number | undefined {
  const sorted = [...points].sort((a, b) => a.size - b.size);
  const [first, last] = [sorted[0], sorted.at(-1)];
  if (first === undefined || last === undefined || first.size === last.size) return undefined;
  return Math.log(last.value / first.value) / Math.log(last.size / first.size);
}

/** The points of one line, in the order of their sizes. */
export function lineOf(points: readonly Point[], server: string, metric: string): Sized[] {
  return points
    .filter((point) => point.server === server && point.values[metric] !== undefined)
    .map(({ size, values }) => ({ size, value: values[metric] ?? 0 }))
    .sort((a, b) => a.size - b.size);
}

export function serversOf(points: readonly Point[]): string[] {
  const labels = [...new Set(points.map(({ server }) => server))].sort().reverse();
  return [...labels.filter((label) => label === OURS), ...labels.filter((label) => label !== OURS)];
}

/** A table in Markdown: each plot's exponents, over the sizes that both have. */
export function steepnessTable(curves: readonly Curve[], points: readonly Point[]): string {
  const labels = serversOf(points);
  const head = ["curve", "cost", ...labels, "steeper than"];
  const rows = curves.flatMap(({ name, panels }) =>
    panels.map(({ metric }) => {
      const these = points.filter(({ curve }) => curve === name);
      const exponents = labels.map((label) => exponentOf(lineOf(these, label, metric)));
      const steeper = labels.filter((label) => label !== OURS && isSteeper(these, label, metric));
      const cells = exponents.map((exponent) => exponent?.toFixed(2) ?? "");
      return [name, metric, ...cells, steeper.join(", ")];
    }),
  );
  const lines = [head, head.map(() => "---"), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function isSteeper(points: readonly Point[], label: string, metric: string): boolean {
  const [ours, others] = [lineOf(points, OURS, metric), lineOf(points, label, metric)];
  const common = (line: readonly Sized[], other: readonly Sized[]): Sized[] =>
    line.filter(({ size }) => other.some((each) => each.size === size));
  const exponent = exponentOf(common(ours, others));
  const theirs = exponentOf(common(others, ours));
  return exponent !== undefined && theirs !== undefined && exponent > theirs + TOLERANCE;
}
