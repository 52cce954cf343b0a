/** How raft's messages, entries and what a Ready holds read in the reference transcripts. */
import {
  type ConfChangeSingle,
  ConfChangeType,
  type Entry,
  EntryType,
  type HardState,
  type Message,
  type Snapshot,
} from "../../api/gen/raft.ts";
import { formatID, type Index, type MemberID } from "../../base/ids.ts";
import { asConfChangeV2, confChangeOf } from "../confchange/conf-change.ts";
import { formatConfState, formatProgress, list, messageTypeName } from "../format.ts";
import type { Progress } from "../progress.ts";
import { quoteBytes } from "../quote.ts";
import type { AckedIndexes, Voters } from "../quorum/majority.ts";
import { APPEND_THREAD, APPLY_THREAD, NO_MEMBER, type Ready, type SoftState } from "../types.ts";

const ENTRY_TYPE_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(EntryType).map(([name, value]) => [value, name]),
);

/** `Lead:1 State:StateLeader` */
function formatSoftState(state: SoftState): string {
  return `Lead:${state.lead} State:${state.state}`;
}

/** `Term:1 Vote:2 Commit:3`, without the vote when there is none. */
function formatHardState(state: HardState): string {
  const vote = state.vote === NO_MEMBER ? "" : ` Vote:${state.vote}`;
  return `Term:${state.term}${vote} Commit:${state.commit}`;
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
function formatEntry(entry: Entry): string {
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
