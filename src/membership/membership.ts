/** The membership at some point of the log, as a value. */
import type { MemberID } from "../base/ids.ts";
import type { Member } from "./member.ts";

export interface Membership {
  /** Sorted by id. */
  readonly members: readonly Member[];
  /** Sorted by id. */
  readonly removedIDs: readonly MemberID[];
  /** "major.minor.0", undefined until the leader has decided it. */
  readonly version: string | undefined;
}

export const NO_MEMBERSHIP: Membership = { members: [], removedIDs: [], version: undefined };
