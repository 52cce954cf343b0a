import assert from "node:assert/strict";
import { test } from "node:test";
import { EMPTY_BYTES } from "../base/bytes.ts";
import { Request } from "./gen/etcdserver.ts";
import { KeyValue } from "./gen/kv.ts";
import {
  ConfChange,
  ConfChangeType,
  ConfState,
  Entry,
  HardState,
  Message,
  MessageType,
  Snapshot,
} from "./gen/raft.ts";
import { Snapshot as SnapFile } from "./gen/snap.ts";
import { Record as WalRecord, Snapshot as WalSnapshot } from "./gen/wal.ts";

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

test("an empty raft entry has type, term and index, and no data", () => {
  const entry = Entry.create({ term: 2, index: 2 });
  assert.equal(hex(Entry.encode(entry)), "080010021802");
  assert.deepEqual(Entry.decode(Buffer.from("080010021802", "hex")), entry);
  assert.equal(Entry.decode(Buffer.from("080010021802", "hex")).data, EMPTY_BYTES);
});

test("present but empty data stays present", () => {
  const bytes = Buffer.from("0800100218022200", "hex");
  assert.equal(hex(Entry.encode(Entry.decode(bytes))), hex(bytes));
});

test("zero scalars of raft, WAL and snapshot records are written", () => {
  assert.equal(hex(HardState.encode(HardState.create({ term: 1, commit: 1 }))), "080110001801");
  assert.equal(hex(WalSnapshot.encode(WalSnapshot.create())), "08001000");
  assert.equal(hex(WalRecord.encode(WalRecord.create({ type: 4 }))), "08041000");
  assert.equal(hex(SnapFile.encode(SnapFile.create())), "0800");
  assert.equal(hex(ConfState.encode(ConfState.create())), "2800");
  assert.equal(hex(Snapshot.encode(Snapshot.create())), "12080a02280010001800");
});

test("a heartbeat has all scalars, no snapshot, and the vote field of raft 3.6", () => {
  const heartbeat = Message.create({ type: MessageType.MsgHeartbeat, to: 2n, from: 1n, term: 3 });
  assert.equal(
    hex(Message.encode(heartbeat)),
    "0808" + "1002" + "1801" + "2003" + "2800" + "3000" + "4000" + "5000" + "5800" + "6800",
  );
});

test("a heartbeat of etcd 3.4 with its empty snapshot is read", () => {
  const bytes = Buffer.from(
    "0808100218012003280030004000" + "4a0a12080a02280010001800" + "50005800",
    "hex",
  );
  const message = Message.decode(bytes);
  assert.deepEqual(message.snapshot, Snapshot.create());
  assert.equal(message.vote, 0n);
});

test("conf states write each ID with its own tag, and packed IDs are read too", () => {
  const state = ConfState.create({ voters: [1n, 0x8211f1d0f64f3269n] });
  assert.equal(hex(ConfState.encode(state)), "0801" + "08e9e4bcb28fbafc8882012800");
  assert.deepEqual(ConfState.decode(Buffer.from("0a0201022800", "hex")).voters, [1n, 2n]);
});

test("a conf change without context is id, type and node", () => {
  const change = ConfChange.create({ type: ConfChangeType.ConfChangeRemoveNode, nodeId: 5n });
  assert.equal(hex(ConfChange.encode(change)), "080010011805");
});

test("a v2 request ends with its zero fields and omits the two optional ones", () => {
  const request = Request.create({ ID: 1n, Method: "PUT", Path: "/p", Val: "v" });
  assert.equal(
    hex(Request.encode(request)),
    "0801" +
      "1203505554" +
      "1a022f70" +
      "220176" +
      "28003200380048005000580060006800700078008001" +
      "00",
  );
  const precise = { ...request, PrevExist: false, Refresh: true };
  assert.deepEqual(Request.decode(Request.encode(precise)), precise);
});

test("a stored key-value record omits zeros, and a tombstone holds only its key", () => {
  const record = KeyValue.create({
    key: Buffer.from("foo"),
    createRevision: 2,
    modRevision: 2,
    version: 1,
    value: Buffer.from("bar"),
  });
  assert.equal(hex(KeyValue.encode(record)), "0a03666f6f1002180220012a03626172");
  assert.equal(hex(KeyValue.encode(KeyValue.create({ key: Buffer.from("foo") }))), "0a03666f6f");
  const leased = KeyValue.create({ key: Buffer.from("k"), lease: 0x7fffffffffffffffn });
  assert.equal(hex(KeyValue.encode(leased)), "0a016b30ffffffffffffffff7f");
});
