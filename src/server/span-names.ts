/** What distributed tracing calls the work that is done below a call. */
export const SPAN_NAMES = {
  /** From the proposal until its entry begins to be applied here. */
  propose: "propose",
  /** The write and sync of this member's log that has the entry in it. */
  walSync: "wal sync",
  apply: "apply",
  /** The write and sync of the db that has the changes in it. */
  backendCommit: "backend commit",
  /** From the arrival of a linearizable read until it may be answered from here. */
  readIndex: "read index",
  /** The read itself, until its answer is on its way. */
  range: "range",
} as const;
