/** Backups of members for new clusters, and the search for content of the v2 API. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Request } from "../../api/gen/etcdserver.ts";
import { Entry, EntryType, HardState, type Snapshot } from "../../api/gen/raft.ts";
import { InternalRaftRequest } from "../../api/gen/raft-internal.ts";
import { PutRequest } from "../../api/gen/rpc.ts";
import { ClusterMemberAttrSetRequest } from "../../api/gen/membership.ts";
import { MEMBERS_BUCKET, META_BUCKET } from "../../backend/types.ts";
import { bytesFromUtf8, EMPTY_BYTES, utf8FromBytes } from "../../base/bytes.ts";
import { formatID } from "../../base/ids.ts";
import { readConsistentIndex } from "../../backend/index.ts";
import { encodeDocument, membershipOfDocument } from "../../v2store/index.ts";
import { SnapshotFiles } from "../../snap/index.ts";
import { inspectLog, readLog, RecordType, Wal } from "../../wal/index.ts";
import { type BackupOptions, backupMember } from "./backup.ts";
import { checkV2Store } from "./check-v2store.ts";
import { withDb } from "./db-access.ts";
import { hashFile } from "./hash-kv.ts";
import { memberPaths } from "./member-paths.ts";
import {
  DATA_DIR,
  type Fixture,
  listFiles,
  readFile,
  withDataDirectory,
} from "./testing/fixture.ts";
import { verifyDataDirectory } from "./verify/verify.ts";

const TARGET = "/backup";
const OPTIONS: BackupOptions = {
  dataDirectory: DATA_DIR,
  walDirectory: "",
  backupDirectory: TARGET,
  backupWalDirectory: "",
  withV3: true,
  segmentBytes: 64 * 1024,
};

const v2 = (Method: string, Path: string): Uint8Array =>
  Request.encode(Request.create({ Method, Path, Val: "x" }));
const v3 = (init: Partial<InternalRaftRequest>): Uint8Array =>
  InternalRaftRequest.encode(InternalRaftRequest.create(init));
const PUT = v3({
  header: { ID: 1n, username: "", authRevision: 0 },
  put: PutRequest.create({ key: bytesFromUtf8("a"), value: bytesFromUtf8("b") }),
});

/** The restored member of the fixture (one entry, snapshot at 1), with more entries. */
async function memberWith(...contents: readonly Uint8Array[]): Promise<Fixture> {
  const fixture = await withDataDirectory();
  const { wal: directory } = memberPaths(fixture.disk, DATA_DIR);
  const wal = Wal.open(fixture.deps, directory, { index: 1, term: 1 });
  const entries = contents.map((data, i) => Entry.create({ index: i + 2, term: 2, data }));
  const commit = contents.length + 1;
  await wal.save(HardState.create({ term: 2, vote: 1n, commit }), entries);
  await wal.close();
  return fixture;
}

async function removeMemberInSnapshot({ deps, disk }: Fixture): Promise<void> {
  const files = new SnapshotFiles(deps, memberPaths(disk, DATA_DIR).snap);
  const known = files.loadNewest() as Snapshot;
  const membership = membershipOfDocument(known.data);
  const document = encodeDocument({ ...membership, removedIDs: [77n] });
  await files.save({ ...known, data: document });
}

async function backup(
  { deps }: Fixture,
  change: Partial<BackupOptions> = {},
): Promise<readonly string[]> {
  const remarks: string[] = [];
  await backupMember(deps, { ...OPTIONS, ...change }, (text) => remarks.push(text));
  return remarks;
}

function entriesOf({ deps, disk }: Fixture): readonly Entry[] {
  return readLog(deps, memberPaths(disk, TARGET).wal, { index: 1, term: 1 }).entries;
}

test("a backup keeps keys, requests and indexes, and forgets the old members", async () => {
  const fixture = await memberWith(
    PUT,
    v2("PUT", "/0/members/8e9e05c52164694d/attributes"),
    v2("PUT", "/1/key"),
    v3({ clusterMemberAttrSet: ClusterMemberAttrSetRequest.create({ memberID: 5n }) }),
  );
  const { deps, disk } = fixture;
  await removeMemberInSnapshot(fixture);
  const before = listFiles(disk, DATA_DIR).map((path) =>
    path.endsWith("/") ? path : readFile(disk, path),
  );
  assert.deepEqual(await backup(fixture), [
    "ignoring member attribute update on /0/members/8e9e05c52164694d/attributes",
    "ignoring cluster_member_attr_set",
  ]);
  const data = entriesOf(fixture).map((entry) => [entry.index, entry.term, entry.data.length]);
  assert.deepEqual(data, [
    [2, 2, PUT.length],
    [3, 2, 0],
    [4, 2, v2("PUT", "/1/key").length],
    [5, 2, 0],
  ]);
  const { db, snap } = memberPaths(disk, TARGET);
  const old = memberPaths(disk, DATA_DIR).db;
  assert.deepEqual(await hashFile(deps, db, 0), await hashFile(deps, old, 0));
  const { metadata, data: tree } = new SnapshotFiles(deps, snap).loadNewest() as Snapshot;
  const { members, removedIDs } = membershipOfDocument(tree);
  assert.deepEqual(removedIDs, []);
  assert.deepEqual(
    members.map(({ id }) => id),
    metadata.confState?.voters,
  );
  const id = members[0]?.id ?? 0n;
  assert.notEqual(id, 0x8e9e05c52164694dn);
  await withDb(deps, db, async (backend) => {
    const known: string[] = [];
    backend.scan(MEMBERS_BUCKET, EMPTY_BYTES, undefined, (key) => {
      known.push(utf8FromBytes(key));
      return true;
    });
    assert.deepEqual(known, [formatID(id)]);
    const state = backend.get(META_BUCKET, bytesFromUtf8("confState")) ?? EMPTY_BYTES;
    assert.ok(utf8FromBytes(state).includes(`"voters":[${id}]`));
  });
  assert.deepEqual((await verifyDataDirectory(deps, TARGET, "")).problems, []);
  const after = listFiles(disk, DATA_DIR).map((path) =>
    path.endsWith("/") ? path : readFile(disk, path),
  );
  assert.deepEqual(after, before);
});

