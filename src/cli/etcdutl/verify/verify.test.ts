/** Damages every file of a member in every way, and expects `verify` to name the file and the place. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HardState } from "../../../api/gen/raft.ts";
import { openBackend, writeConsistentIndex } from "../../../backend/index.ts";
import {
  AUTH_USERS_BUCKET,
  type Backend,
  KEY_BUCKET,
  LEASE_BUCKET,
  MEMBERS_BUCKET,
  META_BUCKET,
} from "../../../backend/types.ts";
import { bytesFromUtf8, EMPTY_BYTES } from "../../../base/bytes.ts";
import { encodeKeyValue, encodeTombstone } from "../../../mvcc/testing/records.ts";
import { encodeRevisionKey } from "../../../base/revision-key.ts";
import { Wal } from "../../../wal/index.ts";
import { memberPaths } from "../member-paths.ts";
import {
  DATA_DIR,
  type Fixture,
  onlyFile,
  readFile,
  SNAPSHOT,
  withDataDirectory,
  withSnapshot,
  writeFile,
} from "../testing/fixture.ts";
import type { Problem, VerifyReport } from "./report.ts";
import { verifyDataDirectory, verifySnapshot } from "./verify.ts";

const verify = ({ deps }: Fixture): Promise<VerifyReport> =>
  verifyDataDirectory(deps, DATA_DIR, "");

function damages(report: VerifyReport): Problem[] {
  return report.problems.filter(({ severity }) => severity === "damage");
}

/** Where the bytes of a file end that are not just reserved. */
function usedBytes(content: Buffer): number {
  let end = content.length;
  while (end > 0 && content[end - 1] === 0) end--;
  return end;
}

test("any flipped byte of the log is named with the segment and an offset at or before it", async () => {
  const fixture = await withDataDirectory();
  const path = onlyFile(fixture.disk, "/data/member/wal", ".wal");
  const good = readFile(fixture.disk, path);
  for (let at = 0; at < usedBytes(good); at++) {
    const bad = Buffer.from(good);
    bad[at] = (bad[at] ?? 0) ^ 0x10;
    writeFile(fixture.disk, path, bad);
    const { problems } = await verify(fixture);
    const found = problems.find(({ file }) => file === path);
    assert.ok(found !== undefined, `byte ${at}: ${JSON.stringify(problems)}`);
    const offset = Number(/^offset (\d+)$/.exec(found.where)?.[1]);
    assert.ok(offset <= at, `byte ${at}: ${JSON.stringify(found)}`);
  }
});

test("a log that is cut short is named, and damaged if it lacks what the db has applied", async () => {
  const fixture = await withDataDirectory();
  const path = onlyFile(fixture.disk, "/data/member/wal", ".wal");
  const good = readFile(fixture.disk, path);
  for (let length = 0; length < usedBytes(good); length += 8) {
    writeFile(fixture.disk, path, good.subarray(0, length));
    const report = await verify(fixture);
    assert.notDeepEqual(report.problems, [], `cut at ${length}`);
    const entriesAreWhole = report.facts.some(({ text }) => text.includes("entries 1 to 1"));
    assert.equal(report.isSound, entriesAreWhole, `cut at ${length}`);
  }
});

test("any flipped byte of a snapshot file of raft is named", async () => {
  const fixture = await withDataDirectory();
  const path = onlyFile(fixture.disk, "/data/member/snap", ".snap");
  const good = readFile(fixture.disk, path);
  for (let at = 0; at < good.length; at += at < 200 ? 1 : 61) {
    const bad = Buffer.from(good);
    bad[at] = (bad[at] ?? 0) ^ 1;
    writeFile(fixture.disk, path, bad);
    const found = damages(await verify(fixture));
    assert.ok(
      found.some(({ file }) => file === path),
      `byte ${at}: ${JSON.stringify(found)}`,
    );
  }
  for (const length of [0, 1, 100, good.length - 1]) {
    writeFile(fixture.disk, path, good.subarray(0, length));
    const found = damages(await verify(fixture));
    assert.ok(found.some(({ file }) => file === path));
  }
});

