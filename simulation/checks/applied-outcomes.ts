/** Tells what members make of the entries that they apply, by watching their appliers at work. */
import type { Steps } from "../../src/base/slice.ts";
import { Applier } from "../../src/server/apply/applier.ts";
import type { Outcome } from "../../src/server/log/proposals.ts";
import { replaceMethod } from "../planted/patch.ts";
import type { AuthLog } from "./auth-log.ts";

/** Returns the function that ends it. `memberNow`: whose event is running. */
export function listenToAppliers(log: AuthLog, memberNow: () => string): () => void {
  const heard = (index: number, { error }: Outcome) => log.applied(memberNow(), index, error?.kind);
  const undoWhole = replaceMethod(Applier.prototype, "apply", (original) => {
    return function (applied, index, wantReply) {
      log.begins(index, applied);
      const outcome = original.call(this, applied, index, wantReply);
      heard(index, outcome);
      return outcome;
    };
  });
  const undoSlices = replaceMethod(Applier.prototype, "applyInSteps", (original) => {
    return function (applied, index, wantReply, slice) {
      const steps = original.call(this, applied, index, wantReply, slice);
      if (steps === undefined) return undefined;
      log.begins(index, applied);
      return toldAtTheEnd(steps, index, heard);
    };
  });
  return () => {
    undoSlices();
    undoWhole();
  };
}

function* toldAtTheEnd(
  steps: Steps<Outcome>,
  index: number,
  heard: (index: number, outcome: Outcome) => void,
): Steps<Outcome> {
  const outcome = yield* steps;
  heard(index, outcome);
  return outcome;
}
