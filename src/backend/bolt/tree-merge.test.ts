/**
 * What a transaction rewrites. In a file of 200,000 keys, one compaction batch of a thousand deletes
 * once rewrote every page behind it: a page that deletes had left nearly empty was joined with the
 * full one beside it, the rest was as empty as before and was joined with the next, and so on. The
 * file doubled, and compactions of a million keys took five times the processor of etcd's.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultDisk } from "../../env/testing/fault-disk.ts";
import { SeededRandom } from "../../env/testing/seeded-random.ts";
import { assertSoundBackend, openOn, revisionKey } from "../testing/harness.ts";
import { KEY_BUCKET } from "../types.ts";

const RECORDS = 20_000;
const PAGE_BYTES = 4096;

async function filledBackend() {
  const disk = new FaultDisk();
  const backend = await openOn(disk);
  for (let main = 1; main <= RECORDS; main++) {
    backend.put(KEY_BUCKET, revisionKey(main), Buffer.alloc(330, main));
    if (main % 5000 === 0) await backend.commit();
  }
  await backend.commit();
  return backend;
}

test("deletes in one place do not rewrite the rest of the tree", async () => {
  const backend = await filledBackend();
  const wholeBytes = backend.sizeBytes;
  // One to ten records of a leaf go, so that what remains has every size.
  for (let count = 1; count <= 10; count++) {
    const from = 1000 * count;
    for (let at = 0; at < count; at++) backend.delete(KEY_BUCKET, revisionKey(from + at));
    await backend.commit();
  }
  // Rewritten are the leaf, one beside it and the path above, in pages that come free again.
  assert.ok(
    backend.sizeBytes - wholeBytes < 16 * PAGE_BYTES,
    `the file grew by ${(backend.sizeBytes - wholeBytes) / PAGE_BYTES} pages`,
  );
  await assertSoundBackend(backend);
  await backend.close();
});

test("a compaction that drops every second record gives most of their space back", async () => {
  const backend = await filledBackend();
  const wholeBytes = backend.sizeBytes;
  const random = new SeededRandom(7);
  for (let main = 1; main <= RECORDS; main++) {
    if (random.below(2) === 0) backend.delete(KEY_BUCKET, revisionKey(main));
    if (main % 1000 === 0) await backend.commit();
  }
  await backend.commit();
  const usedShare = backend.sizeInUseBytes / wholeBytes;
  assert.ok(usedShare < 0.8, `${Math.round(usedShare * 100)} % of the space is in use`);
  const growth = backend.sizeBytes / wholeBytes;
  assert.ok(growth < 1.05, `the file has grown to ${growth.toFixed(2)} times its size`);
  await assertSoundBackend(backend);
  await backend.close();
});
