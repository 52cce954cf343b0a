/** Bugs of watches: events too early, twice, or not at all. */
import type { Revision } from "../../src/base/ids.ts";
import { WatchableStore } from "../../src/mvcc/watch/watchable-store.ts";
import type { Watcher } from "../../src/mvcc/watch/watcher.ts";
import { replaceMethod } from "./patch.ts";

/** All watchers of a store, with the revision at which each began. */
class Known {
  readonly #watchers = new WeakMap<WatchableStore, Map<Watcher, Revision>>();

  note(store: WatchableStore, watcher: Watcher): void {
    const known = this.#watchers.get(store);
    if (known === undefined) this.#watchers.set(store, new Map([[watcher, watcher.minRevision]]));
    else known.set(watcher, watcher.minRevision);
  }

  of(store: WatchableStore): [Watcher, Revision][] {
    return [...(this.#watchers.get(store) ?? [])].filter(([{ state }]) => state !== "ended");
  }

  /** To be called while a bug is in. */
  follow(): () => void {
    return replaceMethod(WatchableStore.prototype, "add", (original) => {
      const note = (store: WatchableStore, watcher: Watcher) => this.note(store, watcher);
      return function (watcher) {
        original.call(this, watcher);
        note(this, watcher);
      };
    });
  }
}

export function plantFutureWatchBug(): () => void {
  return replaceMethod(WatchableStore.prototype, "add", (original) => {
    return function (watcher) {
      original.call(this, watcher);
      const current = this.store.currentRevision;
      if (watcher.minRevision > current + 1) watcher.minRevision = current + 1;
    };
  });
}

export function plantEarlyProgress(): () => void {
  return replaceMethod(WatchableStore.prototype, "progressIfSynced", () => {
    return function (watchers, sink, watchID) {
      const isAnyOpen = [...watchers].some(({ state }) => state !== "ended");
      if (isAnyOpen && !sink.congested) sink.progress(watchID, this.store.currentRevision);
    };
  });
}

export function plantOldWatchersAfterRestore(): () => void {
  const known = new Known();
  const undoFollow = known.follow();
  const undoAdopt = replaceMethod(WatchableStore.prototype, "adopt", (original) => {
    return function (state, backend) {
      const report = original.call(this, state, backend ?? this.store.backend);
      for (const [watcher, start] of known.of(this)) watcher.minRevision = start;
      return report;
    };
  });
  return () => {
    undoAdopt();
    undoFollow();
  };
}

export function plantSkippingCompaction(): () => void {
  const known = new Known();
  const undoFollow = known.follow();
  const undoSync = replaceMethod(WatchableStore.prototype, "syncWatchers", (original) => {
    return function (maxRecords) {
      const { compactRevision } = this.store;
      for (const [watcher] of known.of(this)) {
        if (watcher.state !== "synced" && watcher.minRevision < compactRevision) {
          watcher.minRevision = compactRevision;
        }
      }
      return original.call(this, maxRecords);
    };
  });
  return () => {
    undoSync();
    undoFollow();
  };
}
