/** `etcdctl check perf`: writes at a fixed rate for a minute and judges what comes back. */
import type { Invocation } from "../../framework/command.ts";
import { CliExit, ExitCode } from "../../framework/exit.ts";
import type { Io } from "../../framework/io.ts";
import { ProgressBar } from "../../framework/progress-bar.ts";
import {
  cleanUp,
  LoadReport,
  mustBeEmpty,
  type Pace,
  paceOf,
  randomKey,
  reportFailures,
  workloadOf,
} from "../load.ts";
import { openSession, Session } from "../session.ts";
import { interruption } from "../signals.ts";

interface PerfLoad {
  readonly writesPerSecond: number;
  readonly clients: number;
}

const LOADS: Readonly<Record<string, PerfLoad>> = {
  s: { writesPerSecond: 150, clients: 50 },
  m: { writesPerSecond: 1000, clients: 200 },
  l: { writesPerSecond: 8000, clients: 500 },
  xl: { writesPerSecond: 15_000, clients: 1000 },
};

const DURATION_SECONDS = 60;
const KEY_BYTES = 256;
const VALUE_BYTES = 1024;
const TICK_MS = 10;

/** What passes: share of the wanted rate, and seconds. */
const MIN_RATE_SHARE = 0.9;
const MAX_SLOWEST_SECONDS = 0.5;
const MAX_STDDEV_SECONDS = 0.1;

export async function checkPerf(call: Invocation): Promise<void> {
  const load = workloadOf(call, LOADS);
  const prefix = call.flags.string("prefix");
  const first = await openSession(call);
  const advice = `'etcdctl del --prefix ${prefix}'`;
  await mustBeEmpty(first, prefix, advice);
  const sessions = [first];
  while (sessions.length < load.clients) sessions.push(new Session(call, first.target));
  const writers = sessions.map(
    ({ client }): Writer =>
      (key, value) =>
        client.kv.put(key, value),
  );
  const world = { io: call.io, pace: paceOf(call.io.clock), signal: interruption() };
  const report = await putAtRate(world, { writers, prefix, rate: load.writesPerSecond });
  for (const { client } of sessions.slice(1)) client.close();
  await cleanUp(first, prefix);
  if (!judge(call.io, report, load.writesPerSecond)) throw new CliExit(ExitCode.ERROR);
}

type Writer = (key: Buffer, value: Buffer) => Promise<unknown>;

/** Where a run shows itself, its time, and what ends it early. */
interface PerfWorld {
  readonly io: Io;
  readonly pace: Pace;
  readonly signal: AbortSignal;
}

interface PerfPlan {
  /** One for each client. */
  readonly writers: readonly Writer[];
  readonly prefix: string;
  /** Writes per second. */
  readonly rate: number;
}

/** Writes for a minute, with a bar that shows how much of it is over. */
export async function putAtRate(world: PerfWorld, plan: PerfPlan): Promise<LoadReport> {
  const { io, pace, signal } = world;
  const { writers, prefix, rate } = plan;
  const value = Buffer.alloc(VALUE_BYTES);
  const report = new LoadReport(pace);
  const bar = new ProgressBar(io, () => pace.now());
  const open = new Set<Promise<void>>();
  const begun = pace.now();
  let sent = 0;
  for (;;) {
    const seconds = (pace.now() - begun) / 1000;
    if (seconds >= DURATION_SECONDS || signal.aborted) break;
    const due = Math.floor(seconds * rate);
    // One write of each client at a time, as many clients as there are.
    while (sent < due && open.size < writers.length) {
      const put = writers[sent % writers.length] as Writer;
      const key = randomKey(prefix, KEY_BYTES);
      const write = report.measure(() => put(key, value)).finally(() => open.delete(write));
      open.add(write);
      sent++;
    }
    bar.report("writing", seconds, DURATION_SECONDS);
    await pace.sleep(TICK_MS);
  }
  await Promise.all(open);
  return report;
}

/** Prints the verdict; true if the cluster passes. `wanted` is in writes per second. */
export function judge(io: Io, report: LoadReport, wanted: number): boolean {
  let passes = !reportFailures(io, report);
  const rate = Math.trunc(report.rate) + 1;
  if (report.rate / wanted <= MIN_RATE_SHARE) {
    io.out(`FAIL: Throughput too low: ${rate} writes/s\n`);
    passes = false;
  } else {
    io.out(`PASS: Throughput is ${rate} writes/s\n`);
  }
  const slowest = report.slowestSeconds;
  if (slowest > MAX_SLOWEST_SECONDS) {
    io.out(`Slowest request took too long: ${slowest.toFixed(6)}s\n`);
    passes = false;
  } else {
    io.out(`PASS: Slowest request took ${slowest.toFixed(6)}s\n`);
  }
  const stddev = report.stddevSeconds;
  if (stddev > MAX_STDDEV_SECONDS) {
    io.out(`Stddev too high: ${stddev.toFixed(6)}s\n`);
    passes = false;
  } else {
    io.out(`PASS: Stddev is ${stddev.toFixed(6)}s\n`);
  }
  io.out(passes ? "PASS\n" : "FAIL\n");
  return passes;
}
