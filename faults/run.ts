/** One run from its seed: a cluster, clients and watches, faults one after the other, a verdict. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SeededRandom } from "../src/env/testing/index.ts";
import { Cluster } from "./cluster.ts";
import { FullDisk } from "./full-disk.ts";
import { disagreements, type HistoryJudgement, judgeHistory, settle } from "./judge.ts";
import { type InjectedFault, Nemesis } from "./nemesis.ts";
import { pausedLeader } from "./paused-leader.ts";
import { FAULT_KINDS, type FaultKind, FaultPlan, MAX_HOLD_MS } from "./plan.ts";
import { Recorder } from "./recorder.ts";
import { WatchRecorder } from "./watch-recorder.ts";
import { ALL_KEYS, Workload } from "./workload.ts";

const START_TIMEOUT_MS = 60_000;
/** A member that was away restores, catches up and elects within this, or never. */
const HEAL_TIMEOUT_MS = 60_000;
const CLIENTS = 8;

export interface RunOptions {
  readonly seed: number;
  readonly faultsMs: number;
  readonly size: number;
  /** Run by the members in turn. */
  readonly binaries: readonly string[];
  /** Longest time that one fault stays. Default 3500. */
  readonly maxHoldMs?: number | undefined;
  /** Default: all that the machine can do. */
  readonly kinds?: readonly FaultKind[] | undefined;
  /** Rounds of the paused leader before the faults. */
  readonly pausedLeaderRounds: number;
  /** Where data and histories of a failed run stay. Default: a folder for temporary files. */
  readonly folder?: string | undefined;
  readonly log: (line: string) => void;
}

export interface RunReport {
  readonly seed: number;
  readonly versions: readonly string[];
  readonly faults: readonly InjectedFault[];
  readonly skipped: readonly string[];
  readonly operations: number;
  readonly acknowledged: number;
  readonly refused: number;
  readonly unknown: number;
  readonly watches: number;
  readonly history: HistoryJudgement;
  readonly minorityProbes: number;
  readonly pausedReads: number;
  /** Everything that is wrong, in words. Empty for a pass. */
  readonly violations: readonly string[];
  /** Kept because of violations. */
  readonly folder: string | undefined;
}

export async function run(options: RunOptions): Promise<RunReport> {
  const parent = options.folder ?? tmpdir();
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, `etcd-faults-${options.seed}-`));
  const wanted = options.kinds ?? FAULT_KINDS;
  using disk = wanted.includes("disk-full") ? FullDisk.mount(join(folder, "m0")) : undefined;
  const hasDisk = disk !== undefined;
  const skipped = hasDisk || !wanted.includes("disk-full") ? [] : ["disk-full: no tmpfs"];
  const kinds = wanted.filter((kind) => kind !== "disk-full" || hasDisk);
  let report: RunReport;
  {
    await using cluster = await started(options, folder);
    report = await runOn(cluster, disk, { ...options, kinds }, skipped, folder);
  }
  if (report.violations.length > 0) {
    disk?.keep();
    return report;
  }
  disk?.[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
  return { ...report, folder: undefined };
}

async function started({ binaries, size }: RunOptions, folder: string): Promise<Cluster> {
  try {
    return await Cluster.start(binaries, size, folder, START_TIMEOUT_MS);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`the cluster does not start; its logs are in ${folder}: ${reason}`);
  }
}

async function runOn(
  cluster: Cluster,
  disk: FullDisk | undefined,
  options: RunOptions & { readonly kinds: readonly FaultKind[] },
  skipped: readonly string[],
  folder: string,
): Promise<RunReport> {
  const random = new SeededRandom(options.seed);
  const recorder = new Recorder();
  const nemesis = new Nemesis(cluster, random, recorder, disk, HEAL_TIMEOUT_MS);
  const watches = cluster.members.map(
    ({ name, version, options: { clientProxyPort } }, i) =>
      new WatchRecorder({
        ...{ ...ALL_KEYS, member: name, port: clientProxyPort, prevKV: i % 2 === 0 },
        mayAskProgress: !version.startsWith("3.4."),
      }),
  );
  const violations: string[] = [];
  const workload = new Workload(cluster, recorder, new SeededRandom(random.next32()));
  let pausedReads = 0;
  try {
    for (let round = 0; round < options.pausedLeaderRounds; round++) {
      pausedReads += await pausedLeader(cluster, recorder);
    }
    workload.start(CLIENTS);
    const plan = new FaultPlan(random, options.kinds, options.maxHoldMs ?? MAX_HOLD_MS);
    const endMs = performance.now() + options.faultsMs;
    while (performance.now() < endMs && options.kinds.length > 0) {
      const fault = plan.next();
      options.log(`${fault.kind} for ${fault.holdMs} ms`);
      await nemesis.inject(fault);
      for (const watch of watches) if (random.below(4) === 0) watch.reopen();
      for (const watch of watches) if (random.below(2) === 0) watch.requestProgress();
    }
    await workload.stop();
    await settle(cluster, recorder, watches, HEAL_TIMEOUT_MS);
    violations.push(...(await disagreements(cluster)));
  } catch (error) {
    violations.push(error instanceof Error ? error.message : String(error));
    await workload.stop();
  }
  for (const watch of watches) watch.stop();
  const records = watches.flatMap((watch) => watch.records);
  options.log(`judging ${recorder.operations.length} operations`);
  const history = judgeHistory(recorder, records);
  violations.push(...nemesis.minorityServed, ...history.violations);
  if (violations.length > 0) {
    const { operations, compactions } = recorder;
    const text = JSON.stringify({ seed: options.seed, operations, compactions, watches: records });
    writeFileSync(join(folder, "history.json"), text);
  }
  const count = (kind: string): number =>
    recorder.operations.filter(({ outcome }) => outcome.kind === kind).length;
  return {
    seed: options.seed,
    versions: cluster.members.map(({ version }) => version),
    faults: nemesis.injected,
    skipped,
    operations: recorder.operations.length,
    acknowledged: count("ok"),
    refused: count("failed"),
    unknown: count("unknown"),
    watches: records.length,
    history,
    minorityProbes: nemesis.minorityProbes,
    pausedReads,
    violations,
    folder,
  };
}
