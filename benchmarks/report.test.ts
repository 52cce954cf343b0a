import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parseBenchmarkArguments } from "./arguments.ts";
import { readRecord } from "./record.ts";
import { formatPairs, formatTable, type Sample, summarise } from "./report.ts";
import { examine, rotated, usable } from "./servers.ts";
import { etcdctlBeside } from "./tool-workload.ts";

function sample(server: string, round: number, value: number, row: string): Sample {
  return { server, round, value, row, unit: row === "restart" ? "ms" : "op/s" };
}

test("the median round counts, and budgets know which way is better", () => {
  const rows = summarise([
    sample("ours", 1, 300, "put-same-key"),
    sample("3.4.23", 1, 100, "put-same-key"),
    sample("ours", 2, 900, "put-same-key"),
    sample("3.4.23", 2, 101, "put-same-key"),
    sample("ours", 3, 250, "put-same-key"),
    sample("3.4.23", 3, 5, "put-same-key"),
    sample("ours", 1, 500, "restart"),
    sample("3.4.23", 1, 1000, "restart"),
    sample("ours", 1, 7, "lease-keep-alive"),
  ]);
  assert.deepEqual(
    rows.map(({ name, others: [other] }) => [name, other?.ratio, other?.isMet]),
    [
      ["put-same-key", 3, true],
      ["restart", 0.5, false],
      ["lease-keep-alive", undefined, undefined],
    ],
  );
  const table = formatTable(rows).split("\n");
  assert.match(table[1] ?? "", /^put-same-key +op\/s +300 +3\.4\.23 +100 +3\.00x +≥ 2\.5x ok/);
  assert.match(table[2] ?? "", /^restart +ms +500 +3\.4\.23 +1,000 +0\.50x +≤ 0\.4x MISSED/);
});

