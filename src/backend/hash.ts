/**
 * etcd's backend hash: CRC-32C over each bucket's name followed by its keys and values, buckets and
 * keys in byte order.
 */

import { bytesFromLatin1 } from "../base/bytes.ts";
import { crc32c } from "../base/crc32c.ts";
import { FIRST_KEY, successor } from "./layered-reader.ts";
import type { Slicer } from "./slicer.ts";
import type { LayeredView } from "./view.ts";

const KEYS_PER_CHECK = 64;

/** `ignore` is asked for each key; what it names is left out. */
export async function hashView(
  view: LayeredView,
  ignore: (bucket: string, key: Uint8Array) => boolean,
  slicer: Slicer,
): Promise<number> {
  let crc = 0;
  for (const bucket of view.buckets()) {
    crc = crc32c(bytesFromLatin1(bucket.name), crc);
    let start: Uint8Array | undefined = FIRST_KEY;
    while (start !== undefined) {
      const from: Uint8Array = start;
      start = undefined;
      let untilCheck = KEYS_PER_CHECK;
      view.scan(bucket, from, undefined, (key, value) => {
        if (!ignore(bucket.name, key)) crc = crc32c(value, crc32c(key, crc));
        if (--untilCheck > 0) return true;
        untilCheck = KEYS_PER_CHECK;
        if (!slicer.isOverdue()) return true;
        start = successor(key);
        return false;
      });
      if (start !== undefined) await slicer.pause();
    }
  }
  return crc;
}
