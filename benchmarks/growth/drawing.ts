/**
 * One SVG per curve: its panels side by side, a line for each server, both axes logarithmic. The
 * picture follows the reader's light or dark scheme by itself.
 */
import { OURS } from "../servers.ts";
import type { Curve, Panel } from "./curves.ts";
import type { Point } from "./points.ts";
import { lineOf, serversOf } from "./steepness.ts";

const PANEL_WIDTH = 380;
const PANEL_HEIGHT = 260;
const COLUMNS = 2;
const HEAD_HEIGHT = 64;
const FOOT_HEIGHT = 30;
/** Of a panel's plot. */
const MARGIN = { left: 56, right: 18, top: 44, bottom: 30 } as const;

const STYLE = `
text{font:12px system-ui,sans-serif;fill:#52514e}
.title{font-size:16px;font-weight:600;fill:#0b0b0b}
.panel{font-weight:600;fill:#0b0b0b}
.back{fill:#fcfcfb}.grid{stroke:#e4e3df}.axis{stroke:#a3a19b}
.line{fill:none;stroke-width:2;stroke-linejoin:round}
.s0{stroke:#2a78d6}.s1{stroke:#d95926}.s2{stroke:#199e70}.s3{stroke:#8a55c8}
.m0{fill:#2a78d6}.m1{fill:#d95926}.m2{fill:#199e70}.m3{fill:#8a55c8}
@media (prefers-color-scheme:dark){text{fill:#c3c2b7}.title,.panel{fill:#fff}.back{fill:#1a1a19}
.grid{stroke:#34332f}.axis{stroke:#6d6b64}
.s0{stroke:#4a94ea}.s1{stroke:#eb7446}.s2{stroke:#2cb985}.s3{stroke:#a67ae0}
.m0{fill:#4a94ea}.m1{fill:#eb7446}.m2{fill:#2cb985}.m3{fill:#a67ae0}}
`.replaceAll("\n", "");

/** Colours and marks; more servers than this share the last. */
const MARKS: readonly ((x: number, y: number) => string)[] = [
  (x, y) => `M${x - 4} ${y}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z`,
  (x, y) => `M${x - 3.5} ${y - 3.5}h7v7h-7z`,
  (x, y) => `M${x} ${y - 5}l4.5 8h-9z`,
  (x, y) => `M${x} ${y - 5}l5 5l-5 5l-5 -5z`,
];

