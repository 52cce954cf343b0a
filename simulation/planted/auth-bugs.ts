/** Bugs of authentication: rights are looked at too early, and not again. */
import { Applier } from "../../src/server/apply/applier.ts";
import { Authentication } from "../../src/server/access/authentication.ts";
import { replaceMethod } from "./patch.ts";

const ANYTHING = { username: "root", authRevision: Number.MAX_SAFE_INTEGER };

/** What was allowed at the door is carried out, whatever the log has in between. */
export function plantUncheckedApply(): () => void {
  const undoWhole = replaceMethod(Applier.prototype, "apply", (original) => {
    return function (applied, index, wantReply) {
      return original.call(this, { ...applied, identity: ANYTHING }, index, wantReply);
    };
  });
  const undoSlices = replaceMethod(Applier.prototype, "applyInSteps", (original) => {
    return function (applied, index, wantReply, slice) {
      return original.call(this, { ...applied, identity: ANYTHING }, index, wantReply, slice);
    };
  });
  return () => {
    undoSlices();
    undoWhole();
  };
}

/** Reads are answered by the rights that their member knew before it had caught up. */
export function plantUnconfirmedRead(): () => void {
  return replaceMethod(Authentication.prototype, "confirm", () => () => undefined);
}
