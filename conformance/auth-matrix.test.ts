/**
 * All RPCs by all kinds of callers, against a table of what etcd 3.6.14 answers. The table is
 * written anew, when a release changes something, by a run with `ETCD_RECORD=1` against that binary:
 *
 *     ETCD_RECORD=1 ETCD_BINARY=/path/to/etcd npm test -- conformance/auth-matrix
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { authMatrix, CALLERS } from "./auth-matrix.ts";
import { type EtcdKind, missing, repositoryRoot, startEtcd } from "./harness.ts";

const TABLE = join(repositoryRoot, "conformance", "testdata", "auth-matrix.txt");

async function matrixOf(kind: EtcdKind): Promise<string[]> {
  await using etcd = await startEtcd({ kind, flags: ["--bcrypt-cost=4"] });
  return await authMatrix(Number(new URL(etcd.clientUrl).port));
}

test("every caller gets etcd's answer to every RPC", async () => {
  const table = readFileSync(TABLE, "utf8").trimEnd().split("\n").slice(1);
  assert.deepEqual(await matrixOf("ours"), table);
});

const isRecording = process.env["ETCD_RECORD"] === "1";
const skip = isRecording ? missing("reference") : "only with ETCD_RECORD=1";

test("the table of etcd's answers is recorded", { skip }, async () => {
  const lines = [`RPC | ${CALLERS.join(" | ")}`, ...(await matrixOf("reference"))];
  writeFileSync(TABLE, `${lines.join("\n")}\n`);
});
