/** How a checker says what is wrong, for people and for tests. */
import { describeOperation, type Operation } from "./history.ts";

export type HistoryViolationKind =
  /** Two writes were acknowledged with one revision. */
  | "duplicateRevision"
  /** A read that was asked after another answer shows an older state. */
  | "staleRead"
  /** A write got a revision that contradicts the order of real time. */
  | "revisionOrder"
  /** A revision exists that no recorded request can have made. */
  | "missingWriter"
  /** An answer does not agree with the state at its revision. */
  | "wrongResult";

export type WatchViolationKind =
  | "ordered"
  | "unique"
  | "reliable"
  | "atomic"
  | "resumable"
  | "bookmarkable"
  | "prevKV"
  | "isCreate"
  | "filter"
  /** An event that never happened, or happened otherwise. */
  | "invented"
  | "cancelled";

export interface Violation<Kind extends string = HistoryViolationKind> {
  readonly kind: Kind;
  /** One sentence. */
  readonly message: string;
  /** The operations that show it, and those around it. */
  readonly operations: readonly Operation[];
}

export function formatViolation(violation: Violation<string>): string {
  return [
    `${violation.kind}: ${violation.message}`,
    ...violation.operations.map((each) => `  ${describeOperation(each)}`),
  ].join("\n");
}
