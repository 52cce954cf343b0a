/**
 * The offline tool beside Debian's `etcdctl snapshot`: the same snapshots give the same status, what
 * one restores the other's server serves, and both refuse the same mistakes. `ETCDUTL_OURS` names
 * another launcher than bin/etcdutl; `ETCDCTL` another reference.
 */
import assert from "node:assert/strict";
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type EtcdKind, missing, repositoryRoot, startEtcd } from "./harness.ts";

const ETCDUTL = process.env.ETCDUTL_OURS ?? join(repositoryRoot, "bin", "etcdutl");
const ETCDCTL = process.env.ETCDCTL ?? "etcdctl";
const PUTS = 40;

const scratch = mkdtempSync(join(tmpdir(), "etcdutl-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

type Tool = "ours" | "reference";

function runTool(tool: Tool, args: readonly string[]): SpawnSyncReturns<string> {
  const { PATH = "" } = process.env;
  const command = tool === "ours" ? ETCDUTL : ETCDCTL;
  const env = { PATH, HOME: scratch, ETCDCTL_API: "3", ETCD_NODE: process.execPath };
  return spawnSync(command, args, { encoding: "utf8", env, cwd: scratch });
}

function missingTools(): string | false {
  if (runTool("reference", ["version"]).error !== undefined) return `${ETCDCTL} does not run`;
  return runTool("ours", ["version"]).status === 0 ? false : `${ETCDUTL} does not run`;
}

const skip = missing("ours", "reference") || missingTools();
const KINDS: readonly EtcdKind[] = ["reference", "ours"];
const TOOLS: readonly Tool[] = ["reference", "ours"];

/** Path of a snapshot with history that a server of this kind has given. */
const snapshots = new Map<EtcdKind, string>();

const base64 = (text: string): string => Buffer.from(text).toString("base64");

before(async () => {
  if (skip !== false) return;
  for (const kind of KINDS) snapshots.set(kind, await makeSnapshot(kind));
});

async function makeSnapshot(kind: EtcdKind): Promise<string> {
  await using etcd = await startEtcd({ kind });
  for (let i = 0; i < PUTS; i++) {
    await etcd.call("/v3/kv/put", { key: base64(`key${i % 15}`), value: base64(`value ${i}`) });
  }
  await etcd.call("/v3/kv/deleterange", { key: base64("key3") });
  await etcd.call("/v3/lease/grant", { TTL: 10_000, ID: 4711 });
  await etcd.call("/v3/kv/put", { key: base64("leased"), value: base64("x"), lease: 4711 });
  await etcd.call("/v3/kv/compaction", { revision: 10, physical: true });
  const path = join(scratch, `${kind}.db`);
  const save = runTool("reference", ["snapshot", "save", path, `--endpoints=${etcd.clientUrl}`]);
  assert.equal(save.status, 0, save.stderr);
  return path;
}

function snapshotOf(kind: EtcdKind): string {
  const path = snapshots.get(kind);
  assert.ok(path !== undefined);
  return path;
}

/** Hash, revision, keys and size, in the form of their format. */
function statusValues(text: string, format: string): string[] {
  switch (format) {
    case "simple":
      return text.replace("\n", "").split(", ").slice(0, 4);
    case "fields":
      return text.split("\n").slice(0, 4);
    case "json": {
      const { hash, revision, totalKey, totalSize } = JSON.parse(text);
      return [hash, revision, totalKey, totalSize].map(String);
    }
    default: {
      const row = text.split("\n")[3] ?? "";
      return row
        .split("|")
        .slice(1, 5)
        .map((cell) => cell.trim());
    }
  }
}

for (const kind of KINDS) {
  test(`the status of a snapshot of ${kind} is the reference's in all formats`, { skip }, () => {
    for (const format of ["simple", "fields", "json", "table"]) {
      const args = ["snapshot", "status", snapshotOf(kind), "-w", format];
      const [hash, revision, keys, size] = statusValues(runTool("ours", args).stdout, format);
      const theirs = statusValues(runTool("reference", args).stdout, format);
      // Since 3.6 only keys that exist are counted, not the entries of all buckets.
      assert.match(keys ?? "", /^("Keys" : )?15$/);
      assert.deepEqual([hash, revision, size], [theirs[0], theirs[1], theirs[3]]);
    }
  });
}

function restore(tool: Tool, path: string, dataDir: string, more: readonly string[] = []): void {
  const run = runTool(tool, ["snapshot", "restore", path, `--data-dir=${dataDir}`, ...more]);
  assert.equal(run.status, 0, run.stderr);
}

function hashKv(path: string): unknown {
  const run = runTool("ours", ["hashkv", path, "-w", "json"]);
  assert.equal(run.status, 0, run.stderr);
  return JSON.parse(run.stdout);
}

/** Starts a member on restored data; returns what a client sees. */
async function serve(kind: EtcdKind, dataDir: string): Promise<Record<string, unknown>> {
  await using etcd = await startEtcd({ kind, dataDir });
  const all = { key: base64("\0"), range_end: base64("\0") };
  const { kvs, count } = await etcd.call("/v3/kv/range", all);
  const { leases } = await etcd.call("/v3/lease/leases");
  const { members } = await etcd.call("/v3/cluster/member/list");
  const identities = (members as { ID: string; peerURLs: string[] }[]).map((member) => [
    member.ID,
    member.peerURLs,
  ]);
  await etcd.call("/v3/kv/put", { key: base64("after"), value: base64("restore") });
  await etcd.stop();
  return { kvs, count, leases, identities };
}

for (const source of KINDS) {
  test(
    `a snapshot of ${source}, restored by either tool, is served alike by both`,
    { skip },
    async () => {
      const path = snapshotOf(source);
      const before = hashKv(path);
      const seen: Record<string, unknown>[] = [];
      for (const tool of TOOLS) {
        for (const server of KINDS) {
          const dataDir = join(scratch, `${source}-${tool}-${server}`);
          restore(tool, path, dataDir);
          assert.deepEqual(hashKv(join(dataDir, "member", "snap", "db")), before);
          seen.push(await serve(server, dataDir));
          const verify = runTool("ours", ["verify", "--data-dir", dataDir]);
          assert.equal(verify.status, 0, verify.stdout);
        }
      }
      const [, , ours] = seen;
      assert.ok(ours !== undefined);
      assert.deepEqual(seen, [ours, ours, ours, ours]);
      assert.deepEqual(ours.identities, [["10276657743932975437", ["http://localhost:2380"]]]);
    },
  );
}

test("a bumped revision is served, and what was before it is compacted", { skip }, async () => {
  for (const kind of KINDS) {
    const dataDir = join(scratch, `bumped-${kind}`);
    const bump = ["--bump-revision=1000000", "--mark-compacted"];
    restore("ours", snapshotOf("reference"), dataDir, bump);
    await using etcd = await startEtcd({ kind, dataDir });
    const { header } = await etcd.call("/v3/kv/put", { key: base64("a"), value: base64("b") });
    assert.ok(Number((header as { revision: string }).revision) > 1_000_000);
    const old = etcd.call("/v3/kv/range", { key: base64("key1"), revision: 20 });
    await assert.rejects(old, /required revision has been compacted/);
    const { count } = await etcd.call("/v3/kv/range", { key: base64("key1") });
    assert.equal(count, "1");
  }
});

/** The last line that tells an error; log lines stand before it. */
function errorOf(run: SpawnSyncReturns<string>): string {
  return run.stderr.split("\n").findLast((line) => line.startsWith("Error: ")) ?? run.stderr;
}

test("restoring is refused with the reference's words, and leaves nothing", { skip }, () => {
  const good = snapshotOf("reference");
  const content = readFileSync(good);
  const path = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(scratch, name), bytes);
    return join(scratch, name);
  };
  const flipped = Buffer.from(content);
  flipped[6000] = (flipped[6000] ?? 0) ^ 1;
  const occupied = join(scratch, "occupied");
  mkdirSync(join(occupied, "x"), { recursive: true });
  const target = join(scratch, "refused");
  const into = `--data-dir=${target}`;
  const cases: string[][] = [
    [path("flipped.db", flipped), into],
    [path("cut.db", content.subarray(0, content.length - 512)), into],
    [path("nohash.db", content.subarray(0, content.length - 32)), into],
    [path("tiny.db", content.subarray(0, 5)), into],
    [good, `--data-dir=${occupied}`],
    [good, into, `--wal-dir=${occupied}`],
    [good, into, "--name=other"],
    [good, into, "--initial-cluster=default=nonsense"],
    [good, into, "--initial-advertise-peer-urls=http://localhost:2380/path"],
    [good, into, "--initial-advertise-peer-urls=ftp://localhost:2380"],
    [good, into, "--initial-cluster=default=http://localhost:2380,b=http://localhost:2380"],
  ];
  for (const args of cases) {
    const theirs = runTool("reference", ["snapshot", "restore", ...args]);
    rmSync(target, { recursive: true, force: true });
    const ours = runTool("ours", ["snapshot", "restore", ...args]);
    // 3.4 refuses an existing directory even when it is empty, and says so.
    const expected = errorOf(theirs).replace(
      /^(Error: data-dir ".*") exists$/,
      "$1 not empty or could not be read",
    );
    assert.equal(errorOf(ours), expected, args.join(" "));
    assert.equal(ours.status, theirs.status, args.join(" "));
    assert.equal(existsSync(target), false, args.join(" "));
  }
});

test("the files of both servers are sound, and damage to them is named", { skip }, async () => {
  for (const kind of KINDS) {
    const dataDir = join(scratch, `damaged-${kind}`);
    restore("ours", snapshotOf(kind), dataDir);
    await serve(kind, dataDir);
    const segment = join(dataDir, "member", "wal", "0000000000000000-0000000000000000.wal");
    const good = readFileSync(segment);
    const bad = Buffer.from(good);
    // Inside the first entry, the conf change that makes the member.
    const at = bad.indexOf('"peerURLs"');
    bad[at] = 0;
    writeFileSync(segment, bad);
    const run = runTool("ours", ["verify", "--data-dir", dataDir]);
    assert.equal(run.status, 1);
    const line = run.stdout
      .split("\n")
      .find((each) => each.startsWith(`DAMAGE ${segment}: offset`));
    const offset = Number(/: offset (\d+): walpb: crc mismatch/.exec(line ?? "")?.[1]);
    assert.ok(offset <= at && at - offset < 256, run.stdout);
    writeFileSync(segment, good);
    assert.equal(runTool("ours", ["verify", "--data-dir", dataDir]).status, 0);
  }
});
