/** `etcdctl check perf`: writes at a fixed rate for a minute and judges what comes back. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Invocation } from "../../framework/command.ts";
import { CliExit, ExitCode } from "../../framework/exit.ts";
import {
  cleanUp,
  LoadReport,
  mustBeEmpty,
  randomKey,
  reportFailures,
  workloadOf,
} from "../load.ts";
import { ProgressBar } from "../progress-bar.ts";
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
  const report = await putAtRate(call, sessions, prefix, load.writesPerSecond);
  for (const { client } of sessions.slice(1)) client.close();
  await cleanUp(first, prefix);
  judge(call, report, load);
}

async function putAtRate(
  call: Invocation,
  sessions: readonly Session[],
  prefix: string,
  writesPerSecond: number,
): Promise<LoadReport> {
  const value = Buffer.alloc(VALUE_BYTES);
  const report = new LoadReport();
  const bar = new ProgressBar(call.io, DURATION_SECONDS);
  const signal = interruption();
  const open = new Set<Promise<void>>();
  const begun = performance.now();
  let sent = 0;
  let shownSeconds = 0;
  for (;;) {
    const seconds = (performance.now() - begun) / 1000;
    if (seconds >= DURATION_SECONDS || signal.aborted) break;
    const due = Math.floor(seconds * writesPerSecond);
    // One write of each client at a time, as many clients as there are.
    while (sent < due && open.size < sessions.length) {
      const { client } = sessions[sent % sessions.length] as Session;
      const key = randomKey(prefix, KEY_BYTES);
      const write = report
        .measure(() => client.kv.put(key, value))
        .finally(() => open.delete(write));
      open.add(write);
      sent++;
    }
    const whole = Math.floor(seconds);
    if (whole > shownSeconds) bar.add(whole - shownSeconds);
    shownSeconds = whole;
    await sleep(TICK_MS);
  }
  await Promise.all(open);
  bar.finish();
  return report;
}

function judge(call: Invocation, report: LoadReport, load: PerfLoad): void {
  const { io } = call;
  let passes = !reportFailures(call, report);
  const rate = Math.trunc(report.rate) + 1;
  if (report.rate / load.writesPerSecond <= MIN_RATE_SHARE) {
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
  if (!passes) throw new CliExit(ExitCode.ERROR);
}
