/**
 * `etcdctl snapshot status` and `snapshot restore` beside Debian's: the same output, refusals and
 * exit codes on the same files, and what one restores the other's server serves.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type EtcdKind, missing, repositoryRoot, startEtcd } from "./harness.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const REFERENCE = process.env.ETCDCTL ?? "etcdctl";
const OURS = join(repositoryRoot, "bin", "etcdctl");
const KINDS: readonly EtcdKind[] = ["reference", "ours"];
const base64 = (text: string): string => Buffer.from(text).toString("base64");

const scratch = mkdtempSync(join(tmpdir(), "etcdctl-snapshot-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

interface Said {
  readonly out: string;
  /** Without log lines. */
  readonly err: string;
  readonly status: number | null;
}

function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Said {
  const { PATH = "" } = process.env;
  const done = spawnSync(program, args, {
    encoding: "utf8",
    cwd: scratch,
    env: { PATH, HOME: scratch, ETCDCTL_API: "3", ETCD_NODE: process.execPath, ...env },
    timeout: PATIENCE_MS,
  });
  const { stdout, stderr, status } = done;
  return { out: stdout, err: stderr.replace(/^\{"level".*\n/gm, ""), status };
}

const skip =
  missing("reference", "ours") ||
  (run(REFERENCE, ["version"]).out.startsWith("etcdctl version: 3.4.")
    ? false
    : "needs etcdctl 3.4");

before(async () => {
  if (skip !== false) return;
  for (const kind of KINDS) {
    await using etcd = await startEtcd({ kind });
    for (let i = 0; i < 30; i++) {
      await etcd.call("/v3/kv/put", { key: base64(`key${i % 9}`), value: base64(`value ${i}`) });
    }
    await etcd.call("/v3/kv/deleterange", { key: base64("key3") });
    const save = ["snapshot", "save", `${kind}.db`, `--endpoints=${etcd.clientUrl}`];
    assert.equal(run(REFERENCE, save).status, 0);
  }
  const whole = readFileSync(join(scratch, "reference.db"));
  const flipped = Buffer.from(whole);
  flipped[6000] = (flipped[6000] ?? 0) ^ 1;
  const files: Readonly<Record<string, Uint8Array>> = {
    "flipped.db": flipped,
    "nohash.db": whole.subarray(0, -32),
    "head.db": whole.subarray(0, 100),
    "text.db": Buffer.from("hello\n"),
    "empty.db": Buffer.alloc(0),
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(scratch, name), content);
  mkdirSync(join(scratch, "folder"));
});

test("status prints and refuses as the reference does", { skip }, () => {
  const lines = [
    ...KINDS.flatMap((kind) =>
      ["simple", "fields", "json", "table", "protobuf", "x"].map((form) => `${kind}.db -w ${form}`),
    ),
    "nohash.db",
    "head.db",
    "text.db",
    "empty.db",
    "folder",
    "none.db",
    "none.db -w x",
    "",
    "a b",
  ];
  for (const line of lines) {
    const args = ["snapshot", "status", ...line.split(" ").filter((word) => word !== "")];
    assert.deepEqual(run(OURS, args), run(REFERENCE, args), line);
  }
  // The environment sets flags of commands that talk to a server only.
  const args = ["snapshot", "status", "reference.db"];
  const env = { ETCDCTL_WRITE_OUT: "json" };
  assert.deepEqual(run(OURS, args, env), run(REFERENCE, args, env));
});

test("restoring is refused in the reference's words, and leaves nothing", { skip }, () => {
  const into = "--data-dir=refused";
  const lines = [
    "",
    "a b",
    `none.db ${into}`,
    `flipped.db ${into}`,
    `nohash.db ${into}`,
    `head.db ${into}`,
    `text.db ${into}`,
    `folder ${into}`,
    "reference.db --data-dir=folder",
    `reference.db ${into} --wal-dir=folder`,
    `reference.db ${into} --name=other`,
    `reference.db ${into} --name=`,
    `reference.db ${into} --initial-cluster=x=y`,
    `reference.db ${into} --initial-cluster=default=http://127.0.0.1:1`,
    `reference.db ${into} --initial-advertise-peer-urls=htt`,
  ];
  for (const line of lines) {
    const args = ["snapshot", "restore", ...line.split(" ").filter((word) => word !== "")];
    const theirs = run(REFERENCE, args);
    rmSync(join(scratch, "refused"), { recursive: true, force: true });
    const ours = run(OURS, args);
    assert.deepEqual(ours, theirs, line);
    assert.equal(existsSync(join(scratch, "refused")), false, line);
  }
  assert.deepEqual(readdirSync(join(scratch, "folder")), []);
});

for (const source of KINDS) {
  test(`what etcdctl restores from ${source}, both servers serve`, { skip }, async () => {
    for (const kind of KINDS) {
      const dataDir = join(scratch, `${source}-${kind}`);
      const args = ["snapshot", "restore", `${source}.db`, "--data-dir", dataDir];
      assert.deepEqual(run(OURS, args), { out: "", err: "", status: 0 });
      await using etcd = await startEtcd({ kind, dataDir });
      const all = { key: base64("\0"), range_end: base64("\0") };
      const { count } = await etcd.call("/v3/kv/range", all);
      assert.equal(count, "8");
    }
  });
}
