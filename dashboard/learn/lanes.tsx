/** The picture of the cluster, painted anew as time goes on. */
import { useEffect, useRef } from "preact/hooks";
import { AXIS_HEIGHT, drawLanes, LANE_HEIGHT, type LaneColours } from "./draw-lanes.ts";
import type { MessageKind, Story } from "./story.ts";

export interface LanesProps {
  readonly story: Story;
  readonly members: readonly string[];
  readonly spanMs: number;
  readonly shown: ReadonlySet<MessageKind>;
  /** The right edge at this moment; it stands still while the picture is frozen. */
  readonly nowMs: () => number;
  /** For who cannot see it. */
  readonly summary: string;
}

export function Lanes(props: LanesProps) {
  const ref = useRef<HTMLCanvasElement>(null);
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    let frame = 0;
    const paint = (): void => {
      if (ref.current !== null) paintOn(ref.current, latest.current);
      frame = requestAnimationFrame(paint);
    };
    paint();
    return () => cancelAnimationFrame(frame);
  }, []);
  return <canvas ref={ref} class="lanes" role="img" aria-label={props.summary} />;
}

function paintOn(canvas: HTMLCanvasElement, { nowMs, ...props }: LanesProps): void {
  const context = canvas.getContext("2d");
  if (context === null) return;
  const ratio = window.devicePixelRatio;
  const width = canvas.clientWidth;
  const height = props.members.length * LANE_HEIGHT + AXIS_HEIGHT;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  drawLanes(context, width, { ...props, nowMs: nowMs() }, coloursOf(canvas));
}

function coloursOf(element: Element): LaneColours {
  const style = getComputedStyle(element);
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return {
    text: colour("text"),
    muted: colour("muted"),
    line: colour("line-strong"),
    danger: colour("danger"),
    surface: colour("surface"),
    terms: ["plot-1", "plot-2", "plot-3", "plot-4", "plot-6"].map(colour),
  };
}
