/**
 * `npm run simulate`: runs seeds, prints what happened, and how to repeat what went wrong.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { FAULT_KINDS, type FaultKind } from "../src/testing/faults/kinds.ts";
import { PLANTED_BUGS } from "./planted/bugs.ts";
import { describeSeed, Totals } from "./report.ts";
import { type RunOptions, type RunReport, runSeed } from "./run.ts";

interface Command {
  readonly first: number;
  readonly seeds: number;
  readonly isSingle: boolean;
  readonly twice: boolean;
  readonly trace: string | undefined;
  readonly planted: string | undefined;
  readonly faults: readonly FaultKind[] | undefined;
  /** What of the command line is part of a repetition. */
  readonly repeat: string;
}

const USAGE = `npm run simulate -- [options]

  --seeds N         how many seeds (100)
  --first S         from this one (1)
  --seed S          this one alone, with what it did
  --faults A,B      only these kinds; "none" for none (all: ${FAULT_KINDS.join(", ")})
  --planted NAME    with a bug of etcd's history in the server, until it is found; "all" for each
  --twice           runs each seed twice and compares the traces
  --trace FILE      writes every event and log line of a single seed

The exit code is 0 when nothing was violated (with --planted: when every bug was found).
`;

/** Undefined when the usage was asked for. @throws Error with one line about a mistake. */
function parseCommand(): Command | undefined {
  const { values } = parseArgs({
    options: {
      help: { type: "boolean", short: "h", default: false },
      seeds: { type: "string", default: "100" },
      first: { type: "string", default: "1" },
      seed: { type: "string" },
      faults: { type: "string" },
      planted: { type: "string" },
      twice: { type: "boolean", default: false },
      trace: { type: "string" },
    },
  });
  if (values.help) return undefined;
  const { seed, faults, planted } = values;
  const repeated = [
    faults === undefined ? "" : ` --faults ${faults}`,
    planted === undefined || planted === "all" ? "" : ` --planted ${planted}`,
  ];
  return {
    first: wholeNumber("seed", seed ?? values.first),
    seeds: seed === undefined ? wholeNumber("seeds", values.seeds) : 1,
    isSingle: seed !== undefined,
    twice: values.twice,
    trace: values.trace,
    planted,
    faults: faults === undefined ? undefined : parseFaults(faults),
    repeat: repeated.join(""),
  };
}

function wholeNumber(name: string, text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new Error(`--${name} needs a whole number, not "${text}"`);
  return Number(text);
}

function parseFaults(list: string): FaultKind[] {
  if (list === "none") return [];
  return list.split(",").map((name) => {
    const kind = FAULT_KINDS.find((known) => known === name);
    if (kind === undefined) throw new Error(`no fault "${name}"; known: ${FAULT_KINDS.join(", ")}`);
    return kind;
  });
}

/** Seeds without a planted bug; false if anything was violated. */
async function runSeeds(command: Command): Promise<boolean> {
  const totals = new Totals();
  const lines: string[] | undefined = command.trace === undefined ? undefined : [];
  const options: RunOptions = { faults: command.faults, lines, planted: command.planted };
  for (let seed = command.first; seed < command.first + command.seeds; seed++) {
    const report = await runSeed(seed, options);
    totals.add(report);
    let isBad = report.violations.length > 0;
    if (command.twice) {
      const again = await runSeed(seed, options);
      if (again.digest !== report.digest) {
        isBad = true;
        totals.differing++;
        console.log(`seed ${seed} gave the traces ${report.digest} and ${again.digest}`);
      }
    }
    if (isBad || command.isSingle) print(report, command);
    else if (process.stdout.isTTY) process.stdout.write(`\r${totals.progress(command.seeds)}`);
  }
  if (process.stdout.isTTY) process.stdout.write("\r");
  console.log(totals.summary());
  if (command.trace !== undefined) writeFileSync(command.trace, `${lines?.join("\n")}\n`);
  return totals.failed === 0 && totals.differing === 0;
}

function print(report: RunReport, { repeat }: Command): void {
  console.log(describeSeed(report));
  if (report.violations.length === 0) return;
  console.log(`  repeat: npm run simulate -- --seed ${report.plan.seed}${repeat}\n`);
}

/** Until the bug is found, or all seeds are used up. */
async function findPlanted(name: string, { first, seeds, faults }: Command): Promise<boolean> {
  const startMs = performance.now();
  for (let seed = first; seed < first + seeds; seed++) {
    const report = await runSeed(seed, { faults, planted: name });
    const [violation] = report.violations;
    if (violation === undefined) continue;
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    const tried = seed - first + 1;
    console.log(`${name}: found after ${tried} seeds (${seconds} s): ${violation.split("\n")[0]}`);
    return true;
  }
  console.log(`${name}: not found in ${seeds} seeds`);
  return false;
}

async function main(): Promise<void> {
  let command: Command | undefined;
  try {
    command = parseCommand();
  } catch (error) {
    process.stderr.write(`simulate: ${(error as Error).message}\n\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  if (command === undefined) {
    process.stdout.write(USAGE);
    return;
  }
  const { planted } = command;
  let isGood = true;
  if (planted === "all") {
    for (const name of Object.keys(PLANTED_BUGS)) {
      isGood = (await findPlanted(name, command)) && isGood;
    }
  } else if (planted !== undefined && !command.isSingle) {
    isGood = await findPlanted(planted, command);
  } else isGood = await runSeeds(command);
  if (!isGood) process.exitCode = 1;
}

await main();
