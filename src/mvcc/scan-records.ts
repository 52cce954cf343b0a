/** Walks over the records of the key bucket, without an object per record where the reader can. */

import { KEY_BUCKET, type Reader, type VisitInPlace } from "../backend/index.ts";

/** Visits the records from `start` to before `end` (undefined: all that follow) in order. */
export function scanRecords(
  reader: Reader,
  start: Uint8Array,
  end: Uint8Array | undefined,
  visit: VisitInPlace,
): void {
  if (reader.scanInPlace !== undefined) {
    reader.scanInPlace(KEY_BUCKET, start, end, visit);
    return;
  }
  reader.scan(KEY_BUCKET, start, end, (key, record) =>
    visit(key, 0, key.length, record, 0, record.length),
  );
}
