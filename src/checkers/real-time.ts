/**
 * The order that revisions give to a history, against the order of real time: an operation that
 * was called after another one had returned must not stand before it.
 *
 * The order: the write of revision 1, the reads that were answered at revision 1, the write of
 * revision 2, and so on. Reads of one revision may stand in any order. Serializable reads prove
 * that their revision existed when they returned, and may themselves be old.
 */
import type { Revision } from "../base/ids.ts";
import {
  type AnsweredOperation,
  didWrite,
  isAnswered,
  type Operation,
  type Time,
} from "./history.ts";
import type { Violation } from "./violation.ts";

/** What the answers say about one revision. */
export interface PinnedRevision {
  readonly revision: Revision;
  /** Answered with this revision, and changed something. More than one is a violation. */
  readonly writers: AnsweredOperation[];
  /** Answered with this revision and changed nothing, or do not tell (a revoke). */
  readonly readers: AnsweredOperation[];
  /** The earliest return of those that must come after the write of this revision. */
  afterWrite: Time;
  /** The same, of the write itself too. */
  afterPrevious: Time;
}

/** Everything that was answered, by ascending revision. */
export function pinRevisions(history: readonly Operation[]): PinnedRevision[] {
  const byRevision = new Map<Revision, PinnedRevision>();
  for (const operation of history) {
    if (!isAnswered(operation)) continue;
    const { revision, result } = operation.outcome;
    let pinned = byRevision.get(revision);
    if (pinned === undefined) {
      pinned = { revision, writers: [], readers: [], afterWrite: 0, afterPrevious: 0 };
      byRevision.set(revision, pinned);
    }
    if (didWrite(result) === true) pinned.writers.push(operation);
    else pinned.readers.push(operation);
  }
  return [...byRevision.values()].sort((a, b) => a.revision - b.revision);
}

/** Fills in the times of `pinned`; the violation with the highest revision, if there is any. */
export function checkRealTime(pinned: readonly PinnedRevision[]): Violation | undefined {
  let earliest: AnsweredOperation | undefined;
  const earliestReturn = (): Time => earliest?.outcome.returnTime ?? Number.POSITIVE_INFINITY;
  const note = (operation: AnsweredOperation): void => {
    if (operation.outcome.returnTime < earliestReturn()) earliest = operation;
  };
  for (const each of [...pinned].reverse()) {
    const [writer, second] = each.writers;
    if (writer !== undefined && second !== undefined) {
      return {
        kind: "duplicateRevision",
        message: `two writes were acknowledged with revision ${each.revision}`,
        operations: [writer, second],
      };
    }
    for (const reader of each.readers) {
      const isStale = !isSerializable(reader) && reader.callTime > earliestReturn();
      if (isStale && earliest !== undefined) return outOfOrder("staleRead", reader, earliest);
    }
    for (const reader of each.readers) note(reader);
    each.afterWrite = earliestReturn();
    if (writer !== undefined) {
      if (writer.callTime > earliestReturn() && earliest !== undefined) {
        return outOfOrder("revisionOrder", writer, earliest);
      }
      note(writer);
    }
    each.afterPrevious = earliestReturn();
  }
  return undefined;
}

function isSerializable({ request }: Operation): boolean {
  return request.kind === "get" && request.serializable === true;
}

function outOfOrder(
  kind: "staleRead" | "revisionOrder",
  late: AnsweredOperation,
  early: AnsweredOperation,
): Violation {
  const what =
    kind === "staleRead"
      ? `a linearizable read was answered at revision ${late.outcome.revision}`
      : `a write got revision ${late.outcome.revision}`;
  return {
    kind,
    message: `${what}, though revision ${early.outcome.revision} had been answered before it was asked`,
    operations: [early, late],
  };
}
