/**
 * Crashes and failing disks while a received file takes the place of the live one. A crash at every
 * write point leaves the old db with the received file beside it, or the new one; a failing call
 * leaves the old one in force, or stops the backend where neither can be said.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CRASH_POLICIES,
  type CrashPolicy,
  FaultDisk,
  type FaultDiskOptions,
} from "../env/testing/fault-disk.ts";
import type { FaultRule } from "../env/testing/fault-plan.ts";
import { SeededRandom } from "../env/testing/seeded-random.ts";
import type { BoltBackend } from "./backend.ts";
import { BackendClosedError } from "./errors.ts";
import { installAtStart } from "./replacement.ts";
import { assertSound, DB_PATH, Model, openOn, revisionKey } from "./testing/harness.ts";
import { AUTH_BUCKET, KEY_BUCKET, META_BUCKET } from "./types.ts";

const RECEIVED = "/7.snap.db";
const INDEX_KEY = Buffer.from("consistent_index");
const OLD_INDEX = 5;
const NEW_INDEX = 7;
/** Crash points are tried with every policy; more seeds try more survivors of each. */
const CRASH_SEEDS = Number(process.env["BACKEND_CRASH_SEEDS"] ?? 1);

function write(backend: BoltBackend, model: Model, main: number): void {
  const value = Buffer.alloc(300, main % 251);
  backend.put(KEY_BUCKET, revisionKey(main), value);
  model.put(KEY_BUCKET, revisionKey(main), value);
  const index = Buffer.from(String(main));
  backend.put(META_BUCKET, INDEX_KEY, index);
  model.put(META_BUCKET, INDEX_KEY, index);
}

/** A disk with an old db at index 5, and the received one at index 7, which lacks a bucket. */
async function startingPoint(
  options: FaultDiskOptions = {},
): Promise<{ disk: FaultDisk; old: Model; fresh: Model }> {
  const leader = new FaultDisk();
  const fresh = new Model();
  const source = await openOn(leader, { ensureBuckets: [KEY_BUCKET] });
  for (let main = 1; main <= NEW_INDEX; main++) write(source, fresh, main);
  source.put(AUTH_BUCKET, Buffer.from("who"), Buffer.from("new"));
  fresh.put(AUTH_BUCKET, Buffer.from("who"), Buffer.from("new"));
  await source.commit();
  await source.close();
  const disk = new FaultDisk(options);
  const old = new Model();
  const backend = await openOn(disk);
  for (let main = 1; main <= OLD_INDEX; main++) write(backend, old, main);
  await backend.commit();
  await backend.close();
  disk.open(RECEIVED, { create: true }).close();
  disk.editFile(RECEIVED, () => leader.fileContent(DB_PATH));
  disk.syncAll();
  return { disk, old, fresh };
}

/** What start-up does: the db is older than the snapshot, so the received one takes its place. */
async function recover(disk: FaultDisk): Promise<BoltBackend> {
  const backend = await openOn(disk);
  const index = Number(backend.get(META_BUCKET, INDEX_KEY)?.toString() ?? 0);
  if (index < NEW_INDEX) await installAtStart(backend, RECEIVED);
  return backend;
}

interface Progress {
  installed: boolean;
  /** The content that a crash must not take away, and what may be there besides. */
  durable: Model;
  possible: Model[];
}

async function history(disk: FaultDisk, old: Model, fresh: Model, progress: Progress) {
  const backend = await openOn(disk);
  write(backend, new Model(old), OLD_INDEX + 1);
  const replacement = await backend.openReplacement(RECEIVED);
  const model = new Model(fresh);
  progress.possible.push(fresh);
  await replacement.install(() => undefined);
  progress.installed = true;
  progress.durable = fresh;
  for (let main = NEW_INDEX + 1; main < NEW_INDEX + 4; main++) {
    write(backend, model, main);
    const committed = new Model(model);
    progress.possible.push(committed);
    await backend.commit();
    progress.durable = committed;
  }
  await backend.close();
}

