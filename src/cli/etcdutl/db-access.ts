/**
 * Opening a db file that no member has open. The file's lock tells; while a member holds it, the
 * tool waits, as etcd's does, and says so.
 */
import {
  type Backend,
  BackendLockedError,
  type BoltBackend,
  type Bucket,
  openBackend,
} from "../../backend/index.ts";
import type { DiskFile } from "../../env/disk.ts";
import { sleep } from "../../env/sleep.ts";
import type { UtilityDeps } from "./deps.ts";
import { requireFile } from "./member-paths.ts";

/** Between two attempts to take the lock. */
const LOCK_RETRY_MS = 100;
/** How long to wait for the lock before saying so. */
const LOCK_PATIENCE_MS = 1000;

/** Runs `use` with the file open for reading and locked against members; nothing is changed. */
export async function withLockedFile<T>(
  deps: UtilityDeps,
  path: string,
  use: (file: DiskFile) => Promise<T>,
): Promise<T> {
  requireFile(deps.disk, path);
  const file = deps.disk.open(path);
  try {
    const waiting = new LockWait(deps, path);
    while (!file.tryLock("flock")) await waiting.pause();
    return await use(file);
  } finally {
    file.close();
  }
}

/** Runs `use` with the db open for reading. Throws `BackendCorruptError` for what is no db. */
export function withDb<T>(
  deps: UtilityDeps,
  path: string,
  use: (db: BoltBackend) => Promise<T>,
): Promise<T> {
  return withLockedFile(deps, path, async () => {
    const db = await openBackend(deps, path, { readOnly: true });
    try {
      return await use(db);
    } finally {
      await db.close();
    }
  });
}

/** Runs `use` with the db open for writing; what it wrote is durable when this settles. */
export async function withWritableDb<T>(
  deps: UtilityDeps,
  path: string,
  ensureBuckets: readonly Bucket[],
  use: (db: Backend) => Promise<T>,
): Promise<T> {
  requireFile(deps.disk, path);
  const waiting = new LockWait(deps, path);
  for (;;) {
    try {
      const db = await openBackend(deps, path, { mustExist: true, ensureBuckets });
      let result: T;
      try {
        result = await use(db);
      } catch (error) {
        await db.close().catch(() => undefined);
        throw error;
      }
      await db.close();
      return result;
    } catch (error) {
      if (!(error instanceof BackendLockedError)) throw error;
      await waiting.pause();
    }
  }
}

class LockWait {
  readonly #deps: UtilityDeps;
  readonly #path: string;
  readonly #startMs: number;
  #hasTold = false;

  constructor(deps: UtilityDeps, path: string) {
    this.#deps = deps;
    this.#path = path;
    this.#startMs = deps.clock.nowMs();
  }

  async pause(): Promise<void> {
    const { clock, naming, tell } = this.#deps;
    if (!this.#hasTold && clock.nowMs() - this.#startMs >= LOCK_PATIENCE_MS) {
      this.#hasTold = true;
      tell(
        `waiting for etcd to close and release its lock on ${JSON.stringify(this.#path)}. ` +
          "To defrag a running etcd instance, use `etcdctl defrag` instead.",
      );
    }
    // The other clock's timers would let the process end.
    await sleep(naming.clock, LOCK_RETRY_MS);
  }
}
