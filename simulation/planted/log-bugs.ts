/** Bugs of the log and of reads: somebody is told too early. */
import { ReadOnlyQueue } from "../../src/raft/read-only.ts";
import { Wal } from "../../src/wal/index.ts";
import type { PlantedWorld } from "./bugs.ts";
import { replaceMethod } from "./patch.ts";

export function plantEarlyAcknowledgement({ world }: PlantedWorld): () => void {
  return replaceMethod(Wal.prototype, "save", (original) => {
    return function (hardState, entries) {
      const saved = original.call(this, hardState, entries);
      if (world.members.length > 1) return saved;
      saved.catch(() => undefined);
      return Promise.resolve();
    };
  });
}

export function plantEmptySaveBug(): () => void {
  return replaceMethod(Wal.prototype, "save", (original) => {
    return function (hardState, entries) {
      const isEmpty = hardState === undefined && entries.length === 0;
      return isEmpty ? Promise.resolve() : original.call(this, hardState, entries);
    };
  });
}

/** Any echo counts for the newest question. */
export function plantStaleReadBug(): () => void {
  return replaceMethod(ReadOnlyQueue.prototype, "acknowledge", (original) => {
    return function (from) {
      original.call(this, from, this.heartbeatContext());
    };
  });
}
