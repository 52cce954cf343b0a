import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CRASH_POLICIES,
  CRASH_REORDERS_AND_TEARS,
  type CrashPolicy,
  type FaultDisk,
} from "../env/testing/fault-disk.ts";
import { MemoryLogger } from "../env/testing/memory-logger.ts";
import { SeededRandom } from "../env/testing/seeded-random.ts";
import { WalCorruptError } from "./errors.ts";
import { walExists } from "./open-log.ts";
import { validSnapshotEntries } from "./read-log.ts";
import type { Wal } from "./wal.ts";
import {
  create,
  DIRECTORY,
  emptyDisk,
  entries,
  open,
  snapshotRecord,
  state,
  texts,
  ZERO,
} from "./testing/wal-fixture.ts";

/** From which size on batches go around the cache of files, by seed: never, often, always. */
const DIRECT_BYTES = [Number.POSITIVE_INFINITY, 1000, 0];

/** What a member was promised, and what it asked for. */
interface Ledger {
  created: boolean;
  submitted: string[];
  /** Entries up to here were acknowledged. */
  ackedEntries: number;
  ackedTerm: number;
  ackedVote: bigint;
  ackedSnapshots: number[];
}

/** A life of a log: bursts of saves of all kinds, cuts on the way, a snapshot, votes. */
async function live(disk: FaultDisk, seed: number): Promise<Ledger> {
  const ledger: Ledger = {
    created: false,
    submitted: [],
    ackedEntries: 0,
    ackedTerm: 0,
    ackedVote: 0n,
    ackedSnapshots: [],
  };
  const random = new SeededRandom(seed);
  let wal: Wal;
  try {
    wal = create(disk, { segmentBytes: 3000, directBytes: DIRECT_BYTES[seed % 3] ?? 0 });
  } catch {
    return ledger;
  }
  ledger.created = true;
  let term = 1;
  try {
    for (let round = 0; round < 6; round++) {
      const burst: Promise<void>[] = [];
      for (let i = random.below(4); i >= 0; i--) {
        const list = entries(
          ledger.submitted.length + 1,
          1 + random.below(4),
          term,
          random.below(500),
        );
        ledger.submitted.push(...texts(list));
        const count = ledger.submitted.length;
        const hard = state(term, BigInt(term), ledger.ackedEntries);
        burst.push(
          wal.save(hard, list).then(() => {
            ledger.ackedEntries = count;
            ledger.ackedTerm = hard.term;
            ledger.ackedVote = hard.vote;
          }),
        );
        if (random.chance(0.3)) await Promise.resolve();
      }
      await Promise.all(burst);
      await wal.save(state(term, BigInt(term), ledger.ackedEntries), []);
      if (round % 2 === 1) {
        await wal.saveSnapshot(snapshotRecord(ledger.ackedEntries, term));
        ledger.ackedSnapshots.push(ledger.ackedEntries);
        term++;
      }
    }
    await wal.close();
  } catch {
    await wal.close().catch(() => {});
  }
  return ledger;
}

/** Opens what the crash left, compares it with the promises, goes on, and compares again. */
async function checkSurvivor(after: FaultDisk, ledger: Ledger): Promise<void> {
  if (!ledger.created) {
    if (walExists(after, DIRECTORY)) await open(after).close();
    else await create(after).close();
    return;
  }
  const valid = validSnapshotEntries({ disk: after, logger: new MemoryLogger() }, DIRECTORY);
  const wal = open(after, ZERO, { segmentBytes: 3000 });
  const { entries: got, hardState } = wal.readAll();
  const read = texts(got);
  assert.ok(read.length >= ledger.ackedEntries, `${read.length} of ${ledger.ackedEntries} entries`);
  assert.deepEqual(read, ledger.submitted.slice(0, read.length), "a wrong entry");
  assert.ok(hardState.term >= ledger.ackedTerm, "a lost term");
  if (hardState.term === ledger.ackedTerm) assert.equal(hardState.vote, ledger.ackedVote);
  assert.ok(hardState.commit <= read.length);
  for (const index of ledger.ackedSnapshots) {
    // A snapshot counts once the commit index behind it is on disk, which is not synced alone.
    if (hardState.commit >= index) assert.ok(valid.some((s) => s.index === index));
  }
  const more = entries(read.length + 1, 5, hardState.term + 1, 100);
  await wal.save(state(hardState.term + 1, 9n, hardState.commit), more);
  const again = after.crash(new SeededRandom(1), CRASH_POLICIES["drops all"] as CrashPolicy);
  const third = open(again, ZERO, { segmentBytes: 3000 });
  assert.deepEqual(texts(third.readAll().entries), [...read, ...texts(more)]);
  assert.equal(third.repaired, false);
  await third.close();
}

/** Crashes at every write point of three lives and hands each survivor to `check`. */
async function forEachSurvivor(
  policy: CrashPolicy,
  check: (after: FaultDisk, ledger: Ledger) => Promise<void>,
): Promise<void> {
  for (let seed = 1; seed <= 3; seed++) {
    const dry = emptyDisk();
    const whole = await live(dry, seed);
    assert.equal(whole.ackedEntries, whole.submitted.length);
    for (let point = 0; point <= dry.writePoints; point++) {
      const disk = emptyDisk();
      disk.crashAfter(point);
      const ledger = await live(disk, seed);
      for (let survivor = 0; survivor < 4; survivor++) {
        const after = disk.crash(new SeededRandom(point * 8 + survivor), policy);
        try {
          await check(after, ledger);
        } catch (error) {
          const where = `seed ${seed}, write point ${point}, survivor ${survivor}`;
          throw new Error(where, { cause: error });
        }
      }
    }
  }
}

for (const [name, policy] of Object.entries(CRASH_POLICIES)) {
  if (policy === CRASH_REORDERS_AND_TEARS) continue;
  test(`a crash at any write point that ${name} loses nothing acknowledged`, () =>
    forEachSurvivor(policy, checkSurvivor));
}

// No disk tears a sector; if one did, a hole that is not a whole sector looks like rot.
test("sectors torn in the middle of a batch are refused or read right, never wrong", async () => {
  let refused = 0;
  await forEachSurvivor(CRASH_REORDERS_AND_TEARS, async (after, ledger) => {
    try {
      await checkSurvivor(after, ledger);
    } catch (error) {
      if (!(error instanceof WalCorruptError)) throw error;
      refused++;
    }
  });
  assert.ok(refused > 0);
});
