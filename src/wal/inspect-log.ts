/**
 * Walks all records of a log for people who look into it: every segment, past damage, with the
 * place of each record. It judges frames, checksums and tails, not what the records say; start-up
 * (`open-log.ts`) is stricter. Takes no locks, changes nothing.
 */
import { MAX_TAIL_BYTES } from "./read-log.ts";
import type { DiskFile } from "../env/disk.ts";
import type { ReadDeps } from "./read-log.ts";
import { isZero } from "./record.ts";
import { listSegments, type SegmentName } from "./segment-name.ts";
import { SegmentReader } from "./segment-reader.ts";
import { isTornTail, sectorStart } from "./torn-tail.ts";

export interface LogPlace {
  /** Path of the segment. */
  readonly file: string;
  readonly offset: number;
}

export type LogFinding =
  | { readonly kind: "segment"; readonly file: string; readonly segment: SegmentName }
  | {
      readonly kind: "record";
      readonly place: LogPlace;
      /** One of `RecordType`. */
      readonly type: number;
      readonly crc: number;
      /** Valid for ever; do not change. */
      readonly data: Uint8Array;
    }
  /** Nothing behind `place` in this segment can be read. A torn end is what a crash leaves. */
  | {
      readonly kind: "damage" | "torn";
      readonly place: LogPlace;
      readonly reason: string;
      /** From `place` to the end of the file. */
      readonly lostBytes: number;
    };

/** Throws "not-found" when there is no segment. `isWanted` leaves segments out. */
export function* inspectLog(
  deps: ReadDeps,
  directory: string,
  isWanted: (name: string) => boolean = () => true,
): Generator<LogFinding, void> {
  const segments = listSegments(deps.disk, directory, deps.logger).filter(({ name }) =>
    isWanted(name),
  );
  let crc: number | undefined;
  let sequence = -1;
  for (const [i, segment] of segments.entries()) {
    const follows = segment.sequence === sequence + 1;
    sequence = segment.sequence;
    const file = deps.disk.open(deps.disk.join(directory, segment.name));
    try {
      yield { kind: "segment", file: file.path, segment };
      const start = sequence === 0 ? 0 : follows ? crc : undefined;
      crc = yield* inspectSegment(file, start, i === segments.length - 1);
    } finally {
      file.close();
    }
  }
}

/** Returns the running checksum, undefined when damage has broken the chain. */
function* inspectSegment(
  file: DiskFile,
  crc: number | undefined,
  isLast: boolean,
): Generator<LogFinding, number | undefined> {
  const reader = new SegmentReader(file, crc);
  let result = reader.next();
  for (; result === "record"; result = reader.next()) {
    const { record, chunk, recordOffset } = reader;
    yield {
      kind: "record",
      place: { file: file.path, offset: recordOffset },
      type: record.type,
      crc: record.crc,
      data: chunk.subarray(record.dataStart, record.dataEnd),
    };
  }
  const rest = restOf(reader);
  const goodBytes = reader.offset - sectorStart(reader.offset);
  if (result === "end" && rest !== undefined && isZero(rest, goodBytes, rest.length)) {
    return reader.crc;
  }
  const reason = reader.problem === "" ? "data behind the end of the log" : reader.problem;
  const isTorn =
    isLast && rest !== undefined && isTornTail(rest, sectorStart(reader.offset), reader.offset);
  yield {
    kind: isTorn ? "torn" : "damage",
    place: { file: file.path, offset: reader.offset },
    reason,
    lostBytes: reader.fileBytes - reader.offset,
  };
  return undefined;
}

/** From the sector of the last good record's end to the end of the file. */
function restOf(reader: SegmentReader): Buffer | undefined {
  const from = sectorStart(reader.offset);
  const length = reader.fileBytes - from;
  if (length > MAX_TAIL_BYTES) return undefined;
  const rest = Buffer.allocUnsafeSlow(length);
  reader.file.readSync(rest, from);
  return rest;
}
