/** Bugs of compaction: it removes what somebody still needs. */
import { KeyIndex } from "../../src/mvcc/key-index.ts";
import { Store } from "../../src/mvcc/store.ts";
import { replaceMethod } from "./patch.ts";

/** The tombstone of the compact revision itself goes as well. */
export function plantLostTombstone(): () => void {
  return replaceMethod(KeyIndex.prototype, "keeps", (original) => {
    return function (key, main, sub, revision, rule) {
      const kept = original.call(this, key, main, sub, revision, rule);
      if (!kept || rule !== "compaction" || main !== revision) return kept;
      return this.findAt(key, revision);
    };
  });
}

/** Start-up takes the newest record for the newest revision. */
export function plantRevisionGoingBack(): () => void {
  const undoTombstone = plantLostTombstone();
  const undoAdopt = replaceMethod(Store.prototype, "adopt", (original) => {
    return function (state, backend) {
      const { finished, scheduled } = state.marks;
      const limit = (mark: number | undefined) =>
        mark === undefined ? undefined : Math.min(mark, state.lastRevision);
      const marks = { finished: limit(finished), scheduled: limit(scheduled) };
      return original.call(this, { ...state, marks }, backend ?? this.backend);
    };
  });
  return () => {
    undoAdopt();
    undoTombstone();
  };
}
