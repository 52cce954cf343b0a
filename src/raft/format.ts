/**
 * How raft's state, messages and entries read in log lines and transcripts. The shapes are those
 * of etcd's raft library, so that operators and reference transcripts meet what they know.
 */
import {
  type ConfChangeSingle,
  ConfChangeTransition,
  ConfChangeType,
  type ConfState,
  type Entry,
  EntryType,
  type HardState,
  type Message,
  MessageType,
  type Snapshot,
} from "../api/gen/raft.ts";
import { formatID, type Index, type MemberID } from "../base/ids.ts";
import { type AnyConfChange, asConfChangeV2, confChangeOf } from "./confchange/conf-change.ts";
import type { Progress } from "./progress.ts";
import { quoteBytes } from "./quote.ts";
import type { AckedIndexes, Voters } from "./quorum/majority.ts";
import type { TrackerConfig } from "./tracker.ts";
import { APPEND_THREAD, APPLY_THREAD, NO_MEMBER, type Ready, type SoftState } from "./types.ts";

const MESSAGE_TYPE_NAMES = namesByNumber(MessageType);
const ENTRY_TYPE_NAMES = namesByNumber(EntryType);
const CHANGE_TYPE_NAMES = namesByNumber(ConfChangeType);
const TRANSITION_NAMES = namesByNumber(ConfChangeTransition);

function namesByNumber(values: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  return new Map(Object.entries(values).map(([name, value]) => [value, name]));
}

export function messageTypeName(type: MessageType): string {
  return MESSAGE_TYPE_NAMES.get(type) ?? String(type);
}

/** `Lead:1 State:StateLeader` */
function formatSoftState(state: SoftState): string {
  return `Lead:${state.lead} State:${state.state}`;
}

/** `Term:1 Vote:2 Commit:3`, without the vote when there is none. */
export function formatHardState(state: HardState): string {
  const vote = state.vote === NO_MEMBER ? "" : ` Vote:${state.vote}`;
  return `Term:${state.term}${vote} Commit:${state.commit}`;
}

export function formatConfState(state: ConfState): string {
  return (
    `Voters:${list(state.voters)} VotersOutgoing:${list(state.votersOutgoing)} ` +
    `Learners:${list(state.learners)} LearnersNext:${list(state.learnersNext)} ` +
    `AutoLeave:${state.autoLeave}`
  );
}

function formatSnapshot(snapshot: Snapshot): string {
  const { index = 0, term = 0, confState } = snapshot.metadata ?? {};
  const members = confState === undefined ? "" : formatConfState(confState);
  return `Index:${index} Term:${term} ConfState:${members}`;
}

/** Everything a Ready holds, one item a line; `<empty Ready>` when it holds nothing. */
export function formatReady(ready: Ready): string {
  const lines: string[] = [];
  if (ready.softState !== undefined) lines.push(formatSoftState(ready.softState));
  if (ready.hardState !== undefined) lines.push(`HardState ${formatHardState(ready.hardState)}`);
  if (ready.readStates.length > 0) {
    const states = ready.readStates.map(
      (state) => `{${state.index} ${list([...state.requestContext])}}`,
    );
    lines.push(`ReadStates ${list(states)}`);
  }
  if (ready.entries.length > 0) lines.push("Entries:", ...ready.entries.map(formatEntry));
  if (ready.snapshot !== undefined) lines.push(`Snapshot ${formatSnapshot(ready.snapshot)}`);
  if (ready.committedEntries.length > 0) {
    lines.push("CommittedEntries:", ...ready.committedEntries.map(formatEntry));
  }
  if (ready.messages.length > 0) {
    lines.push("Messages:", ...ready.messages.map((message) => formatMessage(message)));
  }
  if (lines.length === 0) return "<empty Ready>";
  return `Ready MustSync=${ready.mustSync}:\n${lines.join("\n")}\n`;
}

