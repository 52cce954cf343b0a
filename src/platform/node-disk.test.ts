import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import nodeFs, * as fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { createServer } from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { after, test } from "node:test";
import { DiskError } from "../env/disk.ts";
import { diskContract } from "../env/testing/disk-contract.ts";
import { NodeDisk } from "./node-disk.ts";
import { isFullPlatform } from "./system-calls.ts";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "node-disk-"));
after(() => fs.rmSync(root, { recursive: true, force: true }));

function freshDirectory(): string {
  return fs.mkdtempSync(path.join(root, "t-"));
}

const NO_PIPES = process.platform === "win32" ? "there are no such files" : false;

diskContract("NodeDisk", () => ({ disk: new NodeDisk(), directory: freshDirectory() }));

test("what is no regular file is refused at once, by name", { skip: NO_PIPES }, async () => {
  const directory = freshDirectory();
  const pipe = path.join(directory, "pipe");
  assert.equal(spawnSync("mkfifo", [pipe]).status, 0);
  const socket = path.join(directory, "socket");
  const server = createServer().listen(socket);
  await once(server, "listening");
  const kinds: [found: string, code: string, words: string][] = [
    [pipe, "EFTYPE", "is a named pipe, not a regular file"],
    [socket, "EFTYPE", "is a socket, not a regular file"],
    ["/dev/null", "EFTYPE", "is a device, not a regular file"],
    [directory, "EISDIR", "is a directory"],
  ];
  const disk = new NodeDisk();
  for (const [found, code, words] of kinds) {
    const opened = new DiskError(code, found, `open ${found}: ${words}`);
    assert.throws(() => disk.open(found), opened);
    assert.throws(() => disk.open(found, { write: true }), opened);
    assert.throws(() => disk.open(found, { create: true, truncate: true }), opened);
    const read = new DiskError(code, found, `read ${found}: ${words}`);
    assert.throws(() => disk.readFile(found, 100), read);
  }
  server.close();
});

test("modes do not depend on the umask", () => {
  const directory = freshDirectory();
  const disk = new NodeDisk();
  const before = process.umask(0o077);
  try {
    disk.open(path.join(directory, "f"), { create: true, mode: 0o644 }).close();
    disk.makeDirectories(path.join(directory, "d"), 0o755);
  } finally {
    process.umask(before);
  }
  assert.equal(disk.stat(path.join(directory, "f"))?.mode, 0o644);
  assert.equal(disk.stat(path.join(directory, "d"))?.mode, 0o755);
});

test("an error says the call, the path and the reason in the system's words", () => {
  const missing = path.join(freshDirectory(), "missing");
  assert.throws(
    () => new NodeDisk().open(missing),
    new DiskError("ENOENT", missing, `open ${missing}: no such file or directory`),
  );
});

test("preallocation reserves real blocks", { skip: !isFullPlatform }, () => {
  const file = path.join(freshDirectory(), "f");
  const open = new NodeDisk().open(file, { create: true });
  open.preallocateSync(4_000_000);
  open.close();
  assert.ok(fs.statSync(file).blocks * 512 >= 4_000_000);
});

test("flock is seen by other processes", { skip: !isFullPlatform }, (t) => {
  const lockFile = path.join(freshDirectory(), "f");
  const open = new NodeDisk().open(lockFile, { create: true });
  const tryFromOutside = () => spawnSync("flock", ["--nonblock", lockFile, "true"]);
  if (tryFromOutside().error) {
    open.close();
    t.skip("the flock command is not installed");
    return;
  }
  assert.equal(open.tryLock("flock"), true);
  assert.equal(tryFromOutside().status, 1);
  open.close();
  assert.equal(tryFromOutside().status, 0);
});

const NO_DIRECT = isFullPlatform ? false : "there are no such writes";

test(
  "a file system that refuses direct writes gets ordinary ones",
  { skip: NO_DIRECT },
  async (context) => {
    const disk = new NodeDisk();
    const file = disk.open(path.join(freshDirectory(), "f"), { create: true });
    const refused: number[] = [];
    const ownWrite = nodeFs.write;
    context.mock.method(nodeFs, "write", (fd: number, ...rest: unknown[]) => {
      const flags = /flags:\s+(\d+)/.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1];
      const isDirect = (Number.parseInt(flags ?? "0", 8) & fs.constants.O_DIRECT) !== 0;
      if (!isDirect) return Reflect.apply(ownWrite, nodeFs, [fd, ...rest]);
      refused.push(fd);
      (rest.at(-1) as (error: Error) => void)(Object.assign(new Error("no"), { code: "EINVAL" }));
    });
    syncBuiltinESMExports();
    try {
      for (const position of [0, 8192])
        await file.writeDirect(disk.allocate(8192).fill("x"), position);
    } finally {
      context.mock.restoreAll();
      syncBuiltinESMExports();
    }
    assert.equal(refused.length, 1);
    assert.ok(Buffer.from(disk.readFile(file.path, 20_000)).equals(Buffer.alloc(16_384, "x")));
    file.close();
  },
);
