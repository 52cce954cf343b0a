/** Names of segments, `<sequence>-<index of the first entry>.wal`, both as 16 hex digits. */
import type { Disk } from "../env/disk.ts";
import type { Logger } from "../env/logger.ts";
import { FILE_NOT_FOUND, WalError } from "./errors.ts";

export interface SegmentName {
  readonly name: string;
  readonly sequence: number;
  /** Index of the first entry that this segment may hold; 0 for the first segment. */
  readonly firstIndex: number;
}

const PATTERN = /^([0-9a-f]{16})-([0-9a-f]{16})\.wal$/;

export function segmentName(sequence: number, firstIndex: number): string {
  return `${hex16(sequence)}-${hex16(firstIndex)}.wal`;
}

export function parseSegmentName(name: string): SegmentName | undefined {
  const match = PATTERN.exec(name);
  if (match === null) return undefined;
  const sequence = Number.parseInt(match[1] ?? "", 16);
  const firstIndex = Number.parseInt(match[2] ?? "", 16);
  if (!Number.isSafeInteger(sequence) || !Number.isSafeInteger(firstIndex)) return undefined;
  return { name, sequence, firstIndex };
}

function hex16(value: number): string {
  return value.toString(16).padStart(16, "0");
}

/** All segments of a directory in order. Throws "not-found" when there is none. */
export function listSegments(disk: Disk, directory: string, logger?: Logger): SegmentName[] {
  const segments: SegmentName[] = [];
  for (const name of disk.readDirectory(directory)) {
    const segment = parseSegmentName(name);
    if (segment !== undefined) segments.push(segment);
    else if (!name.endsWith(".tmp")) logger?.warn("ignored file in WAL directory", { path: name });
  }
  if (segments.length === 0) throw new WalError("not-found", FILE_NOT_FOUND);
  return segments;
}

/**
 * The segments that hold what follows the entry `index`: from the last one that begins at or before
 * it. Throws when there is none or when one in between is missing.
 */
export function selectSegments(segments: readonly SegmentName[], index: number): SegmentName[] {
  const first = segments.findLastIndex((segment) => segment.firstIndex <= index);
  if (first < 0) {
    throw new WalError(
      "not-found",
      `wal: file not found which matches the snapshot index '${index}'`,
    );
  }
  const selected = segments.slice(first);
  for (const [i, segment] of selected.entries()) {
    if (segment.sequence !== (selected[0]?.sequence ?? 0) + i) {
      throw new WalError(
        "not-found",
        `wal: file sequence numbers (starting from ${first}) do not increase continuously`,
      );
    }
  }
  return selected;
}
