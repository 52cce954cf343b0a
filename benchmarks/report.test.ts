import assert from "node:assert/strict";
import { test } from "node:test";
import { parseBenchmarkArguments } from "./arguments.ts";
import { formatTable, type Sample, summarise } from "./report.ts";

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

test("options have defaults and are checked", () => {
  const args = parseBenchmarkArguments(["--vs", "/usr/bin/etcd", "--only", "^put"]);
  assert.equal(args?.versus, "/usr/bin/etcd");
  assert.equal(args?.keys, 1_000_000);
  assert.ok(args?.only.test("put-same-key") && !args.only.test("get-put"));
  assert.equal(parseBenchmarkArguments(["--help"]), undefined);
  assert.throws(() => parseBenchmarkArguments(["--seconds", "x"]), /--seconds must be a positive/);
  assert.throws(() => parseBenchmarkArguments(["--nope"]), /nope/);
});
