/** Bugs of the consistent index: it says more, or less, than the database holds. */
import { applyTransaction, DEFAULT_FILL, ListOps } from "../../src/backend/bolt/transaction.ts";
import { PUT } from "../../src/backend/bolt/tree-merge.ts";
import { BoltBackend } from "../../src/backend/backend.ts";
import { Defragmenter } from "../../src/backend/defragment.ts";
import type { FileHost } from "../../src/backend/file-host.ts";
import { Slicer } from "../../src/backend/slicer.ts";
import { bytesFromUtf8 } from "../../src/base/bytes.ts";
import { VirtualClock } from "../../src/env/testing/index.ts";
import { readConsistentIndex, writeConsistentIndex } from "../../src/backend/index.ts";
import { ConsistentIndex } from "../../src/server/apply/consistent-index.ts";
import type { PlantedWorld } from "./bugs.ts";
import { replaceMethod } from "./patch.ts";

/** The hook of a periodic commit saves the index of the entry that comes next. */
export function plantEarlyIndexBug({ serverOf }: PlantedWorld): () => void {
  const patched = new WeakSet<object>();
  return replaceMethod(BoltBackend.prototype, "commitIfDue", (original) => {
    return function () {
      const server = serverOf(this);
      const before = this.onBeforeCommit;
      if (server !== undefined && before !== undefined && !patched.has(this)) {
        patched.add(this);
        this.onBeforeCommit = () => {
          before();
          const { appliedIndex, committedIndex, term } = server;
          if (committedIndex <= appliedIndex) return;
          writeConsistentIndex(this, appliedIndex + 1, term);
        };
      }
      original.call(this);
    };
  });
}

/** What was to be saved of the old state is written into the new database. */
export function plantSnapshotIndexBug(): () => void {
  let backend: BoltBackend | undefined;
  const undoOpen = replaceMethod(BoltBackend.prototype, "openReplacement", (original) => {
    return function (path) {
      backend = this;
      return original.call(this, path);
    };
  });
  const undoReload = replaceMethod(ConsistentIndex.prototype, "prepareReload", (original) => {
    return function (reader) {
      const oldIndex = this.index;
      const receiver = backend;
      const switchIndex = original.call(this, reader);
      return () => {
        switchIndex();
        this.advance(oldIndex, 1);
        queueMicrotask(() => receiver?.commit().catch(() => undefined));
      };
    };
  });
  return () => {
    undoReload();
    undoOpen();
  };
}

/** As if the index had been saved with the copy, and the open batch had not. */
export function plantDefragmentationBug({ serverOf }: PlantedWorld): () => void {
  const running = new WeakMap<object, BoltBackend>();
  const undoBackend = replaceMethod(BoltBackend.prototype, "defragment", (original) => {
    return function () {
      lastBackend = this;
      return original.call(this);
    };
  });
  let lastBackend: BoltBackend | undefined;
  const undoRun = replaceMethod(Defragmenter.prototype, "run", (original) => {
    return function (host) {
      if (lastBackend !== undefined) running.set(this, lastBackend);
      const saveIndex = async (): Promise<void> => {
        const backend = running.get(this);
        const index = backend === undefined ? undefined : serverOf(backend)?.appliedIndex;
        // After a start the server counts anew what the database holds: never an index that goes back.
        if (backend === undefined || index === undefined || index <= readConsistentIndex(backend))
          return;
        const value = Buffer.alloc(8);
        value.writeBigUInt64BE(BigInt(index));
        const ops = new ListOps();
        ops.add(PUT, bytesFromUtf8("consistent_index"), value);
        const changes = [{ name: "meta", fillPercent: DEFAULT_FILL, ops }];
        try {
          const tx = await applyTransaction(host.file, changes, patientSlicer());
          await host.file.writeOut(tx);
        } catch (error) {
          // As for any commit to the file in use; paused for ever would be another bug than this one.
          host.fail(error as Error);
          throw error;
        }
      };
      const early: FileHost = {
        get file() {
          return host.file;
        },
        get isClosing() {
          return host.isClosing;
        },
        commit: () => host.commit(),
        paused: (work) =>
          host.paused(async () => {
            await saveIndex();
            return await work();
          }),
        replaceFile: (next, content) => host.replaceFile(next, content),
        fail: (error) => host.fail(error),
      };
      return original.call(this, early);
    };
  });
  return () => {
    undoRun();
    undoBackend();
  };
}

/** Never pauses. */
function patientSlicer(): Slicer {
  return new Slicer(new VirtualClock(), () => Promise.resolve(), Number.MAX_SAFE_INTEGER);
}
