/**
 * All RPCs by all kinds of callers, against tables of what etcd 3.6.14 answers. The tables are
 * written anew, when a release changes something, by a run with `ETCD_RECORD=1` against that binary:
 *
 *     ETCD_RECORD=1 ETCD_BINARY=/path/to/etcd npm test -- conformance/auth-matrix
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { EXPIRED, EXPIRING_FLAGS, JwtKeys, jwtScenario, SIMPLE } from "./auth-matrix-casts.ts";
import { authMatrix, type Scenario } from "./auth-matrix.ts";
import { type EtcdKind, missing, repositoryRoot, startEtcd } from "./harness.ts";

function tableOf({ name }: Scenario): string {
  return join(repositoryRoot, "conformance", "testdata", `${name}.txt`);
}

async function matrixOf(
  kind: EtcdKind,
  scenario: Scenario,
  flags: readonly string[],
): Promise<string[]> {
  await using etcd = await startEtcd({ kind, flags: ["--bcrypt-cost=4", ...flags] });
  return await authMatrix(Number(new URL(etcd.clientUrl).port), scenario);
}

const isRecording = process.env["ETCD_RECORD"] === "1";
const skip = isRecording ? missing("reference") : "only with ETCD_RECORD=1";

function compare(what: string, scenario: Scenario, flagsIn: (directory: string) => string[]): void {
  const run = async (kind: EtcdKind): Promise<string[]> => {
    const directory = mkdtempSync(join(tmpdir(), "etcd-matrix-"));
    try {
      return await matrixOf(kind, scenario, flagsIn(directory));
    } finally {
      rmSync(directory, { recursive: true });
    }
  };

  test(`every caller gets etcd's answer to every RPC, ${what}`, async () => {
    const [head, ...table] = readFileSync(tableOf(scenario), "utf8").trimEnd().split("\n");
    assert.equal(head, `RPC | ${scenario.callers.join(" | ")}`);
    assert.deepEqual(await run("ours"), table);
  });

  test(`the table of etcd's answers is recorded, ${what}`, { skip }, async () => {
    const lines = [`RPC | ${scenario.callers.join(" | ")}`, ...(await run("reference"))];
    writeFileSync(tableOf(scenario), `${lines.join("\n")}\n`);
  });
}

compare("with tokens in memory", SIMPLE, () => []);
compare("with a token that has expired", EXPIRED, () => [...EXPIRING_FLAGS]);
const keys = new JwtKeys();
compare("with JSON web tokens", jwtScenario(keys), (directory) => keys.flags(directory));
