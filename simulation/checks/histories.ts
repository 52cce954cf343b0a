/** Judges what clients were told in a run: one order of all requests, and complete watches. */
import type { Recorder } from "../clients/recorder.ts";
import type { EventHint } from "../checkers/candidates.ts";
import { checkLinearizable } from "../checkers/linearizability.ts";
import { formatViolation } from "../checkers/violation.ts";
import { checkWatches } from "../checkers/watch-history.ts";

/** Some tenths of a second; runs that need more are counted as undecided. */
const MAX_STEPS = 300_000;

/** Returns what could not be decided. */
export function judgeHistory(
  recorder: Recorder,
  isComplete: boolean,
  violated: (message: string) => void,
): string[] {
  const { operations, watches, compactions } = recorder;
  const verdict = checkLinearizable(operations, { hints: hints(recorder), maxSteps: MAX_STEPS });
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
      for (const violation of checkWatches(watches, world)) violated(formatViolation(violation));
      return [];
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
