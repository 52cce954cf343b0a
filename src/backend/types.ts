/**
 * What the layers above know of the storage engine. The file format, pages and transactions are
 * behind this interface.
 *
 * Rules:
 * - One writer: all writes happen synchronously on the one event loop and join the open batch.
 * - A batch is never sealed between two writes of one synchronous stretch: sealing happens in
 *   `commitIfDue`, `commit` or a timer, so that all changes of one applied entry and their
 *   `consistent_index` land in the same transaction. Writes that take several stretches ask for
 *   the same with `holdCommits`.
 * - Reads see every write made before them, sealed or not.
 * - Returned bytes belong to immutable pages or to the write buffer; they stay valid for ever but
 *   must not be changed. Whoever keeps them long copies them.
 */

/** A top-level bucket, resolved once. `id` is dense from 0; `sequential` buckets grow at the end. */
export interface Bucket {
  readonly id: number;
  readonly name: string;
  readonly sequential: boolean;
}

export const KEY_BUCKET: Bucket = { id: 0, name: "key", sequential: true };
export const META_BUCKET: Bucket = { id: 1, name: "meta", sequential: false };
export const LEASE_BUCKET: Bucket = { id: 2, name: "lease", sequential: false };
export const ALARM_BUCKET: Bucket = { id: 3, name: "alarm", sequential: false };
export const CLUSTER_BUCKET: Bucket = { id: 4, name: "cluster", sequential: false };
export const MEMBERS_BUCKET: Bucket = { id: 5, name: "members", sequential: false };
export const MEMBERS_REMOVED_BUCKET: Bucket = { id: 6, name: "members_removed", sequential: false };
export const AUTH_BUCKET: Bucket = { id: 7, name: "auth", sequential: false };
export const AUTH_USERS_BUCKET: Bucket = { id: 8, name: "authUsers", sequential: false };
export const AUTH_ROLES_BUCKET: Bucket = { id: 9, name: "authRoles", sequential: false };
export const TEST_BUCKET: Bucket = { id: 10, name: "test", sequential: false };

/** Present in every db of etcd from its first start. */
export const ETCD_BUCKETS: readonly Bucket[] = [
  KEY_BUCKET,
  META_BUCKET,
  LEASE_BUCKET,
  ALARM_BUCKET,
  CLUSTER_BUCKET,
  MEMBERS_BUCKET,
  MEMBERS_REMOVED_BUCKET,
  AUTH_BUCKET,
  AUTH_USERS_BUCKET,
  AUTH_ROLES_BUCKET,
];

/** Return false to stop the scan. */
export type Visit = (key: Uint8Array, value: Uint8Array) => boolean | undefined;

/** As `Visit`, told where key and value lie instead of getting an object for each. */
export type VisitInPlace = (
  keyBytes: Uint8Array,
  keyStart: number,
  keyEnd: number,
  valueBytes: Uint8Array,
  valueStart: number,
  valueEnd: number,
) => boolean | undefined;

