/**
 * The history of one key that only a load writes, in the form that the checker reads. Revisions are
 * the whole cluster's and others write, too; a key's version counts its own writes without gaps, so
 * that it takes the revision's place. Linearizability is local: keys may be judged one by one.
 */
import type { KeyValueSeen, Operation, Outcome } from "../../../checkers/history.ts";
import { checkLinearizable } from "../../../checkers/linearizability.ts";
import { formatViolation } from "../../../checkers/violation.ts";
import type { LabTime } from "../../../lab/lab-protocol.ts";

/** The search gives up rather than hold the launcher; a second of work at most. */
const MAX_CHECK_STEPS = 200_000;

/** A key as an answer shows it. */
export interface RegisterSeen {
  readonly value: string;
  readonly version: number;
}

export type RegisterOutcome =
  /** `seen`: what a read found, or what a write replaced; undefined for no key. */
  | { readonly kind: "ok"; readonly returnMs: LabTime; readonly seen: RegisterSeen | undefined }
  /** Certainly changed nothing. */
  | { readonly kind: "failed"; readonly returnMs: LabTime; readonly error: string }
  /** It may have happened, or may happen yet. */
  | { readonly kind: "unknown"; readonly error: string };

export interface RegisterOperation {
  readonly id: number;
  readonly clientID: number;
  /** The process that was asked. */
  readonly member: string;
  readonly callMs: LabTime;
  /** Undefined for a read. */
  readonly put: string | undefined;
  readonly outcome: RegisterOutcome;
}

export type RegisterVerdict =
  | { readonly kind: "linearizable" }
  | { readonly kind: "violation"; readonly text: string }
  /** Neither proven nor refuted within the limits. */
  | { readonly kind: "gaveUp"; readonly text: string };

/** All operations on `key` since it did not exist. */
export function checkRegister(
  key: string,
  operations: readonly RegisterOperation[],
): RegisterVerdict {
  const history = operations.map((operation) => historyOf(key, operation));
  const verdict = checkLinearizable(history, { maxSteps: MAX_CHECK_STEPS });
  switch (verdict.kind) {
    case "linearizable":
      return { kind: "linearizable" };
    case "violation":
      return { kind: "violation", text: formatViolation(verdict.violation) };
    case "gaveUp":
      return { kind: "gaveUp", text: verdict.reason };
  }
}

/** The key does not exist at revision 1; its version n is written at revision n + 1. */
const revisionOf = (version: number): number => version + 1;

function historyOf(key: string, operation: RegisterOperation): Operation {
  const { id, clientID, member, callMs, put } = operation;
  const request =
    put === undefined
      ? ({ kind: "get", key } as const)
      : ({ kind: "put", key, value: put, prevKV: true } as const);
  const outcome = outcomeOf(key, operation);
  return { id, clientID, member, callTime: callMs, request, outcome };
}

function outcomeOf(key: string, { put, outcome }: RegisterOperation): Outcome {
  if (outcome.kind === "unknown") return outcome;
  const returnTime = outcome.returnMs;
  if (outcome.kind === "failed") return { kind: "failed", returnTime, error: outcome.error };
  const kv = outcome.seen && seenOf(key, outcome.seen);
  const version = outcome.seen?.version ?? 0;
  return put === undefined
    ? {
        kind: "ok",
        returnTime,
        revision: revisionOf(version),
        result: { kind: "get", kvs: kv === undefined ? [] : [kv], count: kv === undefined ? 0 : 1 },
      }
    : {
        kind: "ok",
        returnTime,
        revision: revisionOf(version + 1),
        result: { kind: "put", prevKV: kv },
      };
}

function seenOf(key: string, { value, version }: RegisterSeen): KeyValueSeen {
  const revisions = { createRevision: revisionOf(1), modRevision: revisionOf(version) };
  return { key, value, ...revisions, version, lease: "" };
}
