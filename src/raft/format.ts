/**
 * How raft's configuration and progress read in log lines and transcripts. The shapes are those
 * of etcd's raft library, so that operators and reference transcripts meet what they know.
 */
import {
  ConfChangeTransition,
  ConfChangeType,
  type ConfState,
  MessageType,
} from "../api/gen/raft.ts";
import { type AnyConfChange, asConfChangeV2 } from "./confchange/conf-change.ts";
import type { Progress } from "./progress.ts";
import { quoteBytes } from "./quote.ts";
import type { Voters } from "./quorum/majority.ts";
import type { TrackerConfig } from "./tracker.ts";

const MESSAGE_TYPE_NAMES = namesByNumber(MessageType);
const CHANGE_TYPE_NAMES = namesByNumber(ConfChangeType);
const TRANSITION_NAMES = namesByNumber(ConfChangeTransition);

function namesByNumber(values: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  return new Map(Object.entries(values).map(([name, value]) => [value, name]));
}

export function messageTypeName(type: MessageType): string {
  return MESSAGE_TYPE_NAMES.get(type) ?? String(type);
}

export function formatConfState(state: ConfState): string {
  return (
    `Voters:${list(state.voters)} VotersOutgoing:${list(state.votersOutgoing)} ` +
    `Learners:${list(state.learners)} LearnersNext:${list(state.learnersNext)} ` +
    `AutoLeave:${state.autoLeave}`
  );
}

/** The long form for log lines. */
export function describeConfChange(change: AnyConfChange): string {
  const { transition, changes, context } = asConfChangeV2(change);
  const parts = [`transition:${TRANSITION_NAMES.get(transition) ?? transition}`];
  for (const { type, nodeId } of changes) {
    parts.push(`changes:{type:${CHANGE_TYPE_NAMES.get(type) ?? type} node_id:${nodeId}}`);
  }
  if (context.length > 0) parts.push(`context:${quoteBytes(context)}`);
  return parts.join(" ");
}

/** `voters=(1 2)&&(3) learners=(4) learners_next=(5) autoleave` */
export function formatConfig(config: TrackerConfig): string {
  let text = `voters=${formatVoters(config.incoming)}`;
  if (config.outgoing.length > 0) text += `&&${formatVoters(config.outgoing)}`;
  if (config.learners.length > 0) text += ` learners=${formatVoters(config.learners)}`;
  if (config.learnersNext.length > 0) {
    text += ` learners_next=${formatVoters(config.learnersNext)}`;
  }
  return config.autoLeave ? `${text} autoleave` : text;
}

/** IDs in decimal, as etcd 3.6 prints them here. */
function formatVoters(voters: Voters): string {
  return `(${voters.join(" ")})`;
}

export function formatProgress(progress: Progress): string {
  const { inflights } = progress;
  let text = `${progress.state} match=${progress.match} next=${progress.next}`;
  if (progress.isLearner) text += " learner";
  if (progress.paused) text += " paused";
  if (progress.pendingSnapshot > 0) text += ` pendingSnap=${progress.pendingSnapshot}`;
  if (!progress.recentActive) text += " inactive";
  if (inflights.count > 0) {
    text += ` inflight=${inflights.count}${inflights.full ? "[full]" : ""}`;
  }
  return text;
}

export function list(items: readonly unknown[]): string {
  return `[${items.join(" ")}]`;
}
