/** What plots show: the figures of the last minutes, a point for each look. */
import type { MemberFigures } from "../../src/insight/member-figures.ts";

export interface Point {
  /** Seconds since 1970, as the plot wants it. */
  readonly at: number;
  readonly figures: MemberFigures;
}

/** Five minutes of looks every two seconds. */
const KEPT_POINTS = 150;

export function withPoint(points: readonly Point[], point: Point): readonly Point[] {
  return [...points, point].slice(-KEPT_POINTS);
}

export type Column = (number | null)[];

/** Columns of a plot: times, then one line for each function; what is not known is a gap. */
export function columnsOf(
  points: readonly Point[],
  lines: readonly ((figures: MemberFigures) => number | undefined)[],
): [number[], ...Column[]] {
  const times = points.map(({ at }) => at);
  const columns = lines.map((line) => points.map(({ figures }) => line(figures) ?? null));
  return [times, ...columns];
}
