/**
 * The quorum is lost for good, and an operator begins a new cluster from what one member has on its
 * disk (`--force-new-cluster`). Nothing that was committed and lies there may be lost, and that member
 * is alone in the list afterwards.
 */
import { MemoryLogger, type SeededRandom } from "../src/env/testing/index.ts";
import { snapName } from "../src/snap/snap-file.ts";
import { readLog, recordedSnapshotEntries, walExists } from "../src/wal/index.ts";
import type { Index, Term } from "../src/base/ids.ts";
import type { RaftInvariants } from "./checks/raft-invariants.ts";
import { POWER_POLICIES } from "./faults/nemesis.ts";
import type { Member } from "./world/member.ts";
import type { World } from "./world/world.ts";

/** Until the survivor serves, with crashes on the way. */
const START_LIMIT_MS = 60_000;
/** Writes to the disk before a crash in a forced start; some starts have fewer. */
const CRASH_POINTS = [1, 6, 20, 60];

export type DisasterOutcome =
  /** The new cluster serves, with everything that was ever committed. */
  | "complete"
  /** What only others had is lost. */
  | "partial"
  /** There is no new cluster: nobody could, or should, begin one. */
  | "none";

interface OnDisk {
  /** The longest part of the committed log that the disk has. */
  readonly present: Index;
  readonly term: Term;
}

/** Everybody dies; one member begins again, in its own time and with crashes on the way. */
export async function strikeDisaster(
  world: World,
  invariants: RaftInvariants,
  random: SeededRandom,
): Promise<DisasterOutcome> {
  const { scheduler } = world;
  world.count("fault disaster");
  world.trace.word("disaster");
  const crashes = random.chance(0.6) ? random.between(1, 4) : 0;
  // What is in the page cache alone would not outlive the crashes that follow.
  const policy = crashes === 0 && random.chance(0.5) ? "kill" : random.pick(POWER_POLICIES);
  const candidates = world.active.filter(({ hasServed }) => hasServed);
  for (const member of world.active) {
    if (member.life !== undefined) member.die(policy);
  }
  const survivor = candidates.length === 0 ? undefined : random.pick(candidates);
  for (const member of world.active) member.isRetired = member !== survivor;
  if (survivor === undefined || !walExists(survivor.machine.disk, "/data/member/wal")) return "none";
  const isComplete = keepCommitted(survivor, invariants);
  survivor.options = { ...survivor.options, forceNewCluster: true };
  await startThrough(world, survivor, crashes, random);
  if (survivor.isRetired) return "none";
  survivor.options = { ...survivor.options, forceNewCluster: random.chance(0.3) };
  if (random.chance(0.5)) {
    survivor.die(random.chance(0.5) ? "kill" : random.pick(POWER_POLICIES));
    world.start(survivor);
  }
  const isUp = await scheduler.runUntil(scheduler.nowMs + START_LIMIT_MS, () => survivor.isServing);
  survivor.options = { ...survivor.options, forceNewCluster: false };
  if (!isUp) {
    world.violated(`${survivor.name} did not come up alone within ${START_LIMIT_MS} ms`);
    return "none";
  }
  checkAlone(world, survivor);
  return isComplete ? "complete" : "partial";
}

/** From now on the committed log is what the survivor has of it. True if it has all. */
function keepCommitted(survivor: Member, invariants: RaftInvariants): boolean {
  const before = invariants.maxCommitted;
  const { present, term } = readDisk(survivor, invariants);
  invariants.beginAnew(present, term);
  return present >= before;
}

function readDisk({ machine: { disk } }: Member, invariants: RaftInvariants): OnDisk {
  const deps = { disk, logger: new MemoryLogger() };
  const wal = "/data/member/wal";
  const exists = (name: string) => disk.stat(`/data/member/snap/${name}`) !== undefined;
  const recorded = recordedSnapshotEntries(deps, wal).filter(
    ({ term, index }) => index === 0 || exists(snapName(term, index)),
  );
  recorded.sort((a, b) => a.index - b.index);
  const { index = 0, term = 0 } = recorded.at(-1) ?? {};
  const { entries, hardState } = readLog(deps, wal, { index, term });
  let present = index;
  for (const entry of entries) {
    const committedTerm = invariants.committedTerm(entry.index);
    if (committedTerm !== undefined && committedTerm !== entry.term) break;
    if (entry.index <= invariants.maxCommitted) present = entry.index;
  }
  return { present, term: Math.max(hardState.term, term, entries.at(-1)?.term ?? 0) };
}

/** Starts the member as often as it takes; it may have been removed, and says so. */
async function startThrough(
  world: World,
  member: Member,
  crashes: number,
  random: SeededRandom,
): Promise<void> {
  const { scheduler } = world;
  for (let left = crashes; left > 0; left--) {
    if (member.life === undefined) world.start(member);
    member.machine.disk.crashAfter(random.below(random.pick(CRASH_POINTS)));
    await scheduler.runUntil(scheduler.nowMs + random.between(20, 1500));
    if (member.isRetired) return;
    member.machine.disk.crashAfter(Number.POSITIVE_INFINITY);
  }
  if (member.life === undefined) world.start(member);
  await scheduler.runUntil(
    scheduler.nowMs + START_LIMIT_MS,
    () => member.isServing || member.isRetired,
  );
}

function checkAlone(world: World, { name, server }: Member): void {
  const names = server?.cluster.members.map((member) => member.name) ?? [];
  if (names.length === 1 && names[0] === name) return;
  world.violated(`${name} began a new cluster, which lists ${names.join(", ")}`);
}
