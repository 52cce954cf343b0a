import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parseBenchmarkArguments } from "./arguments.ts";
import { formatPairs, formatTable, type Sample, summarise } from "./report.ts";
import { etcdctlBeside } from "./tool-workload.ts";

function sample(server: "ours" | "other", round: number, value: number, row: string): Sample {
  return { server, round, value, row, unit: row === "restart" ? "ms" : "op/s" };
}

test("the median round counts, and budgets know which way is better", () => {
  const rows = summarise([
    sample("ours", 1, 300, "put-same-key"),
    sample("other", 1, 100, "put-same-key"),
    sample("ours", 2, 900, "put-same-key"),
    sample("other", 2, 101, "put-same-key"),
    sample("ours", 3, 250, "put-same-key"),
    sample("other", 3, 5, "put-same-key"),
    sample("ours", 1, 500, "restart"),
    sample("other", 1, 1000, "restart"),
    sample("ours", 1, 7, "lease-keep-alive"),
  ]);
  assert.deepEqual(
    rows.map(({ name, ratio, isMet }) => [name, ratio, isMet]),
    [
      ["put-same-key", 3, true],
      ["restart", 0.5, false],
      ["lease-keep-alive", undefined, undefined],
    ],
  );
  const table = formatTable(rows).split("\n");
  assert.match(table[1] ?? "", /^put-same-key +op\/s +300 +100 +3\.00x +≥ 2\.5x ok/);
  assert.match(table[2] ?? "", /^restart +ms +500 +1,000 +0\.50x +≤ 0\.4x MISSED/);
});

test("a budget in milliseconds asks ours alone", () => {
  const measured = (label: "ours" | "other", value: number): Sample => ({
    ...sample(label, 1, value, "etcdctl-get-node24"),
    unit: "ms",
  });
  const [within] = summarise([measured("ours", 59), measured("other", 10)]);
  assert.deepEqual([within?.isMet, within?.ratio], [true, 5.9]);
  const alone = summarise([measured("ours", 61)]);
  assert.equal(alone[0]?.isMet, false);
  assert.match(
    formatTable(alone).split("\n")[1] ?? "",
    /^etcdctl-get-node24 +ms +61\.0 +≤ 60 ms MISSED/,
  );
  assert.equal(summarise([measured("other", 10)])[0]?.isMet, undefined);
});

test("a row is compared with the same load without what it adds", () => {
  const withCost = (row: string, value: number, cpuMicrosPerOperation: number): Sample => ({
    ...sample("ours", 1, value, row),
    cpuMicrosPerOperation,
  });
  const samples = [
    withCost("put-same-key", 1000, 10),
    withCost("put-same-key", 1000, 19),
    withCost("put-auth", 900, 12),
    sample("other", 1, 500, "put-same-key"),
    sample("other", 1, 400, "put-auth"),
  ];
  const pairs = [
    { row: "put-auth", besides: "put-same-key" },
    { row: "get-auth", besides: "get-linearizable" },
  ];
  assert.deepEqual(formatPairs(samples, pairs).split("\n"), [
    "ours: put-auth is 0.900x put-same-key, at 1.200x its processor time",
    "other: put-auth is 0.800x put-same-key",
  ]);
});

test("the other etcdctl is the one beside the other etcd", () => {
  const folder = mkdtempSync(join(tmpdir(), "bench-tools-"));
  try {
    assert.equal(etcdctlBeside(join(folder, "etcd36")), undefined);
    writeFileSync(join(folder, "etcdctl36"), "");
    assert.equal(etcdctlBeside(join(folder, "etcd36")), join(folder, "etcdctl36"));
    writeFileSync(join(folder, "server"), "");
    assert.equal(etcdctlBeside(join(folder, "server")), undefined);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("options have defaults and are checked", () => {
  const args = parseBenchmarkArguments(["--vs", "/usr/bin/etcd", "--only", "^put"]);
  assert.equal(args?.versus, "/usr/bin/etcd");
  assert.equal(args?.keys, 1_000_000);
  assert.ok(args?.only.test("put-same-key") && !args.only.test("get-put"));
  assert.equal(parseBenchmarkArguments(["--help"]), undefined);
  assert.throws(() => parseBenchmarkArguments(["--seconds", "x"]), /--seconds must be a positive/);
  assert.throws(() => parseBenchmarkArguments(["--nope"]), /nope/);
});
