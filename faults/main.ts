/** `npm run faults`: real members under faults; prints a report, exits with 1 on a violation. */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findRepository } from "../tools/tidy.ts";
import { FAULTS_USAGE, type FaultsArguments, parseFaultsArguments } from "./arguments.ts";
import { formatReport } from "./report.ts";
import { run } from "./run.ts";

const MS_PER_MINUTE = 60_000;

async function main(): Promise<void> {
  const root = findRepository(dirname(fileURLToPath(import.meta.url)));
  let args: FaultsArguments | undefined;
  try {
    args = parseFaultsArguments(process.argv.slice(2), join(root, "bin", "etcd"));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${FAULTS_USAGE}`);
    process.exitCode = 2;
    return;
  }
  if (args === undefined) {
    process.stdout.write(FAULTS_USAGE);
    return;
  }
  const { seed, minutes, binaries } = args;
  console.log(`seed ${seed}`);
  const startMs = performance.now();
  const report = await run({
    ...args,
    faultsMs: minutes * MS_PER_MINUTE,
    log: (line) => console.log(`${((performance.now() - startMs) / 1000).toFixed(1)} s  ${line}`),
  });
  console.log(`\n${formatReport(report)}`);
  if (report.violations.length === 0) return;
  console.log(
    `again: npm run faults -- --seed ${seed} --minutes ${minutes} --size ${args.size} --etcd ${binaries.join(",")}`,
  );
  process.exitCode = 1;
}

// The members and the small disk go when the process exits, and a signal is no exit by itself.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
