/**
 * Switches the whole state of a member to a db file that it received from the leader, while it goes
 * on serving.
 *
 *   open aside, check  ->  load every part aside, in slices  ->  rename, sync  ->  switch
 *
 * Requests see the old state until the switch and the new one after it, never a mixture: the
 * switch is one synchronous stretch over all parts, and no part can fail in it. Everything that can
 * fail (a damaged page, a record that cannot be decoded, an index that is too low) fails before,
 * and then nothing has changed. Memory holds both states meanwhile.
 *
 * Order of the switch: the backend first, so that what a part writes goes into the new file; then
 * the consistent index, so that no commit can carry the old one into it; leases before the store
 * that refers to them; then everything else. Users and roles belong into `others`: they must be
 * those of the same file in the same stretch, or requests would be checked against old permissions
 * (etcd issue 14571).
 *
 * The caller's part. Before: the file, the `.snap` file and the snapshot's record in the WAL are
 * durable, and no entry behind the snapshot is applied until the promise settles. Afterwards: the
 * applied index, term and configuration are those of the snapshot (the db may be ahead: entries up
 * to `consistentIndex.index` are skipped as in a replay), peers are those of `cluster`, watchers
 * that became unsynced and linearizable reads that wait get their turn, raft is told.
 */
import { BackendCorruptError, type BackendDeps, openBackend } from "../../backend/index.ts";
import type { Backend, Reader } from "../../backend/types.ts";
import type { Index } from "../../base/ids.ts";
import type { Logger } from "../../env/index.ts";
import type { Lessor } from "../../lease/index.ts";
import type { Cluster } from "../../membership/index.ts";
import { loadState, type RestoreReport, type WatchableStore } from "../../mvcc/index.ts";
import type { Alarms } from "../apply/alarms.ts";
import type { CompactionRunner } from "../apply/compaction-runner.ts";
import type { ConsistentIndex } from "../apply/consistent-index.ts";
import { readConsistentIndex } from "../apply/consistent-index.ts";
import type { Defer } from "../options.ts";
import type { StorageVersion } from "../apply/storage-version.ts";

/** Records loaded before others get a turn: a few milliseconds of work. */
const RECORDS_PER_STEP = 2000;

/**
 * Between two such steps, so that taking in a database leaves a part of the processor to the others
 * on the machine: a member that is new to its cluster is not worth their waiting.
 */
export const INSTALL_REST_MS = 1;

/** A part of the state that a db file holds. */
export interface Reloadable {
  /**
   * Loads from `reader`; nothing changes until the returned function is called, which must not fail.
   * Throws when the content is damaged.
   */
  prepareReload(reader: Reader): () => void;
}

export interface ReplaceableState {
  readonly backend: Backend;
  readonly consistentIndex: ConsistentIndex;
  readonly lessor: Lessor;
  readonly watchable: WatchableStore;
  readonly cluster: Cluster;
  readonly alarms: Alarms;
  readonly storageVersion: StorageVersion;
  readonly compaction: CompactionRunner;
  /** Whatever else is taken in, such as the v2 store; switched last. */
  readonly others?: readonly Reloadable[];
  /** Records, or leases, loaded between two calls of `defer`. Default 2000. */
  readonly recordsPerStep?: number;
  /** Runs the next step later: after `INSTALL_REST_MS`, where there is a clock. */
  readonly defer: Defer;
  readonly logger: Logger;
}

export interface ReceivedDatabase {
  /** In the directory of the live db file. */
  readonly path: string;
  /** Of the snapshot that came with it. */
  readonly snapshotIndex: Index;
}

/** The file is whole, but is not what belongs to the snapshot. */
export class UnfitDatabaseError extends Error {
  readonly path: string;
  constructor(path: string, reason: string) {
    super(`received database ${path}: ${reason}`);
    this.name = "UnfitDatabaseError";
    this.path = path;
  }
}

