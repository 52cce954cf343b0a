/**
 * Replays a write-ahead log: metadata, last hard state, and the entries after a snapshot, with
 * overwritten ones removed. Also the questions that tools and start-up ask before a log is opened
 * for writing. Nothing here writes.
 *
 * A record that no etcd would write where it stands is damage even if its checksum holds, because
 * the checksum does not cover a record's type.
 */
import { Entry, HardState } from "../api/gen/raft.ts";
import { Snapshot } from "../api/gen/wal.ts";
import { copyBytes, equalBytes } from "../base/bytes.ts";
import { DecodeError } from "../base/wire.ts";
import type { Disk, DiskFile } from "../env/disk.ts";
import type { Logger } from "../env/logger.ts";
import { type EntryHead, scanEntry, scanned } from "./entry-scan.ts";
import {
  ENTRY_GAP,
  METADATA_CONFLICT,
  SNAPSHOT_MISMATCH,
  SNAPSHOT_NOT_FOUND,
  WalCorruptError,
  WalError,
} from "./errors.ts";
import { RecordType } from "./record.ts";
import { listSegments, type SegmentName, selectSegments } from "./segment-name.ts";
import { SegmentReader } from "./segment-reader.ts";
import { isTornTail, sectorStart } from "./torn-tail.ts";

/** The snapshot after which reading begins; {0, 0} for the whole log. */
export interface WalSnapshotPoint {
  readonly index: number;
  readonly term: number;
}

export interface WalContent {
  /** What `create` was given. */
  readonly metadata: Uint8Array;
  /** All zero when none was ever saved. */
  readonly hardState: HardState;
  /** Consecutive, beginning behind the snapshot. Their data is the caller's to keep. */
  readonly entries: Entry[];
}

/** Where the log ends, for whoever goes on writing. */
export interface WalEnd {
  /** Offset in the last segment behind the last good record. */
  readonly offset: number;
  readonly crc: number;
  /** Index of the last entry, or of a snapshot beyond it. */
  readonly lastIndex: number;
  /** "clean": zeros follow. "dirty": unsynced rests follow. "torn": inside a record. */
  readonly tail: "clean" | "dirty" | "torn";
}

export interface OpenSegment {
  readonly segment: SegmentName;
  readonly file: DiskFile;
}

/** Largest segment rest that is examined in memory after a bad record. */
export const MAX_TAIL_BYTES = 1024 * 1024 * 1024;

/** What the records so far add up to. */
class Replay {
  metadata: Uint8Array | undefined;
  hardState: HardState = HardState.create();
  entries: Entry[] = [];
  readonly snapshots: Snapshot[] = [];
  /** Index of the last entry or, if greater, of a snapshot recorded behind it. */
  lastIndex: number;
  matched = false;
  /** Undefined: entries are checked but not kept. */
  readonly #start: WalSnapshotPoint | undefined;
  /** Of the entry that the log has at the index of the snapshot; undefined when it has none. */
  #termAtStart: number | undefined;
  #headSeen = false;
  #stateFile = "";
  #stateOffset = 0;

  /** `firstIndex`: index of the first entry that the first segment may hold. */
  constructor(start: WalSnapshotPoint | undefined, firstIndex: number) {
    this.#start = start;
    this.lastIndex = Math.max(0, firstIndex - 1);
  }

  apply(reader: SegmentReader): void {
    const { record, chunk } = reader;
    const expectsMetadata = this.#expectedAtHead(reader);
    switch (record.type) {
      case RecordType.crc:
        return;
      case RecordType.metadata:
        if (!expectsMetadata) throw damage(reader, "wal: metadata not at the head of the file");
        this.#applyMetadata(reader, chunk.subarray(record.dataStart, record.dataEnd));
        return;
      case RecordType.entry:
        if (this.#start === undefined) this.#checkEntry(reader);
        else this.#applyEntry(reader, decoded(reader, Entry), this.#start);
        return;
      case RecordType.state:
        this.#applyState(reader, decoded(reader, HardState));
        return;
      case RecordType.snapshot:
        this.#applySnapshot(decoded(reader, Snapshot));
        return;
      default:
        throw damage(reader, `unexpected block type ${record.type}`);
    }
  }

  /** Every etcd begins a segment with a checksum and the metadata. True when metadata is due. */
  #expectedAtHead(reader: SegmentReader): boolean {
    const { type } = reader.record;
    if (reader.recordOffset === 0) {
      if (type !== RecordType.crc) throw damage(reader, "wal: file without a head");
      this.#headSeen = false;
      return false;
    }
    if (this.#headSeen) return false;
    if (type !== RecordType.metadata) throw damage(reader, "wal: file without metadata");
    this.#headSeen = true;
    return true;
  }

  #applyMetadata(reader: SegmentReader, metadata: Uint8Array): void {
    if (this.metadata !== undefined && !equalBytes(this.metadata, metadata)) {
      throw damage(reader, METADATA_CONFLICT);
    }
    this.metadata ??= copyBytes(metadata);
  }

