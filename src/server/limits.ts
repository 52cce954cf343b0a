/**
 * Distances and intervals that etcd has no flags for. Tests and the simulator make them small, so
 * that what is rare in production happens often.
 */
import { SEGMENT_BYTES } from "../wal/index.ts";

export interface ServerLimits {
  /** A WAL segment is closed once it has this many bytes. */
  readonly walSegmentBytes: number;
  /**
   * The log in memory is compacted when it is this much longer than the catch-up entries. Entries
   * are cut off many at a time, so that each of them costs nothing.
   */
  readonly logCompactionStepEntries: number;
  /** More bytes of applied entries are not kept in memory for followers, however few they are. */
  readonly maxKeptLogBytes: number;
  /** The log in memory is kept for this long after a database was sent, as in etcd. */
  readonly keepLogAfterSendingMs: number;
  /** At most so long after a snapshot the next may begin, however long that one took. */
  readonly maxSnapshotRestMs: number;
  /** Between two deletions of old files, as in etcd. */
  readonly purgeIntervalMs: number;
  /** Records restored or loaded before sockets and timers get a turn. */
  readonly recordsPerStep: number;
  /** Changes and entries applied before the loop lets sockets be served. */
  readonly unitsPerStretch: number;
  /** Keys of the first piece of a range that is streamed; the next ones follow its size. */
  readonly firstPieceKeys: number;
  /** Pieces of memory for written records and for applied entries, where not the default. */
  readonly slabBytes?: number;
  /** Applied entries that are forgotten together, where not the default. */
  readonly chunkEntries?: number;
  /** Between two checkpoints of a lease, where not etcd's five minutes. */
  readonly leaseCheckpointIntervalMs?: number;
  /** Records for all long reads together between two turns of the loop. */
  readonly unitsPerTurn: number;
}

/** Each costs several syncs; with slow ones the share of time that they take would not bound them. */
const MAX_SNAPSHOT_REST_MS = 1000;

/** As etcd's `memorySnapshotCount`: who lags more than this behind the catch-up gets a database. */
const LOG_COMPACTION_STEP_ENTRIES = 100;

/**
 * etcd keeps 5,000 entries whatever their size, which are gigabytes with large values. A follower
 * that lags more than this behind has more of them to get than most databases are large.
 */
const MAX_KEPT_LOG_BYTES = 256 * 1024 * 1024;

/** Applied in one stretch of the loop: about 10 ms of work. */
const UNITS_PER_STRETCH = 3000;

/** Long reads share this between two turns of the loop: about 5 ms of work. */
const UNITS_PER_TURN = 3000;

const FIRST_PIECE_KEYS = 100;

const DEFAULTS: ServerLimits = {
  walSegmentBytes: SEGMENT_BYTES,
  logCompactionStepEntries: LOG_COMPACTION_STEP_ENTRIES,
  maxKeptLogBytes: MAX_KEPT_LOG_BYTES,
  keepLogAfterSendingMs: 30_000,
  maxSnapshotRestMs: MAX_SNAPSHOT_REST_MS,
  purgeIntervalMs: 30_000,
  recordsPerStep: 20_000,
  unitsPerStretch: UNITS_PER_STRETCH,
  unitsPerTurn: UNITS_PER_TURN,
  firstPieceKeys: FIRST_PIECE_KEYS,
};

export function serverLimits(chosen: Partial<ServerLimits> | undefined): ServerLimits {
  return { ...DEFAULTS, ...chosen };
}

/** Far above any list of members that a cluster can have. */
export const MAX_MEMBERS_BYTES = 4 * 1024 * 1024;
