/**
 * Creates a log, and opens an existing one for writing: locks, replay, repair of a torn tail.
 *
 * Everything that is handed to the caller is durable when these functions return, even if the
 * process that wrote it died before its own sync.
 */
import { HardState } from "../api/gen/raft.ts";
import { Snapshot } from "../api/gen/wal.ts";
import { copyBytes } from "../base/bytes.ts";
import type { Disk, DiskFile } from "../env/disk.ts";
import { FILE_LOCKED, WalError } from "./errors.ts";
import {
  type OpenSegment,
  type ReadDeps,
  replayLog,
  type WalContent,
  type WalSnapshotPoint,
} from "./read-log.ts";
import { RecordEncoder } from "./record.ts";
import { listSegments, parseSegmentName, segmentName, selectSegments } from "./segment-name.ts";
import type { WalStart } from "./wal.ts";

const DIRECTORY_MODE = 0o700;
const COPY_BYTES = 1024 * 1024;

/** Whether there is a log: any segment in the directory. Decides if a member has been set up. */
export function walExists(disk: Disk, directory: string): boolean {
  if (disk.stat(directory)?.isDirectory !== true) return false;
  return disk.readDirectory(directory).some((name) => name.endsWith(".wal"));
}

/** The log is made under a temporary name and renamed when it is complete and durable. */
export function createLog(
  deps: ReadDeps,
  directory: string,
  metadata: Uint8Array,
  segmentBytes: number,
): WalStart {
  const { disk } = deps;
  if (walExists(disk, directory)) throw new WalError("exists", `wal: ${directory}: file exists`);
  const temporary = `${directory}.tmp`;
  disk.removeAll(temporary);
  disk.makeDirectories(temporary, DIRECTORY_MODE);
  const name = segmentName(0, 0);
  const encoder = new RecordEncoder(0);
  encoder.checksum();
  encoder.metadata(metadata);
  encoder.snapshot(Snapshot.create());
  const path = disk.join(temporary, name);
  const file = disk.open(path, { create: true, exclusive: true });
  try {
    lock(file, path);
    file.preallocateSync(segmentBytes);
    file.writeSync(encoder.bytes(), 0);
    file.datasyncSync();
    disk.syncDirectory(temporary);
    disk.removeAll(directory);
    disk.rename(temporary, directory);
    disk.syncDirectory(disk.join(directory, ".."));
  } catch (error) {
    file.close();
    throw error;
  }
  const content = {
    metadata: copyBytes(metadata),
    hardState: HardState.create(),
    entries: [],
  };
  const end = { offset: encoder.length, crc: encoder.crc, lastIndex: 0, tail: "clean" } as const;
  return { content, segments: [openSegment(name, file)], end, repaired: false };
}

/** `accept` may refuse what the log holds by throwing; nothing has been changed by then. */
export function openLog(
  deps: ReadDeps,
  directory: string,
  snapshot: WalSnapshotPoint,
  options: { readonly segmentBytes: number; readonly accept?: (content: WalContent) => void },
): WalStart {
  const { disk, logger } = deps;
  const { segmentBytes, accept } = options;
  const selected = selectSegments(listSegments(disk, directory, logger), snapshot.index);
  const segments: OpenSegment[] = [];
  try {
    for (const { name } of selected) {
      const path = disk.join(directory, name);
      const file = disk.open(path, { write: true });
      segments.push(openSegment(name, file));
      lock(file, path);
    }
    const { content, end } = replayLog(segments, snapshot);
    accept?.(content);
    const tail = segments.at(-1)?.file;
    if (tail === undefined) throw new WalError("not-found", "wal: no segment to open");
    if (end.tail === "torn") {
      logger.info("repairing", { path: tail.path });
      copyToBroken(disk, tail);
    }
    if (end.tail !== "clean") clearRest(tail, end.offset, segmentBytes);
    tail.datasyncSync();
    disk.syncDirectory(directory);
    if (end.tail === "torn") {
      logger.info("repaired", { path: tail.path, error: "unexpected EOF" });
      logger.info("repaired WAL", { error: "unexpected EOF" });
    }
    return { content, segments, end, repaired: end.tail === "torn" };
  } catch (error) {
    for (const { file } of segments) file.close();
    throw error;
  }
}

function openSegment(name: string, file: DiskFile): OpenSegment {
  const segment = parseSegmentName(name);
  if (segment === undefined) throw new WalError("not-found", `wal: bad wal name ${name}`);
  return { segment, file };
}

function lock(file: DiskFile, path: string): void {
  if (!file.tryLock("ofd")) throw new WalError("locked", `${FILE_LOCKED}: ${path}`);
}

/** Keeps the segment as it was found, beside the repaired one. */
function copyToBroken(disk: Disk, source: DiskFile): void {
  const copy = disk.open(`${source.path}.broken`, { create: true, truncate: true });
  try {
    const chunk = Buffer.allocUnsafe(COPY_BYTES);
    const zeros = Buffer.alloc(COPY_BYTES);
    const size = source.size();
    for (let at = 0; at < size; at += chunk.length) {
      const part = chunk.subarray(0, source.readSync(chunk, at));
      if (!part.equals(zeros.subarray(0, part.length))) copy.writeSync(part, at);
    }
    copy.truncateSync(size);
    copy.datasyncSync();
  } finally {
    copy.close();
  }
}

/** Nothing but zeros behind `offset`, so that no rest can be read as a record later. */
function clearRest(file: DiskFile, offset: number, segmentBytes: number): void {
  file.truncateSync(offset);
  file.datasyncSync();
  try {
    file.preallocateSync(segmentBytes);
  } catch {
    // On a full disk the segment grows as it is written.
  }
}
