/**
 * Judges what clients were told in a run: one order of all requests, and complete watches.
 *
 * Who made a revision that nobody was acknowledged for is a guess of the search. What watches saw is
 * evidence for it: each event is also a read of its key at its revision. Where a guess is all that
 * speaks against a watch, nothing is proven.
 */
import type { Revision } from "../../src/base/ids.ts";
import type { Recorder } from "../clients/recorder.ts";
import type { EventHint } from "../../src/checkers/candidates.ts";
import type { KeyValueSeen, Operation } from "../../src/checkers/history.ts";
import { checkLinearizable } from "../../src/checkers/linearizability.ts";
import { formatViolation } from "../../src/checkers/violation.ts";
import { checkWatches } from "../../src/checkers/watch-history.ts";

/** Some tenths of a second; runs that need more are counted as undecided. */
const MAX_STEPS = 300_000;

/** Returns what could not be decided. */
export function judgeHistory(
  recorder: Recorder,
  isComplete: boolean,
  violated: (message: string) => void,
): string[] {
  const { operations, watches, compactions } = recorder;
  const history = [...operations, ...sightings(recorder)];
  const verdict = checkLinearizable(history, { hints: hints(recorder), maxSteps: MAX_STEPS });
  switch (verdict.kind) {
    case "violation":
      violated(formatViolation(verdict.violation));
      return [];
    case "gaveUp":
      return [`${verdict.reason}; suspected: ${formatViolation(verdict.suspect)}`];
    case "linearizable": {
      // What nobody read afterwards cannot be told from what never happened.
      if (!isComplete) return [];
      const world = { firstRevision: 1, writes: verdict.writes, compactions };
      const undecided: string[] = [];
      for (const violation of checkWatches(watches, world)) {
        const isGuess = violation.operations.some(({ outcome }) => outcome.kind === "unknown");
        if (isGuess) undecided.push(formatViolation(violation));
        else violated(formatViolation(violation));
      }
      return undecided;
    }
  }
}

function* hints({ watches }: Recorder): Iterable<EventHint> {
  for (const { responses } of watches) {
    for (const { events } of responses) {
      for (const { modRevision, type, key, kv } of events) {
        yield { revision: modRevision, type, key, kv };
      }
    }
  }
}

/** Events, and what they say was there before, as reads; equal ones of several watches once. */
function sightings(recorder: Recorder): Iterable<Operation> {
  const reads = new Map<string, Operation>();
  for (const { id, member, responses } of recorder.watches) {
    for (const { time, revision: header, events } of responses) {
      const see = (key: string, revision: Revision, kv: KeyValueSeen | undefined): void => {
        const name = JSON.stringify([revision, key, kv]);
        if (reads.has(name)) return;
        const kvs = kv === undefined ? [] : [kv];
        const result = { kind: "get", kvs, count: kvs.length } as const;
        reads.set(name, {
          id: recorder.nextID(),
          clientID: 0,
          member: `${member} (watch ${id})`,
          request: { kind: "get", key, revision, serializable: true },
          callTime: time,
          outcome: { kind: "ok", returnTime: time, revision: header, result },
        });
      };
      for (const { key, modRevision, kv, prevKV } of events) {
        see(key, modRevision, kv);
        if (prevKV !== undefined) see(key, modRevision - 1, prevKV);
      }
    }
  }
  return reads.values();
}
