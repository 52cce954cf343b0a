/** `npm run simulate`: runs seeds, prints what happened, and how to repeat what went wrong. */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { FAULT_KINDS, type FaultKind } from "./faults/kinds.ts";
import { runSeed } from "./run.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "100" },
    seed: { type: "string" },
    faults: { type: "string" },
    trace: { type: "string" },
  },
});

const faults = values.faults === undefined ? undefined : parseFaults(values.faults);
const first = Number(values.seed ?? 1);
const count = values.seed === undefined ? Number(values.seeds) : 1;
const lines: string[] | undefined = values.trace === undefined ? undefined : [];

function parseFaults(list: string): FaultKind[] {
  return list
    .split(",")
    .filter((each) => each !== "" && each !== "none")
    .map((each) => {
      const kind = FAULT_KINDS.find((known) => known === each);
      if (kind === undefined)
        throw new Error(`no fault ${each}; there are ${FAULT_KINDS.join(", ")}`);
      return kind;
    });
}

const totals = new Map<string, number>();
let simulatedMs = 0;
let events = 0;
let failed = 0;
let undecided = 0;
const startMs = performance.now();
for (let seed = first; seed < first + count; seed++) {
  const seedStartMs = performance.now();
  const report = await runSeed(seed, { faults, lines });
  simulatedMs += report.simulatedMs;
  events += report.events;
  undecided += report.undecided.length;
  for (const [what, times] of report.counts) totals.set(what, (totals.get(what) ?? 0) + times);
  if (values.seed !== undefined || report.violations.length > 0) {
    const took = (performance.now() - seedStartMs).toFixed(0);
    console.log(
      `seed ${seed}: ${report.digest} ${report.plan.members} members ${report.operations} ops ${report.events} events ${report.simulatedMs.toFixed(0)} ms in ${took} ms, faults ${report.plan.faults}`,
    );
    for (const violation of report.violations) console.log(`  ${violation.slice(0, 1500)}`);
    for (const text of report.undecided) console.log(`  undecided ${text.slice(0, 300)}`);
  }
  if (report.violations.length > 0) failed++;
}
const seconds = (performance.now() - startMs) / 1000;
console.log(
  `${count} seeds in ${seconds.toFixed(1)} s, ${(count / seconds).toFixed(2)}/s, ${(simulatedMs / 1000).toFixed(0)} s simulated, ${events} events, ${failed} failed, ${undecided} undecided`,
);
for (const [what, times] of [...totals].sort()) console.log(`  ${what}: ${times}`);
if (values.trace !== undefined) writeFileSync(values.trace, `${lines?.join("\n")}\n`);
