/** `etcdctl check datascale`: how much memory a member needs for so many keys. */
import type { Invocation } from "../../framework/command.ts";
import { CliExit, ExitCode } from "../../framework/exit.ts";
import { ProgressBar } from "../../framework/progress-bar.ts";
import {
  cleanUp,
  LoadReport,
  mustBeEmpty,
  paceOf,
  randomKey,
  reportFailures,
  workloadOf,
} from "../load.ts";
import { fetchMetric } from "../metric.ts";
import { openSession, Session } from "../session.ts";

interface DataLoad {
  readonly keys: number;
  readonly clients: number;
}

const LOADS: Readonly<Record<string, DataLoad>> = {
  s: { keys: 10_000, clients: 50 },
  m: { keys: 100_000, clients: 200 },
  l: { keys: 1_000_000, clients: 500 },
  xl: { keys: 3_000_000, clients: 1000 },
};

const KEY_BYTES = 512;
const VALUE_BYTES = 512;
const MEMORY_METRIC = "process_resident_memory_bytes";
const MEBIBYTE = 1024 * 1024;

export async function checkDatascale(call: Invocation): Promise<void> {
  const { io, flags } = call;
  const load = workloadOf(call, LOADS);
  const prefix = flags.string("prefix");
  const first = await openSession(call);
  await mustBeEmpty(first, prefix, `etcdctl del --prefix ${prefix}`);
  const before = await residentBytes(first, "before");
  io.out(
    `Start data scale check for work load [${load.keys} key-value pairs, ${KEY_BYTES + VALUE_BYTES} bytes per key-value, ${load.clients} concurrent clients].\n`,
  );
  const sessions = [first];
  while (sessions.length < load.clients) sessions.push(new Session(call, first.target));
  const pace = paceOf(io.clock);
  const report = new LoadReport(pace);
  const bar = new ProgressBar(io, pace.now);
  const value = Buffer.alloc(VALUE_BYTES);
  let left = load.keys;
  let written = 0;
  await Promise.all(
    sessions.map(async ({ client }) => {
      while (left-- > 0) {
        await report.measure(() => client.kv.put(randomKey(prefix, KEY_BYTES), value));
        bar.report("writing", ++written, load.keys);
      }
    }),
  );
  for (const { client } of sessions.slice(1)) client.close();
  const after = await residentBytes(first, "after");
  await cleanUp(first, prefix);
  if (reportFailures(io, report)) throw new CliExit(ExitCode.ERROR);
  const used = ((after - before) / MEBIBYTE).toFixed(2);
  io.out(`PASS: Approximate system memory used : ${used} MB.\n`);
}

async function residentBytes({ call, target }: Session, when: string): Promise<number> {
  const found = await fetchMetric(target.endpoints[0] ?? "", MEMORY_METRIC, target.tls);
  if (typeof found === "number" && found > 0) return found;
  const { io } = call;
  if (typeof found === "string") io.out(`${found}\n`);
  io.out(`FAIL: Could not read ${MEMORY_METRIC} ${when} the put operations.\n`);
  throw new CliExit(ExitCode.ERROR);
}
