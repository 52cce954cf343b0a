/** What one seed means: size, speeds, limits and faults of a run. Everything is drawn here or forked. */
import type { ServerLimits } from "../src/server/limits.ts";
import { SeededRandom } from "../src/env/testing/index.ts";
import { LATE_VALUE_BYTES, type ValueSizes } from "./clients/requests.ts";
import { FAULT_KINDS, type FaultKind } from "../src/testing/faults/kinds.ts";

export interface Plan {
  readonly seed: number;
  readonly members: number;
  readonly kvClients: number;
  readonly watchClients: number;
  readonly leaseClients: number;
  readonly faults: readonly FaultKind[];
  /** The quorum is lost at the end, and one member begins a new cluster. */
  readonly endsInDisaster: boolean;
  /** Authentication is on most of the time, and some clients have few rights. */
  readonly withAuth: boolean;
  /** How long clients and faults go on, in virtual milliseconds. */
  readonly durationMs: number;
  /** Between the beginnings of two faults. */
  readonly faultPauseMs: { readonly min: number; readonly max: number };
  readonly thinkMs: { readonly min: number; readonly max: number };
  readonly clientTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly electionTicks: number;
  readonly latencyMs: number;
  readonly syncMs: number;
  readonly stallShare: number;
  readonly snapshotCount: number;
  readonly catchUpEntries: number;
  readonly limits: Partial<ServerLimits>;
  readonly backendBatchIntervalMs: number;
  readonly backendBatchLimit: number;
  readonly compactionBatchLimit: number;
  readonly progressIntervalMs: number;
  readonly leaseCheckpoint: boolean;
  /** Without it, members are also changed while others are away. */
  readonly strictReconfigCheck: boolean;
  readonly valueSizes: ValueSizes;
  readonly looksPerStep: number;
  /** Largest deviation of a clock's rate from the world's, as a share. */
  readonly clockDrift: number;
}

/** Share of the seeds that end in a disaster when no kinds of faults are chosen. */
const DISASTER_SHARE = 0.15;

const AUTH_SHARE = 0.15;

const HUGE_VALUES_SHARE = 0.1;

/** Of some ten entries. */
const FEW_LOG_BYTES = 2000;

/** Filled by a few requests, so that memory is used again and again. */
const SLABS: readonly number[] = [4096, 2 * (LATE_VALUE_BYTES + 200)];

const CHUNKS: readonly number[] = [4, 30, 2048];

/** Shorter than most leases. */
const LEASE_CHECKPOINT_MS = 400;

/** Units of a slice, so small that requests of a few keys take many. */
const SLICES: readonly number[] = [2, 5, 40, 3000];

/** Every run of a seed begins with this generator; forks of it drive the parts. */
export function rootRandom(seed: number): SeededRandom {
  return new SeededRandom(seed);
}

export function makePlan(seed: number, random: SeededRandom, chosen?: readonly FaultKind[]): Plan {
  const allowed = chosen ?? FAULT_KINDS;
  const members = random.pick([1, 3, 3, 3, 3, 5]);
  const heartbeatIntervalMs = random.pick([50, 100, 100]);
  const electionTicks = 10;
  const busy = random.chance(0.5);
  const endsInDisaster = chosen?.includes("disaster") ?? isDisaster(seed);
  return {
    seed,
    members,
    kvClients: random.between(2, 6),
    watchClients: random.between(1, 3),
    leaseClients: random.between(0, 2),
    faults: chooseFaults(random, members, allowed),
    endsInDisaster,
    // Who loses the end of the log loses what users were told: one trouble at a time.
    withAuth: (chosen?.includes("auth") ?? isAuth(seed)) && !endsInDisaster,
    durationMs: random.between(8_000, 20_000),
    faultPauseMs: random.pick([
      { min: 100, max: 1500 },
      { min: 500, max: 4000 },
    ]),
    thinkMs: busy ? { min: 1, max: 60 } : { min: 20, max: 300 },
    clientTimeoutMs: random.pick([500, 1000, 3000]),
    heartbeatIntervalMs,
    electionTicks,
    latencyMs: random.pick([0.2, 1, 5]),
    syncMs: random.pick([0.3, 1, 4]),
    stallShare: random.pick([0, 0, 0.005]),
    snapshotCount: random.pick([10, 40, 150]),
    catchUpEntries: random.pick([2, 10, 50]),
    limits: {
      walSegmentBytes: random.pick([4096, 16_384, 65_536]),
      logCompactionStepEntries: random.pick([1, 5, 30]),
      keepLogAfterSendingMs: random.pick([0, 500, 3000]),
      maxSnapshotRestMs: random.pick([0, 100, 1000]),
      purgeIntervalMs: random.pick([500, 3000]),
      recordsPerStep: random.pick([3, 50, 1000]),
      // Not drawn from the plan's generator, whose order gives all known seeds their meaning.
      unitsPerStretch: SLICES[seed % SLICES.length] ?? 1,
      unitsPerTurn: SLICES[(seed + 1) % SLICES.length] ?? 1,
      firstPieceKeys: SLICES[(seed + 2) % SLICES.length] ?? 1,
      slabBytes: SLABS[seed % SLABS.length] ?? 1,
      chunkEntries: CHUNKS[seed % CHUNKS.length] ?? 1,
      leaseCheckpointIntervalMs: LEASE_CHECKPOINT_MS,
      maxKeptLogBytes: seed % 4 === 0 ? FEW_LOG_BYTES : 1024 * 1024,
    },
    backendBatchIntervalMs: random.pick([10, 100, 100, 1000]),
    backendBatchLimit: random.pick([2, 20, 10_000]),
    compactionBatchLimit: random.pick([2, 10, 1000]),
    progressIntervalMs: random.pick([300, 2000]),
    leaseCheckpoint: random.chance(0.5),
    strictReconfigCheck: random.chance(0.4),
    valueSizes: valueSizes(seed, random.chance(0.3)),
    looksPerStep: random.pick([0, 3, 20]),
    clockDrift: random.pick([0, 0.0001, 0.05]),
  };
}

/** Drawn apart: what else happens in a seed does not depend on its end. */
function isDisaster(seed: number): boolean {
  return new SeededRandom(seed ^ 0x64697361).chance(DISASTER_SHARE);
}

/** Huge values cost much: few seeds have them. */
function valueSizes(seed: number, isLong: boolean): ValueSizes {
  if (new SeededRandom(seed ^ 0x68756765).chance(HUGE_VALUES_SHARE)) return "huge";
  return isLong ? "long" : "short";
}

function isAuth(seed: number): boolean {
  return new SeededRandom(seed ^ 0x61757468).chance(AUTH_SHARE);
}

/** A few kinds at a time find more than all at once. */
function chooseFaults(
  random: SeededRandom,
  members: number,
  allowed: readonly FaultKind[],
): FaultKind[] {
  const possible = allowed.filter(
    (kind) => kind !== "disaster" && kind !== "auth" && (members > 1 || !isAboutOthers(kind)),
  );
  const share = random.pick([0, 0.2, 0.4, 0.8]);
  const chosen = possible.filter(() => random.chance(share));
  return chosen.length > 0 || possible.length === 0 || share === 0
    ? chosen
    : [random.pick(possible)];
}

function isAboutOthers(kind: FaultKind): boolean {
  return (
    kind === "partition" ||
    kind === "isolate" ||
    kind === "oneWay" ||
    kind === "badNetwork" ||
    kind === "membership"
  );
}