/** Where some bytes are: `bytes[start, end)`. */
export interface Place {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/**
 * Finds values one after the other, as `Reader.get` would, without an object for each. For one
 * synchronous stretch in which the bucket is not written.
 */
export interface Finder extends Place {
  /** False when the key is missing. Otherwise the value is at this place, as `get`'s. */
  find(key: Uint8Array): boolean;
}

export interface Reader {
  get(bucket: Bucket, key: Uint8Array): Uint8Array | undefined;
  /**
   * Visits keys in [start, end) in byte order; `end` undefined means to the end of the bucket.
   * The bucket must not be written during the scan.
   */
  scan(bucket: Bucket, start: Uint8Array, end: Uint8Array | undefined, visit: Visit): void;
  /**
   * As `scan`, for walks over everything: makes no object per record, and its bytes are valid
   * during the visit only. Not every reader can.
   */
  scanInPlace?(
    bucket: Bucket,
    start: Uint8Array,
    end: Uint8Array | undefined,
    visit: VisitInPlace,
  ): void;
  /** For looking up many keys. Not every reader can. */
  finder?(bucket: Bucket): Finder;
}

/** A point-in-time view that stays valid while the writer goes on. Close it: it pins free pages. */
export interface ReadView extends Reader {
  close(): void;
}

/**
 * The db file's image at one transaction, for backups and for followers. Reads see its content, so
 * that who sends it can say which index it is at: entries applied while it was opened may be in it.
 */
export interface BackendSnapshot extends Reader {
  readonly sizeBytes: number;
  /** Chunks of at most `chunkBytes`, together `sizeBytes`. */
  chunks(chunkBytes: number): AsyncIterable<Uint8Array>;
  close(): void;
}

/**
 * A db file from elsewhere, opened and checked, that may take the place of the live one. Reads see
 * its content; they throw `BackendClosedError` once it is closed.
 */
export interface Replacement extends Reader {
  readonly sizeBytes: number;
  /**
   * Makes it the live db. Batches that are not committed are dropped, since what they say is part of
   * the new db, and `onBeforeCommit` is not called for them. `onSwitch` is called in the synchronous
   * stretch in which the backend's reads begin to see the new file; it must not throw.
   *
   * When it rejects, the old db is still in force and the new file has kept its name. The exception:
   * where the new name cannot be made durable, or `onSwitch` has thrown, the backend stops for good.
   * Either way the replacement is closed afterwards.
   */
  install(onSwitch: () => void): Promise<void>;
  /** Gives it up; the file stays where it is. Does nothing after `install`. */
  close(): void;
}

/** How much of the space in use has been copied, about. */
export interface DefragmentProgress {
  readonly copiedBytes: number;
  readonly totalBytes: number;
}

export interface Backend extends Reader {
  /** May keep both arrays: the caller must not change them afterwards. */
  put(bucket: Bucket, key: Uint8Array, value: Uint8Array): void;
  /**
   * As `put`, with a value of `valueBytes` that the caller writes to this place before anything else
   * is asked of the backend. Copies the key. The place is the caller's for this stretch only.
   */
  putInto(bucket: Bucket, key: Uint8Array, valueBytes: number): Place;
  delete(bucket: Bucket, key: Uint8Array): void;
  /** Called synchronously just before a batch is sealed; may write (consistent_index, term ...). */
  onBeforeCommit: (() => void) | undefined;
  /** Seals the open batch when the operation limit is reached. Called between applied entries. */
  commitIfDue(): void;
  /** True while so much is waiting for the disk that no more entries should be applied. */
  readonly congested: boolean;
  /** Settles when `congested` is false. */
  waitUncongested(): Promise<void>;
  /** Settles when everything written before the call is durable. */
  commit(): Promise<void>;
  /**
   * No batch is sealed until the result is called, so that writes of several turns of the loop get
   * into one transaction; what was sealed before goes on to the disk. Several may hold at once. A
   * commit that falls due meanwhile (its interval, its limits, a call of `commit`) happens right
   * behind the synchronous stretch in which the last of them lets go.
   *
   * Whoever fails half-way must not let go: `close` then leaves the open batch out, as a crash
   * would, and rejects the commits that wait. Throws `BackendClosedError`, once closing has begun.
   */
  holdCommits(): () => void;
  /** Logical size of the db file (high-water mark times page size). */
  readonly sizeBytes: number;
  readonly sizeInUseBytes: number;
  readonly openReadViews: number;
  /** Includes everything written before the call. */
  openView(): ReadView;
  openSnapshot(): Promise<BackendSnapshot>;
  /**
   * CRC-32C over bucket names, keys and values in order, as etcd's `Hash`; in slices. Waits while
   * commits are held: it covers whole writes only.
   */
  hash(ignore: (bucket: string, key: Uint8Array) => boolean): Promise<number>;
  /** Rewrites the file compactly, in slices, while reads and writes go on. */
  defragment(): Promise<void>;
  /** Of the defragmentation that is under way. */
  readonly defragmentation?: DefragmentProgress | undefined;
  /**
   * Opens a db file that lies beside the live one (same directory), to be installed in its place.
   * Waits while a defragmentation runs or another replacement is open; defragmentations that are
   * asked for meanwhile wait in turn. Throws `BackendCorruptError` for a damaged file,
   * `BackendLockedError`, `BackendClosedError` or `DiskError`; then nothing has changed.
   */
  openReplacement(path: string): Promise<Replacement>;
  /** Rejects everything afterwards. Commits first. */
  close(): Promise<void>;
  /** Set when a sync or write failed for good; the member must stop. */
  onFatal: ((error: Error) => void) | undefined;
}