test("without v3 data there is a new db that counts as having applied the log", async () => {
  const fixture = await memberWith(PUT, v2("PUT", "/1/key"), PUT);
  const { deps, disk } = fixture;
  const remarks = await backup(fixture, { withV3: false });
  assert.deepEqual(remarks, ["ignoring v3 raft entry", "ignoring v3 raft entry"]);
  const { db } = memberPaths(disk, TARGET);
  assert.equal((await hashFile(deps, db, 0)).revision, 1);
  assert.equal(await withDb(deps, db, async (each) => readConsistentIndex(each)), 4);
});

test("a change of membership in the log becomes an empty entry", async () => {
  const fixture = await withDataDirectory();
  const { disk, deps } = fixture;
  const { snap, wal } = memberPaths(disk, DATA_DIR);
  // Without the snapshot file the log is read from its beginning.
  disk.removeAll(snap);
  disk.makeDirectories(snap, 0o700);
  assert.deepEqual(await backup(fixture, { withV3: false }), [
    "ignoring EntryConfChange raft entry",
  ]);
  assert.equal(
    readLog(deps, wal, { index: 0, term: 0 }).entries[0]?.type,
    EntryType.EntryConfChange,
  );
  const [entry] = readLog(deps, memberPaths(disk, TARGET).wal, { index: 0, term: 0 }).entries;
  assert.deepEqual([entry?.index, entry?.type, entry?.data.length], [1, EntryType.EntryNormal, 0]);
});

test("a snapshot that the log does not know is kept, with a remark", async () => {
  const fixture = await memberWith(PUT, PUT, PUT);
  const { deps, disk } = fixture;
  const files = new SnapshotFiles(deps, memberPaths(disk, DATA_DIR).snap);
  const known = files.loadNewest() as Snapshot;
  await files.save({ ...known, metadata: { ...known.metadata, index: 3, term: 2 } });
  const [first = ""] = await backup(fixture);
  assert.match(first, /^Failed to find the match snapshot record \{Index:3 Term:2\} in wal \/data/);
  const { wal } = memberPaths(disk, TARGET);
  assert.deepEqual(
    readLog(deps, wal, { index: 3, term: 2 }).entries.map(({ index }) => index),
    [4],
  );
  const records = [...inspectLog(deps, wal)].filter(
    (each) => each.kind === "record" && each.type === RecordType.entry,
  );
  assert.equal(records.length, 1);
});

test("what is refused, or fails, leaves nothing", async () => {
  const fixture = await memberWith(PUT);
  const { disk } = fixture;
  disk.makeDirectories("/full/member/snap/x", 0o700);
  const cases: [Partial<BackupOptions>, RegExp][] = [
    [{ dataDirectory: "/none" }, /^open \/none\/member\/snap: no such file or directory$/],
    [{ walDirectory: "/none" }, /^open \/none: no such file or directory$/],
    [{ backupWalDirectory: "/full" }, /^file already exists$/],
    [
      { backupDirectory: "/full" },
      /^failed creating backup snapshot dir \/full\/member\/snap: expected "\/full\/member\/snap" to be empty, got \["x"\]$/,
    ],
  ];
  const before = listFiles(disk, "/");
  for (const [change, message] of cases) {
    await assert.rejects(backup(fixture, change), { message });
    assert.deepEqual(listFiles(disk, "/"), before, String(message));
  }
  for (const operation of ["create", "write", "datasync", "rename", "syncDirectory"] as const) {
    disk.failWhen({ operation, skip: 1, code: "EIO" });
    await assert.rejects(backup(fixture));
    assert.deepEqual(listFiles(disk, "/"), before, operation);
  }
});

test("content of the v2 API is found in the log and in the tree", async () => {
  const own = [
    v2("PUT", "/0/members/8e9e05c52164694d/attributes"),
    v2("PUT", "/0/version"),
    v3({ v2: Request.create({ Method: "PUT", Path: "/0/version" }) }),
  ];
  const clean = await memberWith(PUT, ...own);
  checkV2Store(clean.deps, DATA_DIR, "");
  for (const request of [v2("PUT", "/1/k"), v2("SYNC", ""), v2("DELETE", "/0/version")]) {
    const used = await memberWith(PUT, request);
    assert.throws(() => checkV2Store(used.deps, DATA_DIR, ""), {
      message: "detected custom v2 content in WAL records",
    });
  }
  const node = (children: unknown): unknown => ({ Path: "", Value: "", Children: children });
  const trees: [unknown, boolean][] = [
    [{ "0": node({}), "1": node({}) }, false],
    [{ "1": node({ k: node(null) }) }, true],
    [{ "2": node({ users: node({}), roles: node({}), enabled: node(null) }) }, false],
    [{ "2": node({ users: node({ root: node(null) }) }) }, true],
  ];
  for (const [children, isFound] of trees) {
    const { deps, disk } = await memberWith(PUT);
    const files = new SnapshotFiles(deps, memberPaths(disk, DATA_DIR).snap);
    const known = files.loadNewest() as Snapshot;
    const data = bytesFromUtf8(JSON.stringify({ Root: node(children) }));
    await files.save({ ...known, data });
    const check = (): void => checkV2Store(deps, DATA_DIR, "");
    if (isFound) assert.throws(check, { message: "detected custom content in v2store" });
    else check();
  }
});
