/**
 * What the picture of a cluster shows, made of its timeline: for each member what it was when, and
 * which message went from whom to whom. Knows time and members, and nothing of pixels.
 */
import type { RaftEvent, Role } from "../../src/lab/lab-protocol.ts";
import type { TimelineEvent } from "../../src/cli/cluster/lab/timeline.ts";

export interface Segment {
  readonly fromMs: number;
  /** Undefined: still so. */
  readonly toMs: number | undefined;
  readonly kind: Role | "down" | "paused" | "silent";
  readonly term: number;
}

export type MessageKind = "vote" | "append" | "heartbeat" | "other";

export interface Arrow {
  readonly from: string;
  readonly to: string;
  readonly kind: MessageKind;
  readonly isRefusal: boolean;
  readonly isAnswer: boolean;
  readonly sentMs: number;
  /** Undefined: not yet, or never. */
  readonly receivedMs: number | undefined;
  readonly isLost: boolean;
}

export interface Story {
  readonly segments: ReadonlyMap<string, readonly Segment[]>;
  readonly commits: ReadonlyMap<string, readonly number[]>;
  readonly arrows: readonly Arrow[];
}

/** `nameOf` gives the member of an ID. */
export function storyOf(
  events: readonly TimelineEvent[],
  members: readonly string[],
  nameOf: (id: string) => string,
): Story {
  const sorted = [...events].sort((a, b) => a.atMs - b.atMs);
  const segments = new Map(members.map((name) => [name, segmentsOf(name, sorted)]));
  const commits = new Map<string, number[]>(members.map((name) => [name, []]));
  for (const { kind, process, atMs } of sorted) {
    if (kind === "commit") commits.get(process)?.push(atMs);
  }
  return { segments, commits, arrows: arrowsOf(sorted, nameOf) };
}

function segmentsOf(name: string, events: readonly TimelineEvent[]): Segment[] {
  const segments: { -readonly [K in keyof Segment]: Segment[K] }[] = [];
  let role: Segment["kind"] = "silent";
  let term = 0;
  const begin = (atMs: number, kind: Segment["kind"]): void => {
    const last = segments.at(-1);
    if (last?.kind === kind && last.term === term) return;
    if (last !== undefined) last.toMs = atMs;
    segments.push({ fromMs: atMs, toMs: undefined, kind, term });
  };
  for (const event of events) {
    if (event.process !== name) continue;
    if (event.kind === "state") {
      ({ role, term } = event);
      begin(event.atMs, role);
    } else if (event.kind === "note") {
      if (/^started/.test(event.text)) {
        role = "silent";
        begin(event.atMs, role);
      } else if (/^(?:killed|stopped|ended)/.test(event.text)) begin(event.atMs, "down");
      else if (event.text === "paused") begin(event.atMs, "paused");
      else if (event.text === "goes on") begin(event.atMs, role);
    }
  }
  return segments;
}

type Passed = Extract<RaftEvent, { readonly kind: "sent" | "received" | "lost" }>;

/** Equal messages arrive in the order in which they were sent. */
function arrowsOf(events: readonly TimelineEvent[], nameOf: (id: string) => string): Arrow[] {
  const arrows: { -readonly [K in keyof Arrow]: Arrow[K] }[] = [];
  const underWay = new Map<string, typeof arrows>();
  for (const event of events) {
    if (event.kind !== "sent" && event.kind !== "received" && event.kind !== "lost") continue;
    const other = nameOf(event.peer);
    const isArrival = event.kind === "received";
    const [from, to] = isArrival ? [other, event.process] : [event.process, other];
    const key = `${from}>${to} ${headOf(event)}`;
    if (isArrival) {
      const arrow = underWay.get(key)?.shift();
      if (arrow !== undefined) arrow.receivedMs = event.atMs;
      continue;
    }
    const isLost = event.kind === "lost";
    const { type, reject } = event;
    const made = {
      ...{ from, to, kind: kindOf(event), isRefusal: reject, isAnswer: type.endsWith("Resp") },
      ...{ sentMs: event.atMs, receivedMs: undefined, isLost },
    };
    arrows.push(made);
    if (isLost) continue;
    const queue = underWay.get(key);
    if (queue === undefined) underWay.set(key, [made]);
    else queue.push(made);
  }
  return arrows;
}

function headOf({ type, term, index, commit, entries, reject }: Passed): string {
  return [type, term, index, commit, entries, reject].join(" ");
}

function kindOf({ type, entries }: Passed): MessageKind {
  if (/Vote|TimeoutNow/.test(type)) return "vote";
  if (/^Heartbeat/.test(type)) return "heartbeat";
  if (type === "App") return entries > 0 ? "append" : "other";
  return type === "AppResp" || type === "Snap" ? "append" : "other";
}
