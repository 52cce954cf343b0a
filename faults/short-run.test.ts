/**
 * Half a minute of faults against three real members: ours, or those that `ETCD_FAULTS_BINARY`
 * names (a list, run in turn).
 */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { findRepository } from "../tools/tidy.ts";
import { formatReport } from "./report.ts";
import { run } from "./run.ts";

const root = findRepository(dirname(fileURLToPath(import.meta.url)));
const given = process.env["ETCD_FAULTS_BINARY"];
const binaries = given === undefined ? [join(root, "bin", "etcd")] : given.split(",");
const seed = Number(process.env["ETCD_FAULTS_SEED"] ?? Date.now() % 1e6);

test("three members under faults answer as one, and agree when the faults are over", async (t) => {
  t.diagnostic(`ETCD_FAULTS_SEED=${seed}`);
  const report = await run({
    ...{ seed, binaries, size: 3, faultsMs: 24_000, maxHoldMs: 1200 },
    pausedLeaderRounds: 2,
    log: () => undefined,
  });
  assert.equal(report.violations.length, 0, formatReport(report));
  // A run that did nothing proves nothing. How much it does is the machine's speed.
  assert.ok(report.faults.length >= 2, formatReport(report));
  assert.ok(report.acknowledged > 100, formatReport(report));
  assert.ok(report.history.events > 0 && report.history.revisions > 0, formatReport(report));
});