/**
 * Whether a received file can be what belongs to the snapshot: to be asked before raft hears of it,
 * since afterwards a damaged file can only stop the member. A file that is refused is deleted, so
 * that the leader's next attempt is not taken for the same. Rejects with `BackendCorruptError`,
 * `UnfitDatabaseError` or `DiskError`.
 */
export async function checkReceivedDatabase(
  deps: BackendDeps,
  received: ReceivedDatabase,
): Promise<void> {
  try {
    const file = await openBackend(deps, received.path, { readOnly: true });
    try {
      checkCoversSnapshot(file, received);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof BackendCorruptError || error instanceof UnfitDatabaseError) {
      deps.logger.warn("refused a received database", { path: received.path, error });
      deps.disk.remove(received.path);
    }
    throw error;
  }
}

/**
 * When it resolves, every part shows the new state, and the file has taken the name of the live one
 * durably. When it rejects, nothing has changed and the file has kept its name; unless the backend
 * has stopped, with `onFatal` called and an error that is a `BackendClosedError` from then on for
 * every call: the new file may be in force at the next start, and the member must stop.
 *
 * Rejects with `BackendCorruptError`, `UnfitDatabaseError`, `DiskError`, or what a part says of
 * damaged records. Calls wait for each other.
 */
export async function installDatabase(
  state: ReplaceableState,
  received: ReceivedDatabase,
): Promise<void> {
  const { backend, logger } = state;
  const { path } = received;
  const replacement = await backend.openReplacement(path);
  try {
    logger.info("applySnapshot: opened snapshot backend");
    const index = checkCoversSnapshot(replacement, received);
    const switchParts = await prepare(state, replacement);
    const appliedIndex = state.consistentIndex.index;
    if (index < appliedIndex) {
      const reason = `it is at index ${index}, older than this member's ${appliedIndex}`;
      throw new UnfitDatabaseError(path, reason);
    }
    await replacement.install(switchParts);
    logger.info("restored mvcc store", {
      "consistent-index": state.consistentIndex.index,
    });
  } finally {
    replacement.close();
  }
}

/** The index of the db, which is that of the snapshot or later. */
function checkCoversSnapshot(reader: Reader, { path, snapshotIndex }: ReceivedDatabase): Index {
  const index = readConsistentIndex(reader);
  if (index >= snapshotIndex) return index;
  throw new UnfitDatabaseError(
    path,
    `it is at index ${index}, older than its snapshot at index ${snapshotIndex}`,
  );
}

/** Loads all parts; the result switches all of them at once. */
async function prepare(state: ReplaceableState, reader: Reader): Promise<() => void> {
  const { lessor, watchable, consistentIndex, cluster, alarms, storageVersion } = state;
  const { logger, recordsPerStep = RECORDS_PER_STEP } = state;
  logger.info("restoring lease store");
  const leases = await inSlices(state, lessor.loadSteps(reader, recordsPerStep));
  logger.info("restoring mvcc store");
  const loaded = await inSlices(state, loadState(reader, leases, recordsPerStep));
  logger.info("restoring alarm store");
  logger.info("restoring cluster configuration");
  const switchIndex = consistentIndex.prepareReload(reader);
  const others = [cluster, alarms, storageVersion, ...(state.others ?? [])].map((part) =>
    part.prepareReload(reader),
  );
  return () => {
    switchIndex();
    lessor.adopt(leases);
    const report = watchable.adopt(loaded);
    for (const switchPart of others) switchPart();
    state.compaction.reload();
    logRestored(logger, report);
    logger.info("restored lease store");
    logger.info("restored alarm store");
    logger.info("restored cluster configuration");
  };
}

function logRestored(logger: Logger, report: RestoreReport): void {
  logger.info("kvstore restored", { "current-rev": report.currentRevision });
  const { resumedCompaction } = report;
  if (resumedCompaction === undefined) return;
  logger.info("resume scheduled compaction", { "scheduled-compact-revision": resumedCompaction });
}

async function inSlices<T>(state: ReplaceableState, steps: Generator<void, T>): Promise<T> {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await new Promise<void>((resolve) => state.defer(resolve));
  }
}
