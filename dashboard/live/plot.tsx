/** One plot of a few lines over time, by uPlot, in the colours of the page. */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { useObservable } from "../frame/app.ts";
import { colours } from "../frame/theme.ts";
import type { Column } from "./series.ts";

export interface PlotProps {
  readonly title: string;
  readonly lines: readonly string[];
  readonly data: [number[], ...Column[]];
  readonly format: (value: number) => string;
  /** The axis reaches so far at least: a plot of nothing needs a scale, too. */
  readonly least: number;
}

const HEIGHT = 150;
const AXIS_WIDTH = 64;
const AXIS_HEIGHT = 24;
const CLOCK = { hour12: false } as const;

export function Plot({ title, lines, data, format, least }: PlotProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const shown = useObservable(colours);
  useEffect(() => {
    const target = box.current;
    if (target === null) return;
    const made = new uPlot(optionsOf(target, { lines, format, least }), data, target);
    plot.current = made;
    const observer = new ResizeObserver(() => {
      made.setSize({ width: target.clientWidth, height: HEIGHT });
    });
    observer.observe(target);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [shown, lines.join()]);
  useEffect(() => plot.current?.setData(data), [data]);
  const newest = lines.map((line, i) => {
    const value = data[i + 1]?.at(-1);
    return `${line} ${typeof value === "number" ? format(value) : "–"}`;
  });
  return (
    <figure class="card plot">
      <figcaption>
        <strong>{title}</strong>
        {lines.map((line, i) => (
          <span key={line} class={`plot-key plot-key-${i + 1}`}>
            {newest[i]}
          </span>
        ))}
      </figcaption>
      <div ref={box} role="img" aria-label={`${title}: now ${newest.join(", ")}`} />
    </figure>
  );
}

function optionsOf(
  target: HTMLElement,
  { lines, format, least }: Pick<PlotProps, "lines" | "format" | "least">,
): uPlot.Options {
  const style = getComputedStyle(target);
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  const axis = {
    stroke: colour("muted"),
    grid: { stroke: colour("line"), width: 1 },
    ticks: { show: false },
    font: `11px ${style.fontFamily}`,
  };
  return {
    width: Math.max(200, target.clientWidth),
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: (_plot, _min, max) => [0, Math.max(max * 1.1, least)] } },
    axes: [
      {
        ...axis,
        space: 70,
        size: AXIS_HEIGHT,
        values: (_plot, values) =>
          values.map((at) => new Date(at * 1000).toLocaleTimeString("en", CLOCK)),
      },
      { ...axis, size: AXIS_WIDTH, values: (_plot, values) => values.map((each) => format(each)) },
    ],
    series: [
      {},
      ...lines.map((label, i) => ({
        label,
        stroke: colour(`plot-${i + 1}`),
        width: 1.5,
        points: { show: false },
      })),
    ],
  };
}
