/**
 * Data directories that etcd 3.4 has made and left in a state of its own: after a restore, and with
 * data of the v2 API.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { binaryOf, missing, startEtcd, versionOf } from "./harness.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const ETCDCTL = process.env.ETCDCTL ?? "etcdctl";
const scratch = mkdtempSync(join(tmpdir(), "etcd-older-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

const isOld = versionOf("reference")?.startsWith("3.4.") === true;
const skip = missing("ours", "reference") || (isOld ? false : "needs etcd 3.4");
const base64 = (text: string): string => Buffer.from(text).toString("base64");

function etcdctl(...args: string[]): void {
  const { PATH = "" } = process.env;
  const env = { PATH, HOME: scratch, ETCDCTL_API: "3" };
  const { status, stderr } = spawnSync(ETCDCTL, args, { encoding: "utf8", env, cwd: scratch });
  assert.equal(status, 0, stderr);
}

/** The files in a directory, by path. */
function contentOf(directory: string): Map<string, Buffer> {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((found) => found.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  return new Map(files.sort().map((path) => [path, readFileSync(path)]));
}

function namesOf(members: unknown): unknown[] {
  assert.ok(Array.isArray(members));
  return members.map(({ name }: { name?: unknown }) => name);
}

test(
  "a directory that etcdctl 3.4 restored and etcd 3.4 ran lists one member",
  { skip },
  async () => {
    const backup = join(scratch, "backup.db");
    {
      await using old = await startEtcd({ kind: "reference", name: "old" });
      await old.call("/v3/kv/put", { key: base64("kept"), value: base64("value") });
      etcdctl(`--endpoints=${old.clientUrl}`, "snapshot", "save", backup);
    }
    const restored = join(scratch, "restored");
    const url = "http://127.0.0.1:1";
    const cluster = [`--initial-cluster=new=${url}`, `--initial-advertise-peer-urls=${url}`];
    etcdctl("snapshot", "restore", backup, "--name=new", `--data-dir=${restored}`, ...cluster);
    const fresh = join(scratch, "fresh");
    cpSync(restored, fresh, { recursive: true });
    {
      await using ran = await startEtcd({ kind: "reference", name: "new", dataDir: restored });
      await ran.call("/v3/kv/put", { key: base64("more"), value: base64("value") });
    }
    for (const dataDir of [fresh, restored]) {
      await using ours = await startEtcd({ name: "new", dataDir });
      const { members } = await ours.call("/v3/cluster/member/list", {});
      assert.deepEqual(namesOf(members), ["new"]);
    }
  },
);

for (const where of ["log", "snapshot"]) {
  test(`data of the v2 API in the ${where} is refused, in etcd's words`, { skip }, async () => {
    const dataDir = join(scratch, `v2-${where}`);
    const flags = ["--enable-v2", ...(where === "snapshot" ? ["--snapshot-count=3"] : [])];
    {
      await using old = await startEtcd({ kind: "reference", dataDir, flags });
      const body = new URLSearchParams({ value: "v" });
      const put = await fetch(`${old.clientUrl}/v2/keys/k`, { method: "PUT", body });
      assert.equal(put.status, 201);
      for (let i = 0; i < 10; i++) {
        await old.call("/v3/kv/put", { key: base64("k"), value: base64(`${i}`) });
      }
    }
    const before = contentOf(dataDir);
    const { PATH = "" } = process.env;
    const env = { PATH, ETCD_NODE: process.execPath };
    const args = [
      `--data-dir=${dataDir}`,
      "--listen-client-urls=http://127.0.0.1:0",
      "--advertise-client-urls=http://127.0.0.1:0",
      "--listen-peer-urls=http://127.0.0.1:0",
    ];
    const options = { encoding: "utf8", env, timeout: PATIENCE_MS } as const;
    const { status, stderr } = spawnSync(binaryOf("ours"), args, options);
    assert.equal(status, 1);
    assert.deepEqual(contentOf(dataDir), before, "a refusal changes nothing");
    assert.match(stderr, /detected disallowed (?:v2 WAL|custom content in v2store) for stage/);
    assert.match(stderr, /--v2-deprecation=write-only.*start with --enable-v2/);
    await using ours = await startEtcd({ dataDir, flags: ["--enable-v2"] });
    const found = await fetch(`${ours.clientUrl}/v2/keys/k`);
    assert.equal(((await found.json()) as { node?: { value?: string } }).node?.value, "v");
    const { kvs } = await ours.call("/v3/kv/range", { key: base64("k") });
    assert.equal((kvs as { value?: string }[])[0]?.value, base64("9"));
  });
}
