/**
 * A process that saves into a log on real files is killed at random moments, again and again; every
 * save that it had reported is there afterwards. (What a loss of power does is tested on the fault
 * disk; this is the real disk, real locks, and a real death in the middle of a call.)
 */
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { MemoryLogger } from "../src/env/testing/memory-logger.ts";
import { SeededRandom } from "../src/env/testing/seeded-random.ts";
import { NodeDisk } from "../src/platform/node-disk.ts";
import { Wal } from "../src/wal/index.ts";
import { temporaryDirectory } from "./wal-real-etcd.ts";

const ZERO = { index: 0, term: 0 };
const OPTIONS = { segmentBytes: 200_000 };
const deps = { disk: new NodeDisk(), logger: new MemoryLogger() };
const ROUNDS = Number(process.env.WAL_KILL_ROUNDS ?? 15);

/** The child's life: goes on where the log ends, and reports the last durable index. */
async function saveForEver(directory: string): Promise<void> {
  const wal = Wal.open(deps, directory, ZERO, OPTIONS);
  const { hardState, entries } = wal.readAll();
  let index = entries.length;
  const term = Math.max(1, hardState.term) + 1;
  for (;;) {
    const burst: Promise<void>[] = [];
    for (let i = 0; i < 20; i++) {
      const data = Buffer.from(`${++index}:`.padEnd(50 + ((index * 37) % 900), "x"));
      const entry = { type: 0, term, index, data };
      burst.push(wal.save({ term, vote: 7n, commit: index - 1 }, [entry]));
    }
    await Promise.all(burst);
    process.send?.(index);
  }
}

const childDirectory = process.env.WAL_KILL_DIRECTORY;
if (childDirectory !== undefined) {
  await saveForEver(childDirectory);
} else {
  const root = temporaryDirectory();
  after(() => fs.rmSync(root, { recursive: true, force: true }));

  test(`nothing that was reported is lost in ${ROUNDS} kills`, async () => {
    const seed = Number(process.env.WAL_KILL_SEED ?? 1);
    console.log(`seed ${seed}`);
    const random = new SeededRandom(seed);
    const directory = path.join(root, "wal");
    await Wal.create(deps, directory, Buffer.from("meta"), OPTIONS).close();
    let known = 0;
    for (let round = 0; round < ROUNDS; round++) {
      known = Math.max(known, await runAndKill(directory, random.below(40)));
      const wal = Wal.open(deps, directory, ZERO, OPTIONS);
      const { entries } = wal.readAll();
      await wal.close();
      assert.ok(entries.length >= known, `round ${round}: ${entries.length} of ${known}`);
      for (const [i, entry] of entries.entries()) {
        assert.ok(
          Buffer.from(entry.data)
            .toString()
            .startsWith(`${i + 1}:`),
        );
      }
    }
    assert.ok(known > 0);
  });
}

/** Kills the child after so many reports; returns the last index that it reported. */
async function runAndKill(directory: string, reports: number): Promise<number> {
  const child = fork(fileURLToPath(import.meta.url), {
    env: { ...process.env, WAL_KILL_DIRECTORY: directory },
  });
  let last = 0;
  let count = 0;
  child.on("message", (index) => {
    last = index as number;
    if (++count > reports) child.kill("SIGKILL");
  });
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  assert.equal(signal, "SIGKILL", `the child ended by itself with code ${code}`);
  return last;
}
