/** The hash of a db's history, as members compare it, taken from the file. The file stays as it is. */
import { EtcdError } from "../../api/errors.ts";
import type {
  Backend,
  BackendSnapshot,
  Bucket,
  Place,
  ReadView,
  Replacement,
  Visit,
} from "../../backend/index.ts";
import { type KeyValueHash, NO_LEASE, Store } from "../../mvcc/index.ts";
import { withDb } from "./db-access.ts";
import { type UtilityDeps, UtilityError } from "./deps.ts";
import type { ProgressReport } from "../framework/progress-bar.ts";

/** Records between two reports of progress. */
const RECORDS_PER_STEP = 10_000;

/** `revision` 0: the last one. Throws `UtilityError` for one that is compacted or in the future. */
export function hashFile(deps: UtilityDeps, path: string, revision: number): Promise<KeyValueHash> {
  return withDb(deps, path, async (db) => hashKeyValues(db, revision, deps.progress));
}

/** As `hashFile`, of an open db. */
export function hashKeyValues(
  db: Backend,
  revision: number,
  progress: ProgressReport = () => undefined,
): KeyValueHash {
  const store = new Store({ backend: new FrozenBackend(db), leases: NO_LEASES });
  const { records } = store.restore();
  const job = startHash(store, revision);
  for (let done = 0; ; done += RECORDS_PER_STEP) {
    const result = job.step(RECORDS_PER_STEP);
    if (result !== undefined) return result;
    progress("hashing", done, records);
  }
}

function startHash(store: Store, revision: number) {
  try {
    return store.hashByRevision(revision);
  } catch (error) {
    if (!(error instanceof EtcdError)) throw error;
    throw new UtilityError(error.message.replace(/^etcdserver: /, ""));
  }
}

const NO_LEASES = {
  exists: () => false,
  attach: () => undefined,
  detach: () => undefined,
  leaseOf: () => NO_LEASE,
};

/** Reads of a backend, with writes that do nothing: the store marks a compaction it would go on with. */
class FrozenBackend implements Backend {
  onBeforeCommit: (() => void) | undefined;
  onFatal: ((error: Error) => void) | undefined;
  readonly #reader: Backend;

  constructor(reader: Backend) {
    this.#reader = reader;
  }

  get(bucket: Bucket, key: Uint8Array): Uint8Array | undefined {
    return this.#reader.get(bucket, key);
  }

  scan(bucket: Bucket, start: Uint8Array, end: Uint8Array | undefined, visit: Visit): void {
    this.#reader.scan(bucket, start, end, visit);
  }

  put(): void {}

  putInto(_bucket: Bucket, _key: Uint8Array, valueBytes: number): Place {
    return { bytes: Buffer.allocUnsafe(valueBytes), start: 0, end: valueBytes };
  }

  delete(): void {}
  commitIfDue(): void {}

  holdCommits(): () => void {
    return () => undefined;
  }

  get congested(): boolean {
    return false;
  }

  waitUncongested(): Promise<void> {
    return Promise.resolve();
  }

  commit(): Promise<void> {
    return Promise.resolve();
  }

  get sizeBytes(): number {
    return this.#reader.sizeBytes;
  }

  get sizeInUseBytes(): number {
    return this.#reader.sizeInUseBytes;
  }

  get openReadViews(): number {
    return this.#reader.openReadViews;
  }

  openView(): ReadView {
    return this.#reader.openView();
  }

  openSnapshot(): Promise<BackendSnapshot> {
    return this.#reader.openSnapshot();
  }

  hash(ignore: (bucket: string, key: Uint8Array) => boolean): Promise<number> {
    return this.#reader.hash(ignore);
  }

  defragment(): Promise<void> {
    return Promise.resolve();
  }

  openReplacement(path: string): Promise<Replacement> {
    return this.#reader.openReplacement(path);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
