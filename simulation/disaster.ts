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
import { POWER_POLICIES } from "../src/testing/faults/nemesis.ts";
import type { Member } from "../src/testing/world/member.ts";
import type { World } from "../src/testing/world/world.ts";

/** Until the survivor serves, with crashes on the way. */
const START_LIMIT_MS = 60_000;
/** Writes to the disk before a crash in a forced start; some starts have fewer. */
const CRASH_POINTS = [1, 6, 20, 60];

const WAL = "/data/member/wal";

export type DisasterOutcome =
  /** The new cluster serves, with everything that was ever committed. */
  | "complete"
  /** What only others had is lost. */
  | "partial"
  /** There is no new cluster: nobody could, or should, begin one. */
  | "none";

export interface DisasterOptions {
  readonly invariants: RaftInvariants;
  readonly random: SeededRandom;
  /** Members that would not begin, as they had been removed; filled from outside. */
  readonly refused: ReadonlySet<Member>;
}

interface OnDisk {
  /** The longest part of the committed log that the disk has. */
  readonly present: Index;
  readonly term: Term;
}

/** Everybody dies; one member begins again, in its own time and with crashes on the way. */
export async function strikeDisaster(
  world: World,
  options: DisasterOptions,
): Promise<DisasterOutcome> {
  const { invariants, random, refused } = options;
  world.count("fault disaster");
  world.trace.word("disaster");
  const crashes = random.chance(0.6) ? random.between(1, 4) : 0;
  // What is in the page cache alone would not outlive the crashes that follow.
  const policy = crashes === 0 && random.chance(0.5) ? "kill" : random.pick(POWER_POLICIES);
  const everybody = world.active;
  for (const member of everybody) {
    if (member.life !== undefined) member.die(policy);
  }
  const candidates = everybody.filter(
    ({ hasServed, machine }) => hasServed && walExists(machine.disk, WAL),
  );
  while (candidates.length > 0) {
    const [survivor] = candidates.splice(random.below(candidates.length), 1);
    if (survivor === undefined) break;
    for (const member of everybody) member.isRetired = member !== survivor;
    const { present, term } = readDisk(survivor, invariants);
    const isComplete = present >= invariants.maxCommitted;
    const takeBack = invariants.beginAnew(present, term);
    survivor.options = { ...survivor.options, forceNewCluster: true };
    await startThrough(world, survivor, crashes, options);
    if (!refused.has(survivor)) {
      if (!(await startAgain(world, survivor, random))) return "none";
      return isComplete ? "complete" : "partial";
    }
    takeBack();
  }
  return "none";
}

/** With the flag, or as usual; sometimes a member dies before. False if it does not come up. */
async function startAgain(world: World, survivor: Member, random: SeededRandom): Promise<boolean> {
  const { scheduler } = world;
  survivor.options = { ...survivor.options, forceNewCluster: random.chance(0.3) };
  if (random.chance(0.5)) {
    survivor.die(random.chance(0.5) ? "kill" : random.pick(POWER_POLICIES));
    world.start(survivor);
  }
  const isUp = await scheduler.runUntil(scheduler.nowMs + START_LIMIT_MS, () => survivor.isServing);
  survivor.options = { ...survivor.options, forceNewCluster: false };
  if (isUp) checkAlone(world, survivor);
  else world.violated(`${survivor.name} did not come up alone within ${START_LIMIT_MS} ms`);
  return isUp;
}

function readDisk({ machine: { disk } }: Member, invariants: RaftInvariants): OnDisk {
  const deps = { disk, logger: new MemoryLogger() };
  const exists = (name: string) => disk.stat(`/data/member/snap/${name}`) !== undefined;
  const recorded = recordedSnapshotEntries(deps, WAL).filter(
    ({ term, index }) => index === 0 || exists(snapName(term, index)),
  );
  recorded.sort((a, b) => a.index - b.index);
  const { index = 0, term = 0 } = recorded.at(-1) ?? {};
  const { entries, hardState } = readLog(deps, WAL, { index, term });
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
  { random, refused }: DisasterOptions,
): Promise<void> {
  const { scheduler } = world;
  for (let left = crashes; left > 0; left--) {
    if (member.life === undefined) world.start(member);
    member.machine.disk.crashAfter(random.below(random.pick(CRASH_POINTS)));
    await scheduler.runUntil(scheduler.nowMs + random.between(20, 1500));
    if (refused.has(member)) return;
    member.machine.disk.crashAfter(Number.POSITIVE_INFINITY);
  }
  if (member.life === undefined) world.start(member);
  await scheduler.runUntil(
    scheduler.nowMs + START_LIMIT_MS,
    () => member.isServing || refused.has(member),
  );
}

function checkAlone(world: World, { name, server }: Member): void {
  const names = server?.cluster.members.map((member) => member.name) ?? [];
  if (names.length === 1 && names[0] === name) return;
  world.violated(`${name} began a new cluster, which lists ${names.join(", ")}`);
}