test("a budget in milliseconds asks ours alone", () => {
  const measured = (label: string, value: number): Sample => ({
    ...sample(label, 1, value, "etcdctl-get-node24"),
    unit: "ms",
  });
  const [within] = summarise([measured("ours", 59), measured("3.4.23", 10)]);
  assert.deepEqual([within?.isMet, within?.others[0]?.ratio], [true, 5.9]);
  const alone = summarise([measured("ours", 61)]);
  assert.equal(alone[0]?.isMet, false);
  assert.match(
    formatTable(alone).split("\n")[1] ?? "",
    /^etcdctl-get-node24 +ms +61\.0 +≤ 60 ms MISSED/,
  );
  assert.equal(summarise([measured("3.4.23", 10)])[0]?.isMet, undefined);
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
    sample("3.4.23", 1, 500, "put-same-key"),
    sample("3.4.23", 1, 400, "put-auth"),
  ];
  const pairs = [
    { row: "put-auth", besides: "put-same-key" },
    { row: "get-auth", besides: "get-linearizable" },
  ];
  assert.deepEqual(formatPairs(samples, pairs).split("\n"), [
    "ours: put-auth is 0.900x put-same-key, at 1.200x its processor time",
    "3.4.23: put-auth is 0.800x put-same-key",
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
  assert.deepEqual(args?.versus, ["/usr/bin/etcd"]);
  assert.equal(args?.keys, 1_000_000);
  assert.ok(args?.only.test("put-same-key") && !args.only.test("get-put"));
  assert.equal(parseBenchmarkArguments(["--help"]), undefined);
  assert.throws(() => parseBenchmarkArguments(["--seconds", "x"]), /--seconds must be a positive/);
  assert.throws(() => parseBenchmarkArguments(["--nope"]), /nope/);
});

test("each other server has a line, its own budget, and the reason where there is none", () => {
  const rows = summarise(
    [
      sample("ours", 1, 300, "put-same-key"),
      sample("3.4.23", 1, 100, "put-same-key"),
      sample("3.6.14", 1, 150, "put-same-key"),
    ],
    [{ row: "put-same-key", server: "3.7.1", message: "ended early" }],
  );
  const lines = formatTable(rows).split("\n").slice(1);
  assert.equal(lines.length, 3);
  assert.match(lines[0] ?? "", /300 +3\.4\.23 +100 +3\.00x +≥ 2\.5x ok/);
  assert.match(lines[1] ?? "", /300 +3\.6\.14 +150 +2\.00x +≥ 3\.5x MISSED/);
  assert.match(lines[2] ?? "", /300 +3\.7\.1 +failed +≥ 3\.5x$/);
});

test("more operations at a higher cost each are called noise, and close figures are not", () => {
  const withCost = (server: string, value: number, cpuMicrosPerOperation: number): Sample => ({
    ...sample(server, 1, value, "get-linearizable"),
    cpuMicrosPerOperation,
  });
  const isNoise = (ours: [number, number], other: [number, number]): boolean | undefined => {
    const rows = summarise([withCost("ours", ...ours), withCost("3.6.14", ...other)]);
    const { isNoise: found } = rows[0]?.others[0] ?? {};
    assert.equal(/ noise$/.test(formatTable(rows)), found);
    return found;
  };
  assert.equal(isNoise([120, 12], [100, 10]), true);
  assert.equal(isNoise([80, 8], [100, 10]), true);
  assert.equal(isNoise([120, 8], [100, 10]), false);
  assert.equal(isNoise([102, 12], [100, 10]), false);
});

test("errors of either side are told", () => {
  const latency = { count: 1, meanMs: 1, p50Ms: 1, p99Ms: 1, p999Ms: 1, maxMs: 1 };
  const withErrors = (server: string, errors: number): Sample => ({
    ...sample(server, 1, 10, "light-put"),
    result: { operations: 1, errors, seconds: 1, latency },
  });
  const table = formatTable(summarise([withErrors("ours", 0), withErrors("3.4.23", 113)]));
  assert.match(table, / 0 \/ 113 errors$/);
});

test("memory shows which part is of files", () => {
  const withMemory = (server: string, anonymousMegabytes: number): Sample => ({
    ...sample(server, 1, anonymousMegabytes + 50, "idle-memory"),
    unit: "MB",
    memory: { anonymousMegabytes, fileMegabytes: 50 },
  });
  const table = formatTable(summarise([withMemory("ours", 40), withMemory("3.6.14", 20)]));
  assert.match(table, /anon MB +file MB/);
  assert.match(table, /90\.0 +3\.6\.14 +70\.0 .*40\.0 \/ 20\.0 +50\.0 \/ 50\.0/);
});

test("the server that begins changes from round to round", () => {
  assert.deepEqual(rotated(["a", "b", "c"], 1), ["a", "b", "c"]);
  assert.deepEqual(rotated(["a", "b", "c"], 3), ["c", "a", "b"]);
  assert.deepEqual(rotated(["a", "b", "c"], 4), ["a", "b", "c"]);
});

test("a binary that is missing or is no etcd is told by name, and the others remain", () => {
  const folder = mkdtempSync(join(tmpdir(), "bench-servers-"));
  const script = (name: string, says: string): string => {
    const path = join(folder, name);
    writeFileSync(path, `#!/bin/sh\nprintf '${says}'\n`);
    chmodSync(path, 0o755);
    return path;
  };
  try {
    const go = script("etcd36", "etcd Version: 3.6.14\\nGo Version: go1.26\\n");
    const node = script("ours", "etcd Version: 3.6.14\\nGit SHA: abc\\nGo Version: node v24\\n");
    const other = script("redis", "Redis server v=7\\n");
    const told: string[] = [];
    const missing = join(folder, "missing");
    const servers = usable([missing, go, other, go, node], "/n", ({ binary, reason }) =>
      told.push(`${binary} ${reason}`),
    );
    assert.deepEqual(
      servers.map(({ label, env }) => [label, env["ETCD_NODE"]]),
      [
        ["3.6.14", undefined],
        ["3.6.14-2", undefined],
        ["ours-abc", "/n"],
      ],
    );
    assert.equal(told.length, 2);
    assert.ok(told[0]?.startsWith(missing) && told[0].includes("ENOENT"), told[0]);
    assert.ok(told[1]?.startsWith(other) && told[1].includes('"Redis server v=7"'), told[1]);
    assert.equal(examine(go, "/n").kind, "server");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("records of one unnamed other server are read, and other files are refused", () => {
  const folder = mkdtempSync(join(tmpdir(), "bench-records-"));
  const path = join(folder, "old.json");
  try {
    const samples = [sample("ours", 1, 2, "put-same-key"), sample("other", 1, 1, "put-same-key")];
    const versions = [{ label: "other", version: ["etcd Version: 3.4.23", "Git SHA: x"] }];
    writeFileSync(path, JSON.stringify({ versions, samples }));
    const [row] = summarise(readRecord(path).samples);
    assert.deepEqual([row?.others[0]?.server, row?.others[0]?.ratio], ["3.4.23", 2]);
    writeFileSync(path, JSON.stringify({ rows: [] }));
    assert.throws(() => readRecord(path), /old\.json is no record of a benchmark/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
