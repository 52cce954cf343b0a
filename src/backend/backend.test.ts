/** The backend against a model: random writes, commits, views, reopening, defragmentation. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultDisk } from "../env/testing/fault-disk.ts";
import { SeededRandom } from "../env/testing/seeded-random.ts";
import { VirtualClock } from "../env/testing/virtual-clock.ts";
import {
  assertSound,
  assertSoundBackend,
  Model,
  nextTurn,
  openOn,
  RestlessClock,
  revisionKey,
  Writer,
} from "./testing/harness.ts";
import { KEY_BUCKET, LEASE_BUCKET, type ReadView } from "./types.ts";

const SEEDS = Number(process.env.BACKEND_MODEL_SEEDS ?? 5);
const FIRST_SEED = Number(process.env.BACKEND_MODEL_FIRST_SEED ?? 1);
const ROUNDS = 40;

for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
  for (const freelistSync of [false, true]) {
    test(`content equals a model after each commit (seed ${seed}, freelist ${freelistSync})`, async () => {
      const random = new SeededRandom(seed);
      const disk = new FaultDisk();
      const model = new Model();
      const writer = new Writer(random);
      const views: { view: ReadView; model: Model }[] = [];
      // A cache of three pages makes every read come from the file or from the commit on its way.
      const options = { freelistSync, pageCacheBytes: random.pick([12_000, 1_000_000]) };
      const clock = random.chance(0.7) ? new RestlessClock() : new VirtualClock();
      let backend = await openOn(disk, options, clock);
      for (let round = 0; round < ROUNDS; round++) {
        for (let count = random.below(300); count > 0; count--) writer.step(backend, model);
        if (random.chance(0.2)) {
          writer.deleteStretch(backend, model, random.pick([KEY_BUCKET, LEASE_BUCKET]));
        }
        model.assertSample(backend, random.pick([KEY_BUCKET, LEASE_BUCKET]), random);
        if (random.chance(0.3)) views.push({ view: backend.openView(), model: new Model(model) });
        if (random.chance(0.3)) {
          const [first] = views.splice(random.below(views.length + 1), 1);
          if (first !== undefined) {
            first.model.assertEquals(first.view);
            first.view.close();
          }
        }
        // Reads, writes and views fall into the midst of commits.
        const committed = backend.commit();
        for (let turns = random.below(4); turns > 0; turns--) {
          if (random.chance(0.7)) await nextTurn();
          for (let count = random.below(10); count > 0; count--) writer.step(backend, model);
          model.assertSample(backend, random.pick([KEY_BUCKET, LEASE_BUCKET]), random);
          if (random.chance(0.2)) views.push({ view: backend.openView(), model: new Model(model) });
        }
        await committed;
        model.assertEquals(backend);
        if (random.chance(0.1)) {
          const defragmented = backend.defragment();
          for (let turn = 0; turn < 5; turn++) {
            for (let count = 15; count > 0; count--) writer.step(backend, model);
            if (turn % 2 === 1) writer.deleteStretch(backend, model, LEASE_BUCKET);
            await backend.commit();
          }
          await defragmented;
          model.assertEquals(backend);
        }
        await backend.commit();
        await assertSoundBackend(backend);
        if (random.chance(0.1)) {
          for (const { view, model: seen } of views.splice(0)) {
            seen.assertEquals(view);
            view.close();
          }
          await backend.close();
          await assertSound(disk);
          backend = await openOn(disk, options, clock);
          model.assertEquals(backend);
        }
      }
      for (const { view, model: seen } of views) {
        seen.assertEquals(view);
        view.close();
      }
      await backend.close();
      await assertSound(disk);
    });
  }
}

test("a defragmentation tells how far it is, until it has ended", async () => {
  const backend = await openOn(new FaultDisk(), {}, new RestlessClock());
  const value = new Uint8Array(20_000);
  for (let key = 0; key < 1000; key++) {
    backend.put(KEY_BUCKET, revisionKey(key), value);
    if (key % 100 === 0) await backend.commit();
  }
  assert.equal(backend.defragmentation, undefined);
  const seen: number[] = [];
  const ended = backend.defragment().then(() => "ended");
  while ((await Promise.race([ended, nextTurn()])) !== "ended") {
    const { copiedBytes, totalBytes } = backend.defragmentation ?? {
      copiedBytes: 0,
      totalBytes: 1,
    };
    assert.ok(copiedBytes <= totalBytes);
    seen.push(copiedBytes);
  }
  assert.ok(
    seen.some((bytes) => bytes > 4_000_000 && bytes < 20_000_000),
    String(seen),
  );
  assert.equal(backend.defragmentation, undefined);
  await backend.close();
});
