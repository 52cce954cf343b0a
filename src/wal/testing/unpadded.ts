/** The log as etcd 2 would have written it: records without padding. */
import { FRAME_BYTES, frameRecordBytes, isZero, paddingOf } from "../record.ts";

/** `segment` with its records moved together; it ends where the last one ends. */
export function withoutPadding(segment: Uint8Array): Uint8Array {
  const records: Uint8Array[] = [];
  let at = 0;
  while (at + FRAME_BYTES <= segment.length && !isZero(segment, at, at + FRAME_BYTES)) {
    const recordBytes = frameRecordBytes(segment, at);
    const end = at + FRAME_BYTES + recordBytes;
    const record = segment.slice(at, end);
    record[FRAME_BYTES - 1] = 0;
    records.push(record);
    at = end + paddingOf(recordBytes);
  }
  return Buffer.concat(records);
}