export function drawCurve(curve: Curve, points: readonly Point[]): string {
  const labels = serversOf(points);
  const columns = Math.min(COLUMNS, curve.panels.length);
  const rows = Math.ceil(curve.panels.length / columns);
  const width = columns * PANEL_WIDTH;
  const height = HEAD_HEIGHT + rows * PANEL_HEIGHT + FOOT_HEIGHT;
  const panels = curve.panels.map((panel, index) => {
    const x = (index % columns) * PANEL_WIDTH;
    const y = HEAD_HEIGHT + Math.floor(index / columns) * PANEL_HEIGHT;
    return `<g transform="translate(${x} ${y})">${drawPanel(curve, panel, points, labels)}</g>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(curve.title)}">`,
    `<style>${STYLE}</style>`,
    `<rect class="back" width="${width}" height="${height}"/>`,
    `<text class="title" x="16" y="26">${escaped(curve.title)}</text>`,
    drawLegend(labels),
    ...panels,
    `<text x="${width / 2}" y="${height - 10}" text-anchor="middle">${escaped(curve.axis)}</text>`,
    "</svg>\n",
  ].join("\n");
}

function drawLegend(labels: readonly string[]): string {
  const ENTRY_WIDTH = 150;
  const y = 46;
  return labels
    .map((label, index) => {
      const x = 16 + index * ENTRY_WIDTH;
      const name = label === OURS ? "this server" : `Go etcd ${label}`;
      return [
        `<path class="line s${styleOf(index)}" d="M${x} ${y}h28"/>`,
        `<path class="m${styleOf(index)}" d="${markAt(index, x + 14, y)}"/>`,
        `<text x="${x + 36}" y="${y + 4}">${escaped(name)}</text>`,
      ].join("");
    })
    .join("\n");
}

function drawPanel(
  curve: Curve,
  { metric, title, unit }: Panel,
  points: readonly Point[],
  labels: readonly string[],
): string {
  const lines = labels.map((label) => lineOf(points, label, metric));
  const all = lines.flat();
  if (all.length === 0) return "";
  const sizes = curve.sizes.filter((size) => points.some((point) => point.size === size));
  const x = scale(Math.min(...sizes), Math.max(...sizes), MARGIN.left, PANEL_WIDTH - MARGIN.right);
  const ticks = ticksFor(all.map(({ value }) => value));
  const [low = 1, high = 1] = [ticks[0], ticks.at(-1)];
  const y = scale(low, high, PANEL_HEIGHT - MARGIN.bottom, MARGIN.top);
  const [left, right] = [MARGIN.left - 8, PANEL_WIDTH - MARGIN.right + 8];
  const bottom = PANEL_HEIGHT - MARGIN.bottom;
  return [
    `<text class="panel" x="16" y="18">${escaped(title)}</text>`,
    `<text x="16" y="34">${escaped(unit)}</text>`,
    ...ticks.map(
      (tick) =>
        `<path class="grid" d="M${left} ${y(tick)}H${right}"/><text x="${left - 5}" y="${y(tick) + 4}" text-anchor="end">${short(tick)}</text>`,
    ),
    ...sizes.map(
      (size) =>
        `<path class="axis" d="M${x(size)} ${bottom}v5"/><text x="${x(size)}" y="${bottom + 18}" text-anchor="middle">${short(size)}</text>`,
    ),
    `<path class="axis" d="M${left} ${bottom}H${right}"/>`,
    ...lines.flatMap((line, index) => {
      if (line.length === 0) return [];
      const at = line.map(({ size, value }) => [x(size), y(value)] as const);
      const path = at.map(([px, py], i) => `${i === 0 ? "M" : "L"}${px} ${py}`).join("");
      const marks = at.map(([px, py]) => markAt(index, px, py)).join("");
      return [
        `<path class="line s${styleOf(index)}" d="${path}"/>`,
        `<path class="m${styleOf(index)}" d="${marks}"/>`,
      ];
    }),
  ].join("\n");
}

function styleOf(index: number): number {
  return Math.min(index, MARKS.length - 1);
}

function markAt(index: number, x: number, y: number): string {
  return MARKS[styleOf(index)]?.(x, y) ?? "";
}

/** From the logarithm of values to pixels, rounded to tenths. */
function scale(low: number, high: number, from: number, to: number): (value: number) => number {
  const [a, b] = [Math.log10(low), Math.log10(high)];
  return (value) => {
    const share = b === a ? 0.5 : (Math.log10(value) - a) / (b - a);
    return Math.round((from + share * (to - from)) * 10) / 10;
  };
}

/** Round numbers around the values: of each power of ten 1, 2 and 5 where there are few powers. */
export function ticksFor(values: readonly number[]): number[] {
  const least = Math.min(...values);
  const most = Math.max(...values);
  const steps = most / least > 50 ? [1] : [1, 2, 5];
  const ticks: number[] = [];
  const from = Math.floor(Math.log10(least));
  const to = Math.ceil(Math.log10(most)) + 1;
  for (let power = from; power <= to; power++) {
    for (const step of steps) ticks.push(step * 10 ** power);
  }
  const first = ticks.findLastIndex((tick) => tick <= least);
  const last = ticks.findIndex((tick) => tick >= most);
  return ticks.slice(Math.max(0, first), Math.max(last, first + 1) + 1);
}

function short(value: number): string {
  if (value >= 1e6) return `${value / 1e6}M`;
  if (value >= 1000) return `${value / 1000}k`;
  return String(Number(value.toPrecision(2)));
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