test("any flipped byte or missing end of a snapshot file is named", async () => {
  const { deps, disk } = await withSnapshot();
  assert.deepEqual((await verifySnapshot(deps, SNAPSHOT)).problems, []);
  const good = readFile(disk, SNAPSHOT);
  for (let at = 0; at < good.length; at += 499) {
    const bad = Buffer.from(good);
    bad[at] = (bad[at] ?? 0) ^ 0x80;
    writeFile(disk, SNAPSHOT, bad);
    const found = damages(await verifySnapshot(deps, SNAPSHOT));
    assert.ok(
      found.some(({ what }) => what.startsWith("expected sha256")),
      `byte ${at}`,
    );
  }
  for (const cut of [1, 31, 32, 33, 512, 4096, good.length - 100, good.length]) {
    writeFile(disk, SNAPSHOT, good.subarray(0, good.length - cut));
    const { problems } = await verifySnapshot(deps, SNAPSHOT);
    assert.notDeepEqual(problems, [], `cut by ${cut}`);
  }
});

test("a db with a damaged page is named with the page", async () => {
  const fixture = await withDataDirectory();
  const { db: path } = memberPaths(fixture.disk, DATA_DIR);
  const good = readFile(fixture.disk, path);
  let pagesInUse = 0;
  for (let page = 2; page * 4096 < good.length; page++) {
    const bad = Buffer.from(good);
    // Its flags: neither branch nor leaf.
    bad.writeUInt16LE(0x77, page * 4096 + 8);
    writeFile(fixture.disk, path, bad);
    const found = damages(await verify(fixture));
    if (found.length === 0) continue;
    pagesInUse++;
    assert.deepEqual(found[0], {
      severity: "damage",
      file: path,
      where: `page ${page}`,
      what: "flags 0x77 are neither branch nor leaf",
    });
  }
  assert.ok(pagesInUse >= 2);
  const head = Buffer.from(good);
  head.fill(0xee, 0, 8192);
  for (const bad of [head, good.subarray(0, 4096), good.subarray(0, good.length / 2)]) {
    writeFile(fixture.disk, path, bad);
    assert.ok(damages(await verify(fixture)).some(({ file }) => file === path));
  }
});

async function changeDb(fixture: Fixture, change: (db: Backend) => void): Promise<void> {
  const db = await openBackend(fixture.deps, memberPaths(fixture.disk, DATA_DIR).db);
  change(db);
  await db.close();
}

const put = (db: Backend, main: number, sub: number, record: Uint8Array, deleted = false): void =>
  db.put(KEY_BUCKET, encodeRevisionKey(main, sub, deleted), record);

/** Revision 60 is the last one; k0 was put there, "leased" holds the lease. */
const WRONG_CONTENT: readonly (readonly [string, (db: Backend) => void, RegExp, RegExp])[] = [
  [
    "a record that is missing",
    (db) => db.delete(KEY_BUCKET, encodeRevisionKey(55, 0, false)),
    /^bucket key, revision 56\/0$/,
    /^it follows 54\/0: records between them are missing$/,
  ],
  [
    "a record that cannot be decoded",
    (db) => put(db, 61, 0, Buffer.from([0x0a, 0x7f])),
    /revision 61\/0$/,
    /^the record cannot be decoded/,
  ],
  [
    "a record of another revision",
    (db) => put(db, 61, 0, encodeKeyValue("new", 61, 62, 1, EMPTY_BYTES, 0n)),
    /revision 61\/0$/,
    /^key "new" says mod revision 62$/,
  ],
  [
    "a version that was skipped",
    (db) => put(db, 61, 0, encodeKeyValue("leased", 10, 61, 99, EMPTY_BYTES, 0n)),
    /revision 61\/0$/,
    /^key "leased" has version 99 of creation 10, before it version 6 of 10$/,
  ],
  [
    "a deletion of what does not exist",
    (db) => put(db, 61, 0, encodeTombstone("never"), true),
    /revision 61\/0$/,
    /^key "never" is deleted although it does not exist$/,
  ],
  [
    "a key that is no revision",
    (db) => db.put(KEY_BUCKET, bytesFromUtf8("x"), EMPTY_BYTES),
    /^bucket key, key "x"$/,
    /^it is no revision$/,
  ],
  [
    "a lease that cannot be decoded",
    (db) => db.put(LEASE_BUCKET, Buffer.alloc(8, 1), Buffer.from([0xff])),
    /^bucket lease, key /,
    /^it cannot be decoded/,
  ],
  [
    "a lease under the id of another one",
    (db) => db.put(LEASE_BUCKET, Buffer.alloc(8, 1), EMPTY_BYTES),
    /^bucket lease, key /,
    /^it holds lease 0$/,
  ],
  [
    "a member that is no JSON",
    (db) => db.put(MEMBERS_BUCKET, bytesFromUtf8("1"), bytesFromUtf8("{")),
    /^bucket members, key "1"$/,
    /^it is not the JSON expected/,
  ],
  [
    "a user under another name",
    (db) => db.put(AUTH_USERS_BUCKET, bytesFromUtf8("u"), EMPTY_BYTES),
    /^bucket authUsers, key "u"$/,
    /^it holds user ""$/,
  ],
  [
    "a compaction mark that is no revision",
    (db) => db.put(META_BUCKET, bytesFromUtf8("finishedCompactRev"), bytesFromUtf8("?")),
    /^bucket meta, key "finishedCompactRev"$/,
    /^"\?" is no revision$/,
  ],
  [
    "a db ahead of the log",
    (db) => writeConsistentIndex(db, 50, 1),
    /^bucket meta, consistent_index$/,
    /^the db is at entry 50, but the log ends at 1$/,
  ],
  [
    "a db behind the snapshot",
    (db) => writeConsistentIndex(db, 0, 1),
    /^bucket meta, consistent_index$/,
    /^the db is at entry 0, behind the snapshot at 1$/,
  ],
  [
    "a db of another term than the log",
    (db) => writeConsistentIndex(db, 1, 7),
    /^bucket meta, consistent_index$/,
    /^entry 1 has term 7 here and 1 in the log$/,
  ],
];

