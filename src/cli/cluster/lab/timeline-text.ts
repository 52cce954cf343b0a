/** The timeline as lines for a terminal: what changed, without the stream of messages. */
import type { TimelineEvent } from "./timeline.ts";

/** Elections are told; heartbeats, appends and single commits would bury everything else. */
export function isTold(event: TimelineEvent): boolean {
  if (event.kind === "state" || event.kind === "note" || event.kind === "snapshot") return true;
  return isMessage(event) && event.kind !== "received" && isVote(event.type);
}

/** `nameOf` gives the process of a member ID. */
export function eventText(event: TimelineEvent, nameOf: (id: string) => string): string {
  switch (event.kind) {
    case "note":
      return event.text;
    case "commit":
      return `commits up to ${event.index}`;
    case "snapshot":
      return `takes the leader's database, up to entry ${event.index}`;
    case "state":
      return stateText(event, nameOf);
    case "sent":
    case "received":
    case "lost":
      return messageText(event, nameOf);
  }
}

type State = Extract<TimelineEvent, { kind: "state" }>;
type Passed = Extract<TimelineEvent, { kind: "sent" | "received" | "lost" }>;

function isMessage(event: TimelineEvent): event is Passed {
  return event.kind === "sent" || event.kind === "received" || event.kind === "lost";
}

function isVote(type: string): boolean {
  return /^(?:Pre)?Vote(?:Resp)?$|^TimeoutNow$|^Snap$/.test(type);
}

function stateText({ role, term, leader, vote }: State, nameOf: (id: string) => string): string {
  const at = `term ${term}: `;
  switch (role) {
    case "leader":
      return `${at}leads`;
    case "candidate":
      return `${at}stands for election`;
    case "pre-candidate":
      return `${at}asks whether it would be elected`;
    case "follower":
      if (leader !== "0") return `${at}follows ${nameOf(leader)}`;
      return vote === "0" ? `${at}knows no leader` : `${at}has voted for ${nameOf(vote)}`;
  }
}

const WORDS: Readonly<Record<string, string>> = {
  PreVote: "asks for a promise of its vote:",
  PreVoteResp: "answers the question for a promise of",
  Vote: "asks for the vote of",
  VoteResp: "answers the election of",
  TimeoutNow: "hands leadership to",
  Snap: "sends its database to",
};

function messageText({ kind, type, peer, reject }: Passed, nameOf: (id: string) => string): string {
  const words = WORDS[type] ?? `${kind === "received" ? "gets" : "sends"} ${type},`;
  const verdict = type.endsWith("VoteResp") ? `: ${reject ? "no" : "yes"}` : "";
  const isLost = kind === "lost" ? " (lost on the way)" : "";
  return `${words} ${nameOf(peer)}${verdict}${isLost}`;
}
