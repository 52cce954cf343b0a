/** Paints a story onto a canvas: a lane per member, time from left to right, messages as arrows. */
import type { Arrow, MessageKind, Segment, Story } from "./story.ts";

export interface LanePicture {
  readonly story: Story;
  readonly members: readonly string[];
  /** The right edge. */
  readonly nowMs: number;
  readonly spanMs: number;
  readonly shown: ReadonlySet<MessageKind>;
}

/** Of the style sheet, as they are now. */
export interface LaneColours {
  readonly text: string;
  readonly muted: string;
  readonly line: string;
  readonly danger: string;
  readonly surface: string;
  /** A term's colour is that of its number, in turn. */
  readonly terms: readonly string[];
}

export const LANE_HEIGHT = 84;
export const AXIS_HEIGHT = 20;
const LABEL_WIDTH = 62;
const BAR_HEIGHT = 22;
/** A message that has not arrived for so long is shown to hang. */
const HANGING_MS = 400;
const HEAD_LENGTH = 6;

interface Place {
  readonly context: CanvasRenderingContext2D;
  readonly picture: LanePicture;
  readonly colours: LaneColours;
  readonly width: number;
}

export function drawLanes(
  context: CanvasRenderingContext2D,
  width: number,
  picture: LanePicture,
  colours: LaneColours,
): void {
  const place = { context, picture, colours, width };
  context.clearRect(0, 0, width, picture.members.length * LANE_HEIGHT + AXIS_HEIGHT);
  context.font = `12px ${getComputedStyle(context.canvas).fontFamily}`;
  context.textBaseline = "middle";
  drawAxis(place);
  context.save();
  context.beginPath();
  context.rect(LABEL_WIDTH, 0, width - LABEL_WIDTH, context.canvas.height);
  context.clip();
  for (const arrow of picture.story.arrows) drawArrow(place, arrow);
  for (const [lane, name] of picture.members.entries()) {
    for (const segment of picture.story.segments.get(name) ?? []) drawSegment(place, lane, segment);
    drawCommits(place, lane, picture.story.commits.get(name) ?? []);
  }
  context.restore();
  context.fillStyle = colours.text;
  context.globalAlpha = 1;
  for (const [lane, name] of picture.members.entries()) {
    context.fillText(name, 4, middleOf(lane), LABEL_WIDTH - 8);
  }
}

function xOf({ picture, width }: Place, atMs: number): number {
  const share = (atMs - (picture.nowMs - picture.spanMs)) / picture.spanMs;
  return LABEL_WIDTH + share * (width - LABEL_WIDTH);
}

function middleOf(lane: number): number {
  return lane * LANE_HEIGHT + LANE_HEIGHT / 2;
}

/** A line for each second, and how long ago it was. */
function drawAxis(place: Place): void {
  const { context, picture, colours } = place;
  const step = picture.spanMs > 10_000 ? 5000 : 1000;
  const bottom = picture.members.length * LANE_HEIGHT;
  context.strokeStyle = colours.line;
  context.fillStyle = colours.muted;
  context.lineWidth = 1;
  for (let agoMs = step; agoMs < picture.spanMs; agoMs += step) {
    const x = Math.round(xOf(place, picture.nowMs - agoMs)) + 0.5;
    context.globalAlpha = 0.6;
    context.beginPath();
    context.moveTo(x, 0);
    context.lineTo(x, bottom);
    context.stroke();
    context.globalAlpha = 1;
    context.fillText(`-${agoMs / 1000} s`, x - 12, bottom + AXIS_HEIGHT / 2);
  }
}

function drawSegment(place: Place, lane: number, segment: Segment): void {
  const { context, picture, colours, width } = place;
  const from = Math.max(xOf(place, segment.fromMs), LABEL_WIDTH);
  const to = Math.min(xOf(place, segment.toMs ?? picture.nowMs), width);
  if (to <= LABEL_WIDTH || from >= width) return;
  const top = middleOf(lane) - BAR_HEIGHT / 2;
  const long = Math.max(1.5, to - from);
  const term = colours.terms[segment.term % colours.terms.length] ?? colours.muted;
  const { kind } = segment;
  context.globalAlpha = 1;
  context.setLineDash([]);
  context.fillStyle = colours.surface;
  context.fillRect(from, top, long, BAR_HEIGHT);
  context.strokeStyle = kind === "paused" ? colours.muted : term;
  context.fillStyle = kind === "paused" ? colours.muted : term;
  if (kind === "down" || kind === "silent") {
    context.strokeStyle = kind === "down" ? colours.danger : colours.muted;
    context.setLineDash([3, 4]);
    line(context, from, middleOf(lane), from + long, middleOf(lane));
    context.setLineDash([]);
  } else {
    context.globalAlpha = FILLS[kind];
    context.fillRect(from, top, long, BAR_HEIGHT);
    context.globalAlpha = 1;
    if (kind === "pre-candidate" || kind === "candidate") context.setLineDash([4, 3]);
    context.strokeRect(from + 0.5, top + 0.5, long - 1, BAR_HEIGHT - 1);
    context.setLineDash([]);
  }
  drawLabel(place, lane, segment, { from, long });
}

