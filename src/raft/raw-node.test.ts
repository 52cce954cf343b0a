/** What callers of RawNode rely on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfChangeType, type Entry, EntryType, MessageType } from "../api/gen/raft.ts";
import { bytesFromUtf8, EMPTY_BYTES } from "../base/bytes.ts";
import { newEntry } from "./messages.ts";
import { quoteBytes } from "./quote.ts";
import { emptySnapshotAt, entriesOf, Lab, message } from "./testing/lab.ts";
import { APPEND_THREAD, APPLY_THREAD } from "./types.ts";

const single = { voters: [1n] };

test("a proposed entry keeps its identity up to the state machine, and gets its place", () => {
  const lab = new Lab(single).lead();
  const entries = [newEntry(0, bytesFromUtf8("a")), newEntry(0, bytesFromUtf8("b"))];
  assert.equal(lab.node.propose(entries), "ok");
  assert.deepEqual(
    entries.map(({ term, index }) => [term, index]),
    [
      [1, 2],
      [1, 3],
    ],
  );
  const ready = lab.node.ready();
  assert.equal(ready.entries[0], entries[0]);
  assert.equal(ready.entries[1], entries[1]);
  lab.storage.append(ready.entries);
  lab.node.advance();
  lab.work();
  assert.equal(lab.applied.at(-1), entries[1]);
  assert.equal(lab.storage.entries(2, 3, 1000)[0], entries[0]);
});

test("a Ready is not touched by what is proposed after it", () => {
  const lab = new Lab(single).lead();
  lab.node.propose([newEntry(0, EMPTY_BYTES)]);
  const ready = lab.node.ready();
  lab.node.propose([newEntry(0, EMPTY_BYTES)]);
  assert.equal(ready.entries.length, 1);
  assert.equal(lab.node.hasReady(), true);
  assert.throws(() => lab.node.ready(), /without call to Advance/);
});

test("an idle node has nothing ready, and an empty Ready does no harm", () => {
  const lab = new Lab(single).lead();
  assert.equal(lab.node.hasReady(), false);
  const ready = lab.node.ready();
  assert.deepEqual(
    [ready.entries, ready.messages, ready.committedEntries, ready.readStates],
    [[], [], [], []],
  );
  assert.equal(ready.mustSync, false);
  lab.node.advance();
});

test("without a leader proposals are dropped", () => {
  const lab = new Lab();
  assert.equal(lab.node.propose([newEntry(0, EMPTY_BYTES)]), "dropped");
  assert.equal(lab.node.propose([]), "dropped");
});

test("local messages from outside and responses of strangers are refused", () => {
  const lab = new Lab();
  const hup = message(MessageType.MsgHup, 2n, 1n);
  assert.deepEqual(lab.node.step(hup), {
    code: "stepLocalMessage",
    message: "raft: cannot step raft local message",
  });
  const stranger = message(MessageType.MsgAppResp, 9n, 1n, { term: 1, index: 1 });
  assert.deepEqual(lab.node.step(stranger), {
    code: "stepPeerNotFound",
    message: "raft: cannot step as peer not found",
  });
});

test("an append with a gap between its entries is ignored", () => {
  const lab = new Lab({ term: 1 });
  for (const entries of [entriesOf([1, 1], 2), [...entriesOf([1]), ...entriesOf([1], 3)]]) {
    lab.receive(message(MessageType.MsgApp, 2n, 1n, { term: 1, entries, commit: 3 }));
  }
  assert.equal(lab.node.raft.log.lastIndex(), 0);
});

test("a commit index beyond the log is reported as lost data", () => {
  const lab = new Lab({ term: 1 });
  const beat = message(MessageType.MsgHeartbeat, 2n, 1n, { term: 1, commit: 7 });
  assert.throws(() => lab.node.step(beat), {
    message:
      "tocommit(7) is out of range [lastIndex(0)]. Was the raft log corrupted, truncated, or lost?",
  });
});

test("counting ticks without acting on them brings an election near, not about", () => {
  const lab = new Lab({ term: 1 });
  lab.node.tickQuiesced(9);
  assert.equal(lab.state, "StateFollower");
  lab.tick();
  assert.equal(lab.state, "StateCandidate");
});

test("a refused membership change comes back as an empty entry", () => {
  const lab = new Lab(single).lead();
  const remove = { type: ConfChangeType.ConfChangeRemoveNode, nodeId: 1n };
  for (const change of [
    { ...remove, id: 7n, context: EMPTY_BYTES },
    { transition: 0, changes: [], context: EMPTY_BYTES },
    { transition: 2, changes: [], context: EMPTY_BYTES },
  ]) {
    assert.equal(lab.node.proposeConfChange(change), "ok");
    lab.work();
    assert.equal(lab.applied.at(-1)?.type, EntryType.EntryNormal);
    assert.equal(lab.applied.at(-1)?.data.length, 0);
  }
  assert.deepEqual(lab.node.status().config.incoming, [1n]);
});

test("one membership change at a time: the next is refused until the first is applied", () => {
  const lab = new Lab(single).lead();
  const add = (nodeId: bigint) =>
    lab.node.proposeConfChange({ type: 0, nodeId, id: 0n, context: EMPTY_BYTES });
  add(2n);
  add(3n);
  lab.work();
  const types = lab.applied.map((entry: Entry) => entry.type);
  assert.deepEqual(types, [0, EntryType.EntryConfChange, EntryType.EntryNormal]);
});

test("a membership change that a snapshot has overtaken is skipped", () => {
  const lab = new Lab({ term: 1 });
  const snapshot = emptySnapshotAt(9, 1, [1n, 2n]);
  lab.receive(message(MessageType.MsgSnap, 2n, 1n, { term: 1, snapshot }));
  const old = { type: ConfChangeType.ConfChangeAddNode, nodeId: 3n, id: 0n, context: EMPTY_BYTES };
  assert.deepEqual(lab.node.applyConfChange(old, 8).voters, [1n, 2n]);
  assert.deepEqual(lab.node.applyConfChange(old, 10).voters, [1n, 2n, 3n]);
});

test("a write that was overtaken twice does not make equal entries stable (ABA)", () => {
  // Three leaders in turn put an entry at index 1: of term 1, of term 2, and of term 1 again. The
  // disk is slow. When the first write is done the log matches it, but the disk will hold the
  // second next, so nothing may be applied before the third is done.
  const lab = new Lab({ asyncStorageWrites: true });
  const writes = [[1], [2], [1, 3]].map((terms, i) => {
    const term = i + 1;
    const entries = entriesOf(terms);
    const commit = term === 3 ? 2 : 0;
    lab.node.step(message(MessageType.MsgApp, 2n, 1n, { term, entries, commit }));
    const write = lab.node.ready().messages.find((one) => one.to === APPEND_THREAD);
    assert.ok(write !== undefined);
    return write;
  });
  const applied = writes.map((write) => {
    lab.storage.append(write.entries);
    for (const response of write.responses) if (response.to === 1n) lab.node.step(response);
    return lab.node.ready().committedEntries.map(({ term, index }) => `${term}/${index}`);
  });
  assert.deepEqual(applied, [[], [], ["1/1", "3/2"]]);
});

test("status shows the members to a leader, as copies", () => {
  const lab = new Lab().lead();
  const { progress, config } = lab.node.status();
  assert.deepEqual(
    progress.map((one) => one.id),
    [1n, 2n, 3n],
  );
  assert.deepEqual(config.incoming, [1n, 2n, 3n]);
  assert.notEqual(progress[0], lab.node.status().progress[0]);
  assert.deepEqual(new Lab().node.status().progress, []);
  assert.deepEqual(lab.node.basicStatus(), {
    id: 1n,
    term: 1,
    vote: 1n,
    commit: 0,
    lead: 1n,
    state: "StateLeader",
    applied: 0,
    leadTransferee: 0n,
  });
});

test("a configuration that cannot work is refused", () => {
  for (const [options, text] of [
    [{ id: 0n }, "cannot use none as id"],
    [{ id: APPEND_THREAD }, "cannot use local target as id"],
    [{ id: APPLY_THREAD }, "cannot use local target as id"],
    [{ heartbeatTicks: 0 }, "heartbeat tick must be greater than 0"],
    [{ electionTicks: 1 }, "election tick must be greater than heartbeat tick"],
    [{ maxInflightMsgs: 0 }, "max inflight messages must be greater than 0"],
    [
      { maxInflightBytes: 5, maxSizePerMsgBytes: 6 },
      "max inflight bytes must be >= max message size",
    ],
    [
      { readOnly: "leaseBased" as const },
      "CheckQuorum must be enabled when ReadOnlyOption is ReadOnlyLeaseBased",
    ],
  ] as const) {
    assert.throws(() => new Lab(options), { message: text });
  }
});

test("a stored commit index outside of the stored log is refused", () => {
  assert.throws(() => new Lab({ log: [1, 1], commit: 3 }), {
    message: "1 state.commit 3 is out of range [0, 2]",
  });
});

test("a limit of nothing per message still lets single entries through", () => {
  const lab = new Lab({ ...single, maxSizePerMsgBytes: 0 }).lead();
  lab.propose("a", "b", "c");
  assert.equal(lab.applied.length, 4);
});

test("bytes are quoted as Go quotes them", () => {
  for (const [bytes, quoted] of [
    [bytesFromUtf8('a"b\\c\n\t'), '"a\\"b\\\\c\\n\\t"'],
    [Uint8Array.of(0, 7, 0x1f, 0x7f), '"\\x00\\a\\x1f\\x7f"'],
    [Uint8Array.of(0xff, 0x61, 0xc3), '"\\xffa\\xc3"'],
    [bytesFromUtf8("é∞😀"), '"é∞😀"'],
    [bytesFromUtf8("\u200b\u{e0001}"), '"\\u200b\\U000e0001"'],
  ] as const) {
    assert.equal(quoteBytes(bytes), quoted);
  }
});
