/**
 * What a member and the launcher that started it say to each other, over the channel between a
 * parent and a child process: which faults the member shall suffer, and what it sees of raft. Plain
 * data that JSON can carry; IDs are text, as Go prints them.
 */
import type { Index, Term } from "../base/ids.ts";

/**
 * Set by the launcher, with the faults to begin with as JSON. A member without it, or without a
 * channel to its parent, has none of what is in this folder.
 */
export const LAB_VARIABLE = "ETCDTS_LAB";

/** What a member shall suffer. The whole of it each time: what is not said is mended. */
export interface Faults {
  /** Peer URLs of the members that it neither hears nor reaches. */
  readonly cutOff: readonly string[];
  /** Every message of a peer waits so long, in both directions. */
  readonly delayMs: number;
}

export const NO_FAULTS: Faults = { cutOff: [], delayMs: 0 };

export type Role = "follower" | "pre-candidate" | "candidate" | "leader";

/** Milliseconds of the machine's monotonic clock, which its processes share. */
export type LabTime = number;

/** The heads of a raft message that let its two ends be told to be one message. */
export interface MessageHead {
  /** Without "Msg": "App", "HeartbeatResp". */
  readonly type: string;
  /** The other member. */
  readonly peer: string;
  readonly term: Term;
  readonly index: Index;
  readonly commit: Index;
  /** How many it carries. */
  readonly entries: number;
  readonly reject: boolean;
}

export type RaftEvent =
  | {
      readonly kind: "state";
      readonly atMs: LabTime;
      readonly role: Role;
      readonly term: Term;
      /** "0" for nobody. */
      readonly leader: string;
      readonly vote: string;
    }
  | { readonly kind: "commit"; readonly atMs: LabTime; readonly index: Index }
  /** The leader's database took the place of the log up to there. */
  | { readonly kind: "snapshot"; readonly atMs: LabTime; readonly index: Index }
  /** "lost": sent, and a fault keeps it from arriving. */
  | ({
      readonly kind: "sent" | "received" | "lost";
      readonly atMs: LabTime;
    } & MessageHead);

/** Where a member stands. */
export interface MemberView {
  readonly id: string;
  readonly role: Role;
  readonly term: Term;
  readonly leader: string;
  readonly vote: string;
  /** First and last entry of its log. */
  readonly first: Index;
  readonly last: Index;
  readonly commit: Index;
  readonly applied: Index;
}

/** From the member, several times a second. */
export interface LabReport {
  readonly lab: "report";
  readonly view: MemberView;
  readonly events: readonly RaftEvent[];
  /** Events that did not fit into the member's memory. */
  readonly missed: number;
}

/** From the launcher. */
export interface LabOrder {
  readonly lab: "faults";
  readonly faults: Faults;
}

/** Undefined for what is none. */
export function parseReport(message: unknown): LabReport | undefined {
  if (typeof message !== "object" || message === null) return undefined;
  const { lab, view, events, missed } = message as Partial<Record<string, unknown>>;
  const isReport =
    lab === "report" &&
    typeof view === "object" &&
    view !== null &&
    typeof (view as Partial<MemberView>).id === "string" &&
    Array.isArray(events) &&
    typeof missed === "number";
  return isReport ? (message as LabReport) : undefined;
}

/** Undefined for what is none. */
export function parseOrder(message: unknown): Faults | undefined {
  if (typeof message !== "object" || message === null) return undefined;
  const { lab, faults } = message as Partial<Record<string, unknown>>;
  return lab === "faults" ? faultsOf(faults) : undefined;
}

/** From the variable. @throws Error when it holds something else. */
export function parseFaults(text: string): Faults {
  const faults = faultsOf(JSON.parse(text));
  if (faults === undefined) throw new Error(`${LAB_VARIABLE} holds no faults: ${text}`);
  return faults;
}

function faultsOf(value: unknown): Faults | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { cutOff, delayMs } = value as Partial<Record<string, unknown>>;
  if (!Array.isArray(cutOff) || !cutOff.every((each) => typeof each === "string")) return undefined;
  if (typeof delayMs !== "number" || !(delayMs >= 0)) return undefined;
  return { cutOff: cutOff as string[], delayMs };
}
