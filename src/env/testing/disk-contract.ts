/**
 * What every `Disk` must do, as a test suite. Run on the fake and on the real one, so that what is
 * proved with faults on the fake holds on real files too.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DIRECT_BLOCK_BYTES, type Disk, DiskError } from "../disk.ts";

export interface DiskUnderTest {
  readonly disk: Disk;
  /** An empty directory for this test. */
  readonly directory: string;
}

/** Registers the suite. `make` is called once per test; it cleans up by itself. */
export function diskContract(name: string, make: () => DiskUnderTest): void {
  const contract = (
    sentence: string,
    run: (world: DiskUnderTest) => void | Promise<void>,
  ): void => {
    test(`${name}: ${sentence}`, () => run(make()));
  };
  const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

  contract("a created file is empty, writable and has exactly its mode", ({ disk, directory }) => {
    const path = disk.join(directory, "a");
    const file = disk.open(path, { create: true, mode: 0o666 });
    assert.equal(file.size(), 0);
    assert.equal(file.path, path);
    file.writeSync(bytes("hello"), 0);
    file.close();
    const info = disk.stat(path);
    assert.deepEqual(info, { name: "a", isDirectory: false, size: 5, mode: 0o666 });
    disk.open(disk.join(directory, "b"), { create: true }).close();
    assert.equal(disk.stat(disk.join(directory, "b"))?.mode, 0o600);
  });

  contract("opening again keeps content and mode", ({ disk, directory }) => {
    const path = disk.join(directory, "a");
    const first = disk.open(path, { create: true, mode: 0o640 });
    first.writeSync(bytes("abc"), 0);
    first.close();
    disk.open(path, { create: true, mode: 0o600 }).close();
    assert.deepEqual(Buffer.from(disk.readFile(path, 10)), bytes("abc"));
    assert.equal(disk.stat(path)?.mode, 0o640);
    disk.open(path, { write: true, truncate: true }).close();
    assert.equal(disk.stat(path)?.size, 0);
  });

  contract("errors carry the system's code and the path", ({ disk, directory }) => {
    const path = disk.join(directory, "missing");
    const failing: [code: string, call: () => unknown][] = [
      ["ENOENT", () => disk.open(path)],
      ["ENOENT", () => disk.open(path, { write: true })],
      ["ENOENT", () => disk.readFile(path, 10)],
      ["ENOENT", () => disk.readDirectory(path)],
      ["ENOENT", () => disk.remove(path)],
      ["ENOENT", () => disk.rename(path, disk.join(directory, "x"))],
      ["ENOENT", () => disk.syncDirectory(path)],
      ["EEXIST", () => disk.open(disk.join(directory, "f"), { create: true, exclusive: true })],
      ["ENOTDIR", () => disk.makeDirectories(disk.join(directory, "f"), 0o700)],
      ["EFBIG", () => disk.readFile(disk.join(directory, "f"), 2)],
      ["ENOTEMPTY", () => disk.remove(disk.join(directory, "d"))],
    ];
    disk.open(disk.join(directory, "f"), { create: true }).writeSync(bytes("abc"), 0);
    disk.makeDirectories(disk.join(directory, "d", "e"), 0o700);
    for (const [code, call] of failing) {
      assert.throws(call, (error) => {
        assert.ok(error instanceof DiskError, `${code}: ${String(error)}`);
        assert.equal(error.code, code);
        assert.match(error.path, /missing|f|d|x$/);
        return true;
      });
    }
    assert.equal(disk.stat(path), undefined);
  });

  contract("a file opened for reading refuses writes", ({ disk, directory }) => {
    const path = disk.join(directory, "a");
    disk.open(path, { create: true }).close();
    const file = disk.open(path);
    assert.throws(() => file.writeSync(bytes("x"), 0), DiskError);
    file.close();
  });

  contract(
    "reads and writes are positioned, and gaps read as zeros",
    async ({ disk, directory }) => {
      const file = disk.open(disk.join(directory, "a"), { create: true });
      await file.write([bytes("abc"), bytes(""), bytes("defg")], 4);
      file.writeSync(bytes("XY"), 6);
      assert.equal(file.size(), 11);
      const whole = Buffer.alloc(20, 1);
      assert.equal(await file.read(whole, 0), 11);
      assert.deepEqual(whole.subarray(0, 11), bytes("\0\0\0\0abXYefg"));
      const part = Buffer.alloc(3);
      assert.equal(file.readSync(part, 5), 3);
      assert.deepEqual(part, bytes("bXY"));
      assert.equal(file.readSync(part, 11), 0);
      assert.equal(await file.read(part, 99), 0);
      await file.write([], 0);
      file.close();
    },
  );

  contract("direct and other writes in one block keep each other's bytes", async (world) => {
    const { disk, directory } = world;
    const block = DIRECT_BLOCK_BYTES;
    const file = disk.open(disk.join(directory, "a"), { create: true });
    file.preallocateSync(8 * block);
    const expected = Buffer.alloc(9 * block);
    file.writeSync(bytes("before"), 10);
    expected.write("before", 10);
    const direct = async (position: number, data: Buffer): Promise<void> => {
      await file.writeDirect(data, position);
      data.copy(expected, position);
    };
    await direct(block, disk.allocate(2 * block).fill("d"));
    file.writeSync(bytes("cached"), block + 7);
    expected.write("cached", block + 7);
    await direct(0, disk.allocate(block).fill("e"));
    // Not whole blocks, foreign memory, behind the end.
    await direct(5 * block + 3, disk.allocate(block).fill("p"));
    await direct(6 * block + 8, disk.allocate(block).subarray(1, 100).fill("l"));
    await direct(7 * block, Buffer.alloc(block + 1, "m").subarray(1));
    await direct(8 * block, disk.allocate(block).fill("n"));
    await file.datasync();
    const got = Buffer.alloc(10 * block);
    assert.equal(file.readSync(got, 0), expected.length);
    assert.ok(got.subarray(0, expected.length).equals(expected));
    file.close();
  });

  contract("many chunks arrive in order", async ({ disk, directory }) => {
    const file = disk.open(disk.join(directory, "a"), { create: true });
    const chunks = Array.from({ length: 3000 }, (_, i) => Buffer.alloc(1 + (i % 7), i & 0xff));
    await file.write(chunks, 3);
    await file.datasync();
    const expected = Buffer.concat(chunks);
    const got = Buffer.alloc(expected.length);
    assert.equal(file.readSync(got, 3), expected.length);
    assert.ok(got.equals(expected));
    file.close();
  });

  contract("truncation cuts and extends with zeros", ({ disk, directory }) => {
    const file = disk.open(disk.join(directory, "a"), { create: true });
    file.writeSync(bytes("abcdef"), 0);
    file.truncateSync(2);
    file.truncateSync(5);
    const got = Buffer.alloc(5);
    assert.equal(file.readSync(got, 0), 5);
    assert.deepEqual(got, bytes("ab\0\0\0"));
    file.datasyncSync();
    file.close();
  });

  contract("preallocation extends with zeros and never shrinks", ({ disk, directory }) => {
    const file = disk.open(disk.join(directory, "a"), { create: true });
    file.writeSync(bytes("abc"), 0);
    file.preallocateSync(100_000);
    assert.equal(file.size(), 100_000);
    file.preallocateSync(10);
    assert.equal(file.size(), 100_000);
    const got = Buffer.alloc(4, 9);
    file.readSync(got, 0);
    assert.deepEqual(got, bytes("abc\0"));
    file.readSync(got, 99_996);
    assert.deepEqual(got, bytes("\0\0\0\0"));
    file.close();
  });

  contract(
    "directories are made with their mode, listed sorted, removed",
    async ({ disk, directory }) => {
      const deep = disk.join(directory, "x", "y");
      disk.makeDirectories(deep, 0o700);
      disk.makeDirectories(deep, 0o755);
      assert.deepEqual(disk.stat(deep), { ...disk.stat(deep), isDirectory: true, mode: 0o700 });
      assert.equal(disk.stat(disk.join(directory, "x"))?.mode, 0o700);
      for (const name of ["b", "B", "a", "10", "9"]) {
        disk.open(disk.join(deep, name), { create: true }).close();
      }
      assert.deepEqual(disk.readDirectory(deep), ["10", "9", "B", "a", "b"]);
      disk.syncDirectory(deep);
      await disk.syncDirectoryAsync(deep);
      await assert.rejects(disk.syncDirectoryAsync(disk.join(deep, "missing")), { code: "ENOENT" });
      disk.remove(disk.join(deep, "B"));
      assert.deepEqual(disk.readDirectory(deep), ["10", "9", "a", "b"]);
      disk.removeAll(disk.join(directory, "x"));
      disk.removeAll(disk.join(directory, "x"));
      assert.deepEqual(disk.readDirectory(directory), []);
    },
  );

  contract("renaming replaces files and moves directories", ({ disk, directory }) => {
    const at = (name: string): string => disk.join(directory, name);
    for (const name of ["a", "b"]) {
      const file = disk.open(at(name), { create: true });
      file.writeSync(bytes(name), 0);
      file.close();
    }
    disk.rename(at("a"), at("b"));
    assert.deepEqual(Buffer.from(disk.readFile(at("b"), 10)), bytes("a"));
    assert.equal(disk.stat(at("a")), undefined);
    disk.makeDirectories(disk.join(at("d.tmp"), "sub"), 0o700);
    disk.rename(at("d.tmp"), at("d"));
    assert.deepEqual(disk.readDirectory(at("d")), ["sub"]);
    assert.deepEqual(disk.readDirectory(directory), ["b", "d"]);
  });

  contract("an open file outlives its name", ({ disk, directory }) => {
    const path = disk.join(directory, "a");
    const file = disk.open(path, { create: true });
    file.writeSync(bytes("abc"), 0);
    disk.rename(path, disk.join(directory, "b"));
    file.writeSync(bytes("d"), 3);
    assert.deepEqual(Buffer.from(disk.readFile(disk.join(directory, "b"), 10)), bytes("abcd"));
    disk.remove(disk.join(directory, "b"));
    assert.equal(file.size(), 4);
    file.close();
    file.close();
  });

  for (const kind of ["flock", "ofd"] as const) {
    contract(`a second handle cannot take a held ${kind} lock`, ({ disk, directory }) => {
      const path = disk.join(directory, "a");
      const first = disk.open(path, { create: true });
      const second = disk.open(path, { write: true });
      assert.equal(first.tryLock(kind), true);
      assert.equal(first.tryLock(kind), true);
      assert.equal(second.tryLock(kind), false);
      first.close();
      assert.equal(second.tryLock(kind), true);
      second.close();
    });
  }

  contract("overlapping asynchronous writes all arrive", async ({ disk, directory }) => {
    const file = disk.open(disk.join(directory, "a"), { create: true });
    const writes: Promise<void>[] = [];
    for (let i = 0; i < 50; i++) writes.push(file.write([Buffer.alloc(10, i)], i * 10));
    await Promise.all(writes);
    await Promise.all([file.datasync(), file.datasync()]);
    const got = Buffer.alloc(500);
    file.readSync(got, 0);
    for (let i = 0; i < 500; i++) assert.equal(got[i], Math.floor(i / 10));
    file.close();
  });
}