  /** A log of hundreds of megabytes is checked without an object for each entry. */
  #checkEntry(reader: SegmentReader): void {
    const { record, chunk } = reader;
    if (!scanEntry(chunk, record.dataStart, record.dataEnd)) {
      const { type, term, index } = decoded(reader, Entry);
      scanned.type = type;
      scanned.term = term;
      scanned.index = index;
    }
    if (!isPossible(scanned)) throw damage(reader, IMPOSSIBLE_ENTRY);
    this.lastIndex = scanned.index;
  }

  #applyEntry(reader: SegmentReader, entry: Entry, start: WalSnapshotPoint): void {
    if (!isPossible(entry)) throw damage(reader, IMPOSSIBLE_ENTRY);
    if (entry.index > start.index) {
      const position = entry.index - start.index - 1;
      if (position > this.entries.length) throw damage(reader, this.#gap(entry, start));
      const before = this.entries[position - 1];
      if (before !== undefined && entry.term < before.term)
        throw damage(reader, "wal: entry of an older term than before it");
      // A new leader overwrites what was never committed, and everything behind it.
      if (position < this.entries.length) this.entries.length = position;
      this.entries.push(entry);
    } else if (entry.index === start.index) this.#termAtStart = entry.term;
    this.lastIndex = entry.index;
  }

  #gap(entry: Entry, start: WalSnapshotPoint): string {
    const from = `snapshot[Index: ${start.index}, Term: ${start.term}]`;
    const found = `current entry[Index: ${entry.index}, Term: ${entry.term}]`;
    return `${ENTRY_GAP}, ${from}, ${found}, len(ents): ${this.entries.length}`;
  }

  #applyState(reader: SegmentReader, state: HardState): void {
    if (state.term < 1 || hasFieldBeyond(reader, 3)) throw damage(reader, "wal: impossible state");
    this.hardState = state;
    this.#stateFile = reader.file.path;
    this.#stateOffset = reader.recordOffset;
  }

  #applySnapshot(snapshot: Snapshot): void {
    this.snapshots.push(snapshot);
    if (snapshot.index === this.#start?.index) {
      if (snapshot.term !== this.#start.term) {
        const wanted = `term ${this.#start.term} at index ${snapshot.index}`;
        const reason = `${SNAPSHOT_MISMATCH}: ${wanted}, found term ${snapshot.term}`;
        throw new WalError("snapshot-mismatch", reason);
      }
      this.matched = true;
      // The log had gone another way: raft dropped it for this snapshot of a leader.
      const { term } = this.#start;
      if (this.#termAtStart !== undefined && this.#termAtStart !== term) this.entries.length = 0;
    }
    if (this.lastIndex < snapshot.index) this.lastIndex = snapshot.index;
  }

  /** raft never commits what it has not; a state that says so is another record gone wrong. */
  checkCommit(): void {
    const known = this.snapshots.reduce(
      (most, snapshot) => Math.max(most, snapshot.index),
      Math.max(this.lastIndex, (this.#start?.index ?? 0) + this.entries.length),
    );
    if (this.hardState.commit > known) {
      const reason = `wal: commit ${this.hardState.commit} is beyond the last entry ${known}`;
      throw new WalCorruptError(this.#stateFile, this.#stateOffset, reason);
    }
  }
}

const IMPOSSIBLE_ENTRY = "wal: impossible entry";

function isPossible({ term, index, type }: EntryHead): boolean {
  return term >= 1 && index >= 1 && type >= 0 && type <= 2;
}

function decoded<T>(
  reader: SegmentReader,
  codec: { decode(bytes: Uint8Array, start: number, end: number): T },
): T {
  const { record, chunk } = reader;
  try {
    return codec.decode(chunk, record.dataStart, record.dataEnd);
  } catch (error) {
    if (error instanceof DecodeError) throw damage(reader, `wal: ${error.message}`);
    throw error;
  }
}

/** Whether a top-level varint-only message holds something other than varint fields 1 to `last`. */
function hasFieldBeyond(reader: SegmentReader, last: number): boolean {
  const { chunk, record } = reader;
  let at = record.dataStart;
  while (at < record.dataEnd) {
    const tag = chunk[at++] as number;
    if ((tag & 7) !== 0 || tag >>> 3 > last) return true;
    while (at < record.dataEnd && (chunk[at] as number) > 0x7f) at++;
    at++;
  }
  return false;
}

function damage(reader: SegmentReader, reason: string): WalCorruptError {
  return new WalCorruptError(reader.file.path, reader.recordOffset, reason);
}

interface LogRead {
  readonly replay: Replay;
  readonly end: WalEnd;
}

/**
 * Reads the segments in order; throws unless the last one ends cleanly, dirty or torn. What lies
 * behind the end of the last one can be left unread.
 */
function readSegments(
  segments: readonly OpenSegment[],
  start: WalSnapshotPoint | undefined,
  leavesRest = false,
): LogRead {
  const replay = new Replay(start, segments[0]?.segment.firstIndex ?? 0);
  let reader: SegmentReader | undefined;
  for (const [i, { segment, file }] of segments.entries()) {
    const isLast = i === segments.length - 1;
    // The chain begins with 0 in the very first segment; a later one says where it stands.
    const crc = reader?.crc ?? (segment.sequence === 0 ? 0 : undefined);
    reader = new SegmentReader(file, crc, start === undefined ? "borrowed" : "kept");
    let result = reader.next();
    while (result === "record") {
      replay.apply(reader);
      result = reader.next();
    }
    const headBytes = reader.offset;
    if (headBytes === 0) {
      throw new WalCorruptError(file.path, 0, reader.problem || "wal: file without a head");
    }
    if (result === "end" && isLast && leavesRest) break;
    const tail = result === "end" ? restOf(reader) : "torn";
    if (tail === "clean") continue;
    const problem = reader.problem || "wal: data behind the end of the log";
    if (!isLast || !isTorn(reader)) throw new WalCorruptError(file.path, reader.offset, problem);
    return { replay, end: endOf(reader, replay, tail) };
  }
  if (reader === undefined) throw new WalError("not-found", "wal: no segment to read");
  return { replay, end: endOf(reader, replay, "clean") };
}

function endOf(reader: SegmentReader, replay: Replay, tail: WalEnd["tail"]): WalEnd {
  return { offset: reader.offset, crc: reader.crc, lastIndex: replay.lastIndex, tail };
}

/** "clean" when only zeros follow the last record. */
function restOf(reader: SegmentReader): "clean" | "dirty" {
  const chunk = Buffer.allocUnsafe(ZEROS.length);
  for (let at = reader.offset; at < reader.fileBytes; at += chunk.length) {
    const got = reader.file.readSync(chunk, at);
    if (!chunk.subarray(0, got).equals(ZEROS.subarray(0, got))) return "dirty";
  }
  return "clean";
}

const ZEROS = Buffer.alloc(64 * 1024);

function isTorn(reader: SegmentReader): boolean {
  const from = sectorStart(reader.offset);
  const length = reader.fileBytes - from;
  if (length > MAX_TAIL_BYTES) return false;
  const tail = Buffer.allocUnsafeSlow(length);
  reader.file.readSync(tail, from);
  return isTornTail(tail, from, reader.offset);
}

/** Reads everything behind `start`. For a log that is open for writing. */
export function replayLog(
  segments: readonly OpenSegment[],
  start: WalSnapshotPoint,
): { readonly content: WalContent; readonly end: WalEnd } {
  const { replay, end } = readSegments(segments, start);
  if (!replay.matched) {
    const wanted = `index ${start.index}, term ${start.term}`;
    const where = `up to position ${end.offset} of file '${segments.at(-1)?.file.path}'`;
    throw new WalError("snapshot-not-found", `${SNAPSHOT_NOT_FOUND}: ${wanted}: ${where}`);
  }
  replay.checkCommit();
  const { metadata, hardState, entries } = replay;
  if (metadata === undefined) throw new WalError("not-found", "wal: no metadata");
  return { content: { metadata, hardState, entries }, end };
}

export interface ReadDeps {
  readonly disk: Disk;
  readonly logger: Logger;
}

/**
 * Reads a log that may be open elsewhere; takes no locks and repairs nothing. A torn tail is left
 * out, as it would be by a repair.
 */
export function readLog(deps: ReadDeps, directory: string, start: WalSnapshotPoint): WalContent {
  const { index } = start;
  return withSegments(
    deps,
    directory,
    (all) => selectSegments(all, index),
    (open) => replayLog(open, start).content,
  );
}

/**
 * The snapshots that start-up may build on: recorded in the log, and not beyond the last hard
 * state's commit index. With `fromIndex`, only those that are recorded in the segments that opening
 * the log behind the snapshot at this index would read: opening it checks what lies behind the end.
 */
export function validSnapshotEntries(
  deps: ReadDeps,
  directory: string,
  fromIndex?: number,
): Snapshot[] {
  return withSegments(deps, directory, atLeastFirst(fromIndex), (open) => {
    const { replay } = readSegments(open, undefined, fromIndex !== undefined);
    return replay.snapshots.filter((snapshot) => snapshot.index <= replay.hardState.commit);
  });
}

/**
 * As `validSnapshotEntries`, also those beyond the commit index: a crash came between the record of a
 * snapshot, which holds nothing that was not committed, and the hard state that says so.
 */
export function recordedSnapshotEntries(
  deps: ReadDeps,
  directory: string,
  fromIndex?: number,
): Snapshot[] {
  return withSegments(deps, directory, atLeastFirst(fromIndex), (open) => {
    return [...readSegments(open, undefined, fromIndex !== undefined).replay.snapshots];
  });
}

/**
 * Checks what opening the log behind the snapshot at `index` leaves unread: the segments before, up
 * to where the chain of checksums enters the first one that is read. They are complete and nobody
 * writes them, so this may run beside a member that is at work. Throws as `readLog`.
 */
export function verifySegmentsBefore(deps: ReadDeps, directory: string, index: number): void {
  withSegments(deps, directory, unbrokenSegments, (open) => {
    const first = open.findLastIndex(({ segment }) => segment.firstIndex <= index);
    const next = open[first];
    if (first < 1 || next === undefined) return;
    const { end } = readSegments(open.slice(0, first), undefined);
    const last = open[first - 1]?.file.path ?? "";
    if (end.tail !== "clean") throw new WalCorruptError(last, end.offset, "unexpected EOF");
    const head = new SegmentReader(next.file, end.crc);
    if (head.next() !== "record") {
      throw new WalCorruptError(next.file.path, 0, head.problem || "wal: file without a head");
    }
  });
}

/** Whether `verifySegmentsBefore` has anything to check. */
export function hasSegmentsBefore(disk: Disk, directory: string, index: number): boolean {
  const all = unbrokenSegments(listSegments(disk, directory));
  return all.findLastIndex(({ firstIndex }) => firstIndex <= index) > 0;
}

/**
 * Checks all segments from this snapshot on and returns the last hard state. Throws as `readLog`.
 */
export function verifyLog(deps: ReadDeps, directory: string, start: WalSnapshotPoint): HardState {
  return readLog(deps, directory, start).hardState;
}

type Choice = (all: readonly SegmentName[]) => SegmentName[];

/** Never before the first segment, nor before a gap. */
function atLeastFirst(index = 0): Choice {
  return (all) => {
    const unbroken = unbrokenSegments(all);
    return selectSegments(unbroken, Math.max(index, unbroken[0]?.firstIndex ?? 0));
  };
}

/**
 * What lies behind the last gap. Old segments are removed one by one, and a loss of power may bring
 * some of them back; what a start needs is checked when the log is opened.
 */
function unbrokenSegments(all: readonly SegmentName[]): SegmentName[] {
  return all.slice(
    all.findLastIndex(({ sequence }, i) => i === 0 || sequence !== (all[i - 1]?.sequence ?? 0) + 1),
  );
}

/** Opens the chosen segments while `use` runs. */
function withSegments<T>(
  deps: ReadDeps,
  directory: string,
  choose: Choice,
  use: (open: OpenSegment[]) => T,
): T {
  const selected = choose(listSegments(deps.disk, directory, deps.logger));
  const open: OpenSegment[] = [];
  try {
    for (const segment of selected) {
      open.push({ segment, file: deps.disk.open(deps.disk.join(directory, segment.name)) });
    }
    return use(open);
  } finally {
    for (const { file } of open) file.close();
  }
}
