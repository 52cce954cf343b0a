/**
 * `etcdctl backup` of API 2 and `etcdutl backup`, of a member of Debian's etcd with data of both
 * APIs: what they make, Debian's etcd starts with `--force-new-cluster`; and both programs refuse
 * the same mistakes.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { missing, repositoryRoot, startEtcd } from "./harness.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const REFERENCE = process.env.ETCDCTL ?? "etcdctl";
const OURS = join(repositoryRoot, "bin", "etcdctl");
const ETCDUTL = join(repositoryRoot, "bin", "etcdutl");
const KEYS = 12;

const scratch = mkdtempSync(join(tmpdir(), "etcd-backup-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

interface Said {
  readonly out: string;
  /** Without times. */
  readonly err: string;
  readonly status: number | null;
}

function run(program: string, args: readonly string[]): Said {
  const { PATH = "" } = process.env;
  const { stdout, stderr, status } = spawnSync(program, args, {
    encoding: "utf8",
    cwd: scratch,
    env: { PATH, HOME: scratch, ETCDCTL_API: "2", ETCD_NODE: process.execPath },
    timeout: PATIENCE_MS,
  });
  return { out: stdout, err: stderr.replace(/^\d{4}-\d\d-\d\d [\d:.]+ /gm, ""), status };
}

const skip = missing("reference") || (existsSync(ETCDUTL) ? false : "etcdutl is not there");

before(async () => {
  if (skip !== false) return;
  const dataDir = join(scratch, "source");
  const flags = ["--enable-v2", "--snapshot-count=15"];
  await using etcd = await startEtcd({ kind: "reference", dataDir, flags });
  for (let i = 0; i < KEYS; i++) {
    const set = run(REFERENCE, ["--endpoints", etcd.clientUrl, "set", `/key${i}`, "2"]);
    assert.equal(set.status, 0, set.err);
    const key = Buffer.from(`key${i}`).toString("base64");
    await etcd.call("/v3/kv/put", { key, value: key });
  }
  await etcd.stop();
});

/** Starts Debian's etcd on a backup; how many keys each API shows. */
async function keysIn(dataDir: string): Promise<{ v2: number; v3: number; members: number }> {
  const flags = ["--enable-v2", "--force-new-cluster"];
  await using etcd = await startEtcd({ kind: "reference", dataDir, flags });
  const list = run(REFERENCE, ["--endpoints", etcd.clientUrl, "ls"]);
  const members = run(REFERENCE, ["--endpoints", etcd.clientUrl, "member", "list"]);
  const all = Buffer.from("\0").toString("base64");
  const { count } = await etcd.call("/v3/kv/range", { key: all, range_end: all });
  await etcd.call("/v3/kv/put", { key: all, value: all });
  await etcd.stop();
  const lines = (text: string): number => text.split("\n").length - 1;
  return { v2: lines(list.out), v3: Number(count ?? 0), members: lines(members.out) };
}

test("etcdctl backup keeps the keys of the v2 API, with --with-v3 both", { skip }, async () => {
  const without = run(OURS, ["backup", "--data-dir", "source", "--backup-dir", "b1"]);
  const theirs = run(REFERENCE, ["backup", "--data-dir", "source", "--backup-dir", "t1"]);
  assert.deepEqual(without, theirs);
  assert.deepEqual(await keysIn(join(scratch, "b1")), { v2: KEYS, v3: 0, members: 1 });
  const args = ["backup", "--data-dir", "source", "--backup-dir", "b2", "--with-v3"];
  assert.deepEqual(run(OURS, args), { out: "", err: "", status: 0 });
  assert.deepEqual(await keysIn(join(scratch, "b2")), { v2: KEYS, v3: KEYS, members: 1 });
});

test("etcdutl backup keeps both, and check v2store names what is there", { skip }, async () => {
  const made = run(ETCDUTL, ["backup", "--data-dir", "source", "--backup-dir", "b3"]);
  assert.equal(made.status, 0, made.err);
  assert.deepEqual(await keysIn(join(scratch, "b3")), { v2: KEYS, v3: KEYS, members: 1 });
  assert.equal(run(ETCDUTL, ["verify", "--data-dir", "b3"]).status, 0);
  const check = run(ETCDUTL, ["check", "v2store", "--data-dir", "source"]);
  assert.equal(check.status, 1);
  assert.match(check.err, /^Error: detected custom (v2 )?content in /m);
});

test("etcdctl backup is refused in the reference's words, and leaves nothing", { skip }, () => {
  mkdirSync(join(scratch, "full/member/snap"), { recursive: true, mode: 0o700 });
  writeFileSync(join(scratch, "full/member/snap/x"), "");
  const lines = [
    "--data-dir none --backup-dir refused",
    "--data-dir source --wal-dir none --backup-dir refused",
    "--data-dir source --backup-dir full",
  ];
  for (const line of lines) {
    const args = ["backup", ...line.split(" ")];
    const theirs = run(REFERENCE, args);
    rmSync(join(scratch, "refused"), { recursive: true, force: true });
    assert.deepEqual(run(OURS, args), theirs, line);
    assert.equal(existsSync(join(scratch, "refused")), false, line);
  }
});
