/** Each rule that the checkers know, broken by records that have good checksums. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Metadata } from "../../../api/gen/etcdserver.ts";
import {
  ConfState,
  Entry,
  HardState,
  type Snapshot as RaftSnapshot,
} from "../../../api/gen/raft.ts";
import { KeyValue } from "../../../api/gen/kv.ts";
import { Snapshot } from "../../../api/gen/wal.ts";
import { bytesFromUtf8 } from "../../../base/bytes.ts";
import { encodeRevisionKey } from "../../../base/revision-key.ts";
import { encodeSnapFile, SnapshotFiles } from "../../../snap/index.ts";
import { type LogFinding, RecordType } from "../../../wal/index.ts";
import { memberPaths } from "../member-paths.ts";
import { DATA_DIR, withDataDirectory, writeFile } from "../testing/fixture.ts";
import { HistoryChecker } from "./history-checker.ts";
import { LogChecker } from "./log-checker.ts";
import { VerifyReport } from "./report.ts";
import { verifyDataDirectory } from "./verify.ts";

const FILE = "/wal/0.wal";
const record = (type: number, data: Uint8Array = new Uint8Array()): LogFinding => ({
  kind: "record",
  place: { file: FILE, offset: 8 },
  type,
  crc: 0,
  data,
});
const identity = (id: bigint): LogFinding =>
  record(RecordType.metadata, Metadata.encode(Metadata.create({ NodeID: id, ClusterID: 2n })));
const entry = (index: number, term: number, data = new Uint8Array(), type = 0): LogFinding =>
  record(RecordType.entry, Entry.encode(Entry.create({ index, term, data, type })));
const state = (term: number, vote: bigint, commit: number): LogFinding =>
  record(RecordType.state, HardState.encode(HardState.create({ term, vote, commit })));
const segment = (sequence: number, firstIndex: number): LogFinding => ({
  kind: "segment",
  file: FILE,
  segment: { name: FILE, sequence, firstIndex },
});
const HEAD = [segment(0, 0), record(RecordType.crc), identity(1n)];

function problemsOfLog(findings: readonly LogFinding[]): string[] {
  const report = new VerifyReport();
  const checker = new LogChecker(report);
  for (const finding of findings) checker.apply(finding);
  checker.finish();
  return report.problems.map(({ what }) => what);
}

test("records of a log that contradict each other are named", () => {
  const garbage = Uint8Array.of(0xff, 0xff, 0xff);
  const rows: [readonly LogFinding[], string[]][] = [
    [[...HEAD, entry(1, 1), state(1, 5n, 1), entry(2, 2), state(2, 0n, 2)], []],
    [[segment(0, 0), identity(1n)], ["the segment does not begin with a checksum"]],
    [
      [segment(0, 0), record(RecordType.crc), state(1, 0n, 0)],
      ["the segment has no metadata at its head"],
    ],
    [
      [...HEAD, segment(1, 1), record(RecordType.crc), identity(9n)],
      ["its metadata names another member or cluster than the segments before"],
    ],
    [[...HEAD, record(99)], ["unknown record type 99"]],
    [[...HEAD, entry(0, 1)], ["impossible entry with index 0 and term 1"]],
    [[...HEAD, entry(1, 0)], ["impossible entry with index 1 and term 0"]],
    [[...HEAD, entry(1, 1), entry(4, 1)], ["entry 4 follows 1: 2 are missing"]],
    [
      [...HEAD, entry(1, 1), entry(2, 1), state(1, 0n, 2), entry(2, 1)],
      ["entry 2 is written again although 2 is committed"],
    ],
    [[...HEAD, entry(1, 3), entry(2, 2)], ["entry 2 has term 2, the one before it 3"]],
    [[...HEAD, entry(1, 1, garbage)], ["entry 1: its request cannot be decoded"]],
    [[...HEAD, entry(1, 1, garbage, 1)], ["entry 1: its conf change cannot be decoded"]],
    [[...HEAD, entry(1, 1, garbage, 2)], ["entry 1: its conf change cannot be decoded"]],
    [[...HEAD, entry(1, 1, garbage, 7)], ["entry 1: unknown type 7"]],
    [[...HEAD, state(3, 0n, 0), state(2, 0n, 0)], ["term 2 after term 3"]],
    [
      [...HEAD, entry(1, 1), entry(2, 1), state(1, 0n, 2), state(1, 0n, 1)],
      ["commit 1 after commit 2"],
    ],
    [[...HEAD, state(3, 5n, 0), state(3, 6n, 0)], ["a second vote in term 3"]],
    [
      [...HEAD, entry(1, 1), state(1, 0n, 3)],
      ["commit 3 is beyond the last entry 1: entries are missing"],
    ],
    [
      [...HEAD, record(RecordType.snapshot, Snapshot.encode(Snapshot.create({ index: 9 })))].concat(
        entry(10, 1),
      ),
      [],
    ],
  ];
  for (const [findings, expected] of rows) assert.deepEqual(problemsOfLog(findings), expected);
  const [undecodable] = problemsOfLog([...HEAD, record(RecordType.state, garbage)]);
  assert.match(undecodable ?? "", /^record of type 3 cannot be decoded: /);
});

interface Put {
  readonly main: number;
  readonly key?: string;
  readonly create?: number;
  readonly mod?: number;
  readonly version?: number;
}

function problemsOfHistory(puts: readonly Put[], compacted = 0): string[] {
  const report = new VerifyReport();
  const marks = { scheduled: compacted, finished: compacted };
  const checker = new HistoryChecker("/db", marks, report);
  for (const { main, key = "k", create = main, mod = main, version = 1 } of puts) {
    const kv = KeyValue.create({
      key: bytesFromUtf8(key),
      createRevision: create,
      modRevision: mod,
      version,
    });
    checker.record(encodeRevisionKey(main, 0, false), KeyValue.encode(kv));
  }
  return report.problems.map(({ what }) => what);
}

test("records of the history that contradict each other are named", () => {
  const rows: [readonly Put[], number, string[]][] = [
    [[{ main: 2 }, { main: 3, create: 2, version: 2 }], 0, []],
    [[{ main: 2, key: "" }], 0, ["the record has no key"]],
    [[{ main: 2, mod: 7 }], 0, ['key "k" says mod revision 7']],
    [[{ main: 2, version: 0 }], 0, ['key "k" has version 0']],
    [
      [{ main: 2, create: 9, version: 1 }],
      0,
      ['key "k" has create revision 9', 'key "k" is new but says create revision 9'],
    ],
    [
      [
        { main: 2, key: "a" },
        { main: 3, create: 2 },
      ],
      0,
      ['key "k" is new but says create revision 2'],
    ],
    [[{ main: 2, create: 2, version: 4 }], 0, ['key "k" has version 4, but nothing is before it']],
    [[{ main: 6, create: 2, version: 4 }], 6, []],
  ];
  for (const [puts, compacted, expected] of rows) {
    assert.deepEqual(problemsOfHistory(puts, compacted), expected, JSON.stringify(puts));
  }
});

test("snapshot files that lie about themselves are named", async () => {
  const { deps, disk } = await withDataDirectory();
  const { snap } = memberPaths(disk, DATA_DIR);
  const files = new SnapshotFiles(deps, snap);
  const known = files.loadNewest() as RaftSnapshot;
  const problems = async (): Promise<string[]> => {
    const report = await verifyDataDirectory(deps, DATA_DIR, "");
    return report.problems.map(({ what }) => what);
  };
  assert.deepEqual(await problems(), []);
  const name = "0000000000000001-0000000000000001.snap";
  const confState = ConfState.create({ voters: [77n] });
  const stranger = { ...known, metadata: { ...known.metadata, confState } };
  writeFile(disk, `${snap}/${name}`, encodeSnapFile(stranger));
  assert.deepEqual(await problems(), ["its members lack 4d of its raft configuration"]);
  const other = { ...known, metadata: { ...known.metadata, index: 5, term: 4 } };
  writeFile(disk, `${snap}/${name}`, encodeSnapFile(other));
  assert.ok((await problems()).includes("its content is of term 4 and index 5"));
});
