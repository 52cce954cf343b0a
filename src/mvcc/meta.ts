/** How far compaction got, as kept in the "meta" bucket. */

import { META_BUCKET, type Reader } from "../backend/index.ts";
import { bytesFromUtf8 } from "../base/bytes.ts";
import type { Revision } from "../base/ids.ts";
import { checkRevisionKey, mainOf } from "../base/revision-key.ts";

export const SCHEDULED_COMPACT_KEY: Uint8Array = bytesFromUtf8("scheduledCompactRev");
export const FINISHED_COMPACT_KEY: Uint8Array = bytesFromUtf8("finishedCompactRev");

/** `scheduled` is written when a compaction is accepted, `finished` when its records are gone. */
export interface CompactMarks {
  readonly scheduled: Revision | undefined;
  readonly finished: Revision | undefined;
}

export function readCompactMarks(backend: Reader): CompactMarks {
  return {
    scheduled: readMark(backend, SCHEDULED_COMPACT_KEY),
    finished: readMark(backend, FINISHED_COMPACT_KEY),
  };
}

function readMark(backend: Reader, key: Uint8Array): Revision | undefined {
  const bytes = backend.get(META_BUCKET, key);
  if (bytes === undefined) return undefined;
  checkRevisionKey(bytes);
  return mainOf(bytes);
}