for (const [name, change, where, what] of WRONG_CONTENT) {
  test(`wrong content of the db is named: ${name}`, async () => {
    const fixture = await withDataDirectory();
    await changeDb(fixture, change);
    const found = damages(await verify(fixture));
    assert.ok(
      found.some((each) => where.test(each.where) && what.test(each.what)),
      JSON.stringify(found),
    );
  });
}

test("a key whose lease is gone is a warning", async () => {
  const fixture = await withDataDirectory();
  await changeDb(fixture, (db) => {
    const key = Buffer.alloc(8);
    key.writeBigInt64BE(77n);
    db.delete(LEASE_BUCKET, key);
  });
  const report = await verify(fixture);
  assert.ok(report.isSound);
  assert.deepEqual(
    report.problems.map(({ where, what }) => [where, what]),
    [["bucket lease", 'lease 4d of key "leased" does not exist']],
  );
});

async function cutLogTwice(fixture: Fixture): Promise<void> {
  const wal = Wal.open(
    fixture.deps,
    "/data/member/wal",
    { index: 1, term: 1 },
    { segmentBytes: 65_536 },
  );
  wal.readAll();
  for (const term of [2, 3]) {
    await wal.save(HardState.create({ term, vote: 1n, commit: 1 }), []);
    await wal.cut();
  }
  await wal.close();
}

test("missing parts are named", async () => {
  const fixture = await withDataDirectory();
  const { disk } = fixture;
  await cutLogTwice(fixture);
  assert.deepEqual((await verify(fixture)).problems, []);
  const segments = disk.readDirectory("/data/member/wal").filter((name) => name.endsWith(".wal"));
  const [, middle, last] = segments.map((name) => `/data/member/wal/${name}`);
  disk.remove(middle ?? "");
  const gap = damages(await verify(fixture));
  assert.equal(gap[0]?.file, last);
  assert.match(gap[0]?.what ?? "", /^the segment before it, 0000000000000001-\*\.wal, is missing$/);

  const second = await withDataDirectory();
  const paths = memberPaths(second.disk, DATA_DIR);
  second.disk.remove(paths.db);
  assert.ok(damages(await verify(second)).some(({ what }) => what === "there is no db"));
  second.disk.removeAll(paths.wal);
  assert.ok(damages(await verify(second)).some(({ what }) => what === "there is no log"));
  await assert.rejects(verifyDataDirectory(second.deps, "/elsewhere", ""), /no such file/);
});

test("verifying changes nothing", async () => {
  const fixture = await withDataDirectory();
  const before = fixture.disk.writePoints;
  await verify(fixture);
  await verifySnapshot(fixture.deps, SNAPSHOT);
  assert.equal(fixture.disk.writePoints, before);
});