async function crashAt(writePoints: number, policy: CrashPolicy, seed: number): Promise<boolean> {
  const { disk, old, fresh } = await startingPoint();
  const progress: Progress = { installed: false, durable: old, possible: [] };
  disk.crashAfter(writePoints);
  try {
    await history(disk, old, fresh, progress);
  } catch (error) {
    if (!disk.crashed) throw error;
  }
  if (!disk.crashed) return false;
  const survivor = disk.crash(new SeededRandom(seed), policy);
  await assertSound(survivor);
  // The old db had one more write, which a commit may have saved before.
  const isOld = survivor.stat(RECEIVED) !== undefined;
  assert.ok(!isOld || !progress.installed, "an install that was reported is durable");
  const backend = await recover(survivor);
  const allowed = progress.installed ? progress.possible : [fresh, ...progress.possible];
  const reached = allowed.slice(progress.installed ? allowed.indexOf(progress.durable) : 0);
  assert.ok(
    reached.some((state) => state.equals(backend)),
    "neither the new db nor a later state of it",
  );
  assert.deepEqual(survivor.readDirectory("/"), ["db"]);
  await backend.close();
  await assertSound(survivor);
  return true;
}

for (const [name, policy] of Object.entries(CRASH_POLICIES)) {
  test(`a crash at any moment of an install leaves one db or the other (${name})`, async () => {
    let crashes = 0;
    for (let seed = 1; seed <= CRASH_SEEDS; seed++) {
      for (let point = 0; ; point++) {
        try {
          if (!(await crashAt(point, policy, seed))) break;
          crashes++;
        } catch (error) {
          throw new Error(`crash at write point ${point}, seed ${seed}`, { cause: error });
        }
      }
    }
    assert.ok(crashes > 10, `${crashes} crashes`);
  });
}

const FAILURES: readonly FaultRule[] = [
  { operation: "open", path: RECEIVED, code: "EMFILE" },
  { operation: "lock", path: RECEIVED, code: "EIO" },
  { operation: "read", path: RECEIVED, code: "EIO" },
  { operation: "read", path: RECEIVED, code: "EIO", skip: 3 },
  { operation: "write", path: RECEIVED, code: "ENOSPC" },
  { operation: "write", path: RECEIVED, code: "EIO", skip: 1 },
  { operation: "datasync", path: RECEIVED, code: "EIO" },
  { operation: "datasync", path: RECEIVED, code: "EIO", skip: 1 },
  { operation: "rename", path: DB_PATH, code: "EIO" },
];

for (const rule of FAILURES) {
  const what = `${rule.operation} ${rule.code}${rule.skip === undefined ? "" : ` ${rule.skip}`}`;
  test(`when an install fails (${what}) the old db is in force and it can be tried again`, async () => {
    const { disk, old, fresh } = await startingPoint();
    const backend = await openOn(disk);
    let switched = 0;
    const install = async (): Promise<void> => {
      const replacement = await backend.openReplacement(RECEIVED);
      await replacement.install(() => switched++);
    };
    disk.failWhen(rule);
    await assert.rejects(install(), { code: rule.code });
    assert.equal(switched, 0);
    write(backend, old, OLD_INDEX + 1);
    await backend.commit();
    old.assertEquals(backend);
    await backend.defragment();
    old.assertEquals(backend);
    assert.deepEqual(disk.readDirectory("/"), ["7.snap.db", "db"]);
    await install();
    assert.equal(switched, 1);
    fresh.assertEquals(backend);
    await backend.close();
    await assertSound(disk);
  });
}

test("where the new name cannot be made durable the backend stops", async () => {
  const { disk, fresh } = await startingPoint();
  const backend = await openOn(disk);
  const fatal: Error[] = [];
  backend.onFatal = (error) => fatal.push(error);
  const replacement = await backend.openReplacement(RECEIVED);
  let switched = 0;
  disk.failWhen({ operation: "syncDirectory", code: "EIO" });
  await assert.rejects(
    replacement.install(() => switched++),
    { code: "EIO" },
  );
  assert.equal(fatal.length, 1);
  assert.equal(switched, 0);
  assert.throws(() => backend.get(KEY_BUCKET, revisionKey(1)), BackendClosedError);
  await assert.rejects(backend.close(), BackendClosedError);
  const recovered = await recover(disk);
  fresh.assertEquals(recovered);
  await recovered.close();
});

test("a switch that throws stops the backend: half of the parts may have switched", async () => {
  const { disk, fresh } = await startingPoint();
  const backend = await openOn(disk);
  const fatal: Error[] = [];
  backend.onFatal = (error) => fatal.push(error);
  const replacement = await backend.openReplacement(RECEIVED);
  await assert.rejects(
    replacement.install(() => {
      throw new Error("a bug");
    }),
    /a bug/,
  );
  assert.equal(fatal.length, 1);
  await assert.rejects(backend.commit(), BackendClosedError);
  await assert.rejects(backend.close(), BackendClosedError);
  const recovered = await recover(disk);
  fresh.assertEquals(recovered);
  await recovered.close();
});