const FILLS = { leader: 1, candidate: 0.5, "pre-candidate": 0.12, follower: 0.22, paused: 0.3 };

function drawLabel(
  { context, colours }: Place,
  lane: number,
  { kind, term }: Segment,
  { from, long }: { readonly from: number; readonly long: number },
): void {
  const isRole = kind !== "down" && kind !== "silent" && kind !== "paused";
  const label = isRole ? `${kind} · term ${term}` : kind === "silent" ? "starting" : kind;
  const textWidth = context.measureText(label).width;
  if (textWidth > long - 8) return;
  const isOnLine = kind === "down" || kind === "silent";
  if (isOnLine) {
    context.fillStyle = colours.surface;
    context.fillRect(from + 4, middleOf(lane) - 8, textWidth + 6, 16);
  }
  context.fillStyle = kind === "leader" ? colours.surface : colours.text;
  context.fillText(label, from + 6, middleOf(lane) + 0.5);
}

/** A tick below the bar for each time that the member learnt of more committed entries. */
function drawCommits(place: Place, lane: number, commits: readonly number[]): void {
  const { context, colours } = place;
  context.globalAlpha = 0.8;
  context.fillStyle = colours.text;
  const top = middleOf(lane) + BAR_HEIGHT / 2 + 2;
  for (const atMs of commits) {
    const x = xOf(place, atMs);
    if (x >= LABEL_WIDTH) context.fillRect(x - 0.5, top, 1.5, 5);
  }
}

function drawArrow(place: Place, arrow: Arrow): void {
  const { context, picture, colours, width } = place;
  if (!picture.shown.has(arrow.kind)) return;
  const [from, to] = [picture.members.indexOf(arrow.from), picture.members.indexOf(arrow.to)];
  if (from < 0 || to < 0) return;
  const hangs = arrow.receivedMs === undefined && !arrow.isLost;
  if (hangs && picture.nowMs - arrow.sentMs < HANGING_MS) return;
  const down = Math.sign(to - from);
  const startX = xOf(place, arrow.sentMs);
  const startY = middleOf(from) + (down * BAR_HEIGHT) / 2;
  const wholeY = middleOf(to) - (down * BAR_HEIGHT) / 2;
  const isCut = arrow.isLost || hangs;
  const endX = isCut ? startX + 8 : xOf(place, arrow.receivedMs ?? arrow.sentMs);
  const endY = isCut ? startY + down * (LANE_HEIGHT - BAR_HEIGHT) * 0.5 : wholeY;
  if (endX < LABEL_WIDTH || startX > width) return;
  const isVote = arrow.kind === "vote";
  context.strokeStyle = isCut || arrow.isRefusal ? colours.danger : colourOf(arrow.kind, colours);
  context.fillStyle = context.strokeStyle;
  context.globalAlpha = isVote || isCut ? 1 : arrow.kind === "append" ? 0.55 : 0.3;
  context.lineWidth = isVote ? 1.6 : 1;
  context.setLineDash(arrow.isAnswer ? [3, 3] : []);
  line(context, startX, startY, endX, endY);
  context.setLineDash([]);
  if (isCut) cross(context, endX, endY);
  else head(context, endX, endY, Math.atan2(endY - startY, endX - startX));
  context.lineWidth = 1;
}

function colourOf(kind: MessageKind, colours: LaneColours): string {
  return kind === "vote" ? colours.text : kind === "append" ? colours.muted : colours.line;
}

function line(
  context: CanvasRenderingContext2D,
  x1: number,
  y1: number,
  x2: number,
  y2: number,
): void {
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}

function cross(context: CanvasRenderingContext2D, x: number, y: number): void {
  line(context, x - 3, y - 3, x + 3, y + 3);
  line(context, x - 3, y + 3, x + 3, y - 3);
}

function head(context: CanvasRenderingContext2D, x: number, y: number, angle: number): void {
  context.beginPath();
  context.moveTo(x, y);
  for (const turn of [-0.4, 0.4]) {
    const [dx, dy] = [Math.cos(angle + turn), Math.sin(angle + turn)];
    context.lineTo(x - HEAD_LENGTH * dx, y - HEAD_LENGTH * dy);
  }
  context.fill();
}
