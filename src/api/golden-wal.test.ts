/**
 * The first records of a WAL that Debian's etcd 3.4.23 wrote, and one entry of etcd 3.6.14: what we
 * read from them encodes to the same bytes, and the checksums chain.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { latin1FromBytes, utf8FromBytes } from "../base/bytes.ts";
import { crc32c } from "../base/crc32c.ts";
import { DecodeError } from "../base/wire.ts";
import { Metadata, Request } from "./gen/etcdserver.ts";
import { ConfChange, Entry, EntryType, HardState } from "./gen/raft.ts";
import { InternalRaftRequest } from "./gen/raft-internal.ts";
import { Record as WalRecord, Snapshot as WalSnapshot } from "./gen/wal.ts";

const RECORDS = [
  "08041000",
  "0801109da7b20c1a1608d4eba49298c9fdf7b50110f99db6b4e198cfe0d601",
  "080510ab90f18c0a1a0408001000",
  "0802108db2e3ea041a6a08011001180122620800100018d4eba49298c9fdf7b50122517b226964223a3133313039" +
    "3936373833353837373638343639322c227065657255524c73223a5b22687474703a2f2f3132372e302e302e31" +
    "3a3231303131225d2c226e616d65223a226e3231303130227d",
  "08031097e0ab850d1a06080110001801",
  "080210cdeaddcd0a1a06080010021802",
  "080210cd98b1b30f1a92010800100218032289010881c88dccbbbfa8ea3512035055541a262f302f6d656d626572" +
    "732f623565666636343938323439333564342f6174747269627574657322397b226e616d65223a226e32313031" +
    "30222c22636c69656e7455524c73223a5b22687474703a2f2f3132372e302e302e313a3231303130225d7d2800" +
    "320038004800500058006000680070007800800100",
  "080310d2ed89b20f1a0f080210d4eba49298c9fdf7b5011803",
  "080210a7b4ed97071a4108001002180422390884c88dccbbbfa8ea3512035055541a0a2f302f76657273696f6e22" +
    "05332e342e302800320038004800500058006000680070007800800100",
  "080310ed8e8cdf0a1a0f080210d4eba49298c9fdf7b5011804",
  "080210f4c7f8b3041a1e080010021805221622070a016112026231a2060a0885c88dccbbbfa8ea35",
].map((text) => Buffer.from(text, "hex"));

function same(actual: Uint8Array, expected: Uint8Array): void {
  assert.equal(Buffer.from(actual).toString("hex"), Buffer.from(expected).toString("hex"));
}

test("every record encodes to the bytes it came from, and its checksum covers all before it", () => {
  let crc = 0;
  for (const bytes of RECORDS) {
    const record = WalRecord.decode(bytes);
    same(WalRecord.encode(record), bytes);
    crc = crc32c(record.data, crc);
    assert.equal(record.crc, crc);
  }
});

test("metadata, snapshot, state and entries encode to the bytes they came from", () => {
  const codecs = { 1: Metadata, 2: Entry, 3: HardState, 5: WalSnapshot } as const;
  for (const { type, data } of RECORDS.map((bytes) => WalRecord.decode(bytes))) {
    if (type === 4) continue;
    const codec = codecs[type as keyof typeof codecs];
    same(codec.encode(codec.decode(data) as never), data);
  }
});

test("what the entries carry is read, and encodes to the same bytes", () => {
  const entries = RECORDS.map((bytes) => WalRecord.decode(bytes))
    .filter((record) => record.type === 2)
    .map((record) => Entry.decode(record.data));
  const [bootstrap, empty, attributes, version, put] = entries;
  assert.ok(bootstrap && empty && attributes && version && put);

  assert.equal(bootstrap.type, EntryType.EntryConfChange);
  const change = ConfChange.decode(bootstrap.data);
  same(ConfChange.encode(change), bootstrap.data);
  assert.equal(
    utf8FromBytes(change.context),
    '{"id":13109967835877684692,"peerURLs":["http://127.0.0.1:21011"],"name":"n21010"}',
  );

  assert.equal(empty.data.length, 0);

  for (const [entry, path] of [
    [attributes, "/0/members/b5eff649824935d4/attributes"],
    [version, "/0/version"],
  ] as const) {
    assert.throws(() => InternalRaftRequest.decode(entry.data), DecodeError);
    const request = Request.decode(entry.data);
    assert.equal(request.Path, path);
    same(Request.encode(request), entry.data);
  }

  const request = InternalRaftRequest.decode(put.data);
  same(InternalRaftRequest.encode(request), put.data);
  assert.equal(latin1FromBytes(request.put?.key ?? new Uint8Array()), "a");
  // The request ID starts with the low 16 bits of the member's ID, b5eff649824935d4.
  assert.equal((request.header?.ID ?? 0n) >> 48n, 0x35d4n);
});

test("a learner's conf change of etcd 3.6 encodes to the same bytes", () => {
  const bytes = Buffer.from(
    "080110021805226b0883aaccddbbbfe8be6010031885ccf2bdc59392e0e70122527b226964223a31363639393432" +
      "373235343631333837383237372c227065657255524c73223a5b22687474703a2f2f3132372e302e302e313a32" +
      "31303939225d2c2269734c6561726e6572223a747275657d",
    "hex",
  );
  const entry = Entry.decode(bytes);
  same(Entry.encode(entry), bytes);
  same(ConfChange.encode(ConfChange.decode(entry.data)), entry.data);
});
