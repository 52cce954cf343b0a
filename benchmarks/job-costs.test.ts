import assert from "node:assert/strict";
import { test } from "node:test";
import { JobCosts } from "./job-costs.ts";
import type { LoadJob, LoadResult } from "./load/jobs.ts";

const JOB: LoadJob = { kind: "snapshot", port: 0 };
const LATENCY = { count: 0, meanMs: 0, p50Ms: 0, p99Ms: 0, p999Ms: 0, maxMs: 0 };

/** A server whose stalls are told in turn, and which takes 2 s of the processors for each load. */
function costsOf(stallSeconds: (number | undefined)[]): JobCosts {
  let cpuSeconds = 0;
  const usage = () => ({ residentBytes: 0, anonymousBytes: 0, fileBytes: 0, cpuSeconds });
  const load = (): Promise<LoadResult> => {
    cpuSeconds += 2;
    return Promise.resolve({ operations: 4, errors: 0, seconds: 1, latency: LATENCY });
  };
  return new JobCosts({ usage, metric: async () => stallSeconds.shift() }, load);
}

test("a load has its own longest stall, and not that of the loads or the start around it", async () => {
  const costs = costsOf([9, 0.25, 0.5, 0.75]);
  await costs.begin();
  const puts = await costs.run(JOB);
  const reads = await costs.run(JOB);
  const told = await costs.tell([
    { row: "puts", unit: "op/s", value: 1, result: puts },
    { row: "reads", unit: "op/s", value: 1, result: reads },
    {
      row: "memory",
      unit: "MB",
      value: 1,
      memory: { anonymousMegabytes: 1, fileMegabytes: 0 },
    },
    { row: "restart", unit: "ms", value: 1 },
  ]);
  assert.deepEqual(
    told.map(({ row, cpuMicrosPerOperation, stallMs }) => [row, cpuMicrosPerOperation, stallMs]),
    [
      ["puts", 500_000, 250],
      ["reads", 500_000, 500],
      ["memory", undefined, undefined],
      ["restart", undefined, 750],
    ],
  );
});

test("a server that does not tell its stalls has none in the table", async () => {
  const costs = costsOf([]);
  await costs.begin();
  const result = await costs.run(JOB);
  const [told] = await costs.tell([{ row: "puts", unit: "op/s", value: 1, result }]);
  assert.equal(told?.cpuMicrosPerOperation, 500_000);
  assert.equal(told?.stallMs, undefined);
});