/** `1->2 MsgApp Term:1 Log:1/10 Commit:10 Entries:[...]`; fields that are zero are left out. */
export function formatMessage(message: Message, indent = ""): string {
  const { entries, snapshot, responses } = message;
  let text =
    `${indent}${formatTarget(message.from)}->${formatTarget(message.to)} ` +
    `${messageTypeName(message.type)} Term:${message.term} Log:${message.logTerm}/${message.index}`;
  if (message.reject) text += ` Rejected (Hint: ${message.rejectHint})`;
  if (message.commit !== 0) text += ` Commit:${message.commit}`;
  if (message.vote !== NO_MEMBER) text += ` Vote:${message.vote}`;
  if (entries.length === 1) {
    text += ` Entries:[${formatEntry(entries[0] as Entry)}]`;
  } else if (entries.length > 1) {
    const lines = entries.map((entry) => `\n${indent}  ${formatEntry(entry)}`);
    text += ` Entries:[${lines.join("")}\n${indent}]`;
  }
  if (snapshot !== undefined && (snapshot.metadata?.index ?? 0) !== 0) {
    text += `\n${indent}  Snapshot: ${formatSnapshot(snapshot)}`;
  }
  if (responses.length > 0) {
    const lines = responses.map((response) => `\n${formatMessage(response, `${indent}  `)}`);
    text += ` Responses:[${lines.join("")}\n${indent}]`;
  }
  return text;
}

export function formatEntries(entries: readonly Entry[]): string {
  return entries.map((entry) => `${formatEntry(entry)}\n`).join("");
}

/** `term/index type "data"`; a membership change shows its changes, if it has any. */
export function formatEntry(entry: Entry): string {
  const change = confChangeOf(entry);
  const content =
    change === undefined
      ? quoteBytes(entry.data)
      : formatConfChanges(asConfChangeV2(change).changes);
  const type = ENTRY_TYPE_NAMES.get(entry.type) ?? String(entry.type);
  return `${entry.term}/${entry.index} ${type}${content === "" ? "" : ` ${content}`}`;
}

/** `v1 l2 r3 u4`: add voter, add learner, remove, update. */
function formatConfChanges(changes: readonly ConfChangeSingle[]): string {
  return changes.map(({ type, nodeId }) => `${changeLetter(type)}${nodeId}`).join(" ");
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

export function formatProgressMap(members: readonly Progress[]): string {
  return members.map((progress) => `${progress.id}: ${formatProgress(progress)}\n`).join("");
}

/**
 * A table of the voters with a bar for each: its length is the number of voters that have
 * acknowledged less. Voters that acknowledged nothing show a question mark.
 */
export function describeQuorum(voters: Voters, acked: AckedIndexes): string {
  if (voters.length === 0) return "<empty majority quorum>";
  const indexes = voters.map((voter) => acked.ackedIndex(voter));
  const lines = [`${" ".repeat(voters.length)}    idx\n`];
  voters.forEach((voter, i) => {
    const index = indexes[i];
    const behind = indexes.filter((other) => (other ?? 0) < (index ?? 0)).length;
    const bar = index === undefined ? "?" : `${"x".repeat(behind)}>`;
    const number = String(index ?? 0).padStart(5);
    lines.push(`${bar.padEnd(voters.length + 1)} ${number}    (id=${voter})\n`);
  });
  return lines.join("");
}

export function formatIndex(index: Index): string {
  return index === Number.POSITIVE_INFINITY ? "∞" : String(index);
}

function formatTarget(id: MemberID): string {
  switch (id) {
    case NO_MEMBER:
      return "None";
    case APPEND_THREAD:
      return "AppendThread";
    case APPLY_THREAD:
      return "ApplyThread";
    default:
      return formatID(id);
  }
}

function changeLetter(type: number): string {
  switch (type) {
    case ConfChangeType.ConfChangeAddNode:
      return "v";
    case ConfChangeType.ConfChangeAddLearnerNode:
      return "l";
    case ConfChangeType.ConfChangeRemoveNode:
      return "r";
    case ConfChangeType.ConfChangeUpdateNode:
      return "u";
    default:
      return "unknown";
  }
}

function list(items: readonly unknown[]): string {
  return `[${items.join(" ")}]`;
}
