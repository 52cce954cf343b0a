/**
 * Judges what clients were told in a run: one order of all requests, and complete watches.
 *
 * Who made a revision that nobody was acknowledged for is a guess of the search. What watches saw is
 * evidence for it: each event is also a read of its key at its revision. Where a guess is all that
 * speaks against a watch, nothing is proven.
 */
import type { Recorder } from "../clients/recorder.ts";
import type { EventHint } from "../checkers/candidates.ts";
import type { Operation } from "../checkers/history.ts";
import { checkLinearizable } from "../checkers/linearizability.ts";
import { formatViolation } from "../checkers/violation.ts";
import { checkWatches, type WatchResponseSeen } from "../checkers/watch-history.ts";

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

/** Events as reads; equal ones of several watches once. */
function sightings(recorder: Recorder): Iterable<Operation> {
  const reads = new Map<string, Operation>();
  for (const { id, member, responses } of recorder.watches) {
    for (const response of responses) {
      for (const event of response.events) {
        const name = JSON.stringify([event.modRevision, event.key, event.type, event.kv]);
        if (reads.has(name)) continue;
        reads.set(name, readOf(recorder, response, event, `${member} (watch ${id})`));
      }
    }
  }
  return reads.values();
}

function readOf(
  recorder: Recorder,
  { time, revision }: WatchResponseSeen,
  { key, modRevision, kv }: WatchResponseSeen["events"][number],
  member: string,
): Operation {
  const kvs = kv === undefined ? [] : [kv];
  return {
    id: recorder.nextID(),
    clientID: 0,
    member,
    request: { kind: "get", key, revision: modRevision, serializable: true },
    callTime: time,
    outcome: {
      kind: "ok",
      returnTime: time,
      revision,
      result: { kind: "get", kvs, count: kvs.length },
    },
  };
}
