/**
 * A micro benchmark of the core alone: proposals per second through a group of one or three, with
 * storage in memory and messages handed over directly. Run it with
 * `node src/raft/testing/throughput.ts [members] [batch]`.
 */
import { type Entry, type Message, MessageType } from "../../api/gen/raft.ts";
import type { MemberID } from "../../base/ids.ts";
import { newEntry } from "../messages.ts";
import { RawNode } from "../raw-node.ts";
import { emptyConfState, MemoryStorage, newSnapshot } from "../storage.ts";

const ENTRIES_PER_RUN = 400_000;
const RUNS = 5;
const PAYLOAD = new Uint8Array(300);
const KEEP_ENTRIES = 5000;
const SILENT = {
  enabled: () => false,
  debug() {},
  info() {},
  warning() {},
  error() {},
};

interface Member {
  readonly node: RawNode;
  readonly storage: MemoryStorage;
  applied: number;
}

function newMember(id: MemberID, voters: readonly MemberID[], isAsync: boolean): Member {
  const storage = new MemoryStorage();
  const confState = { ...emptyConfState(), voters: [...voters] };
  storage.applySnapshot(newSnapshot(1, 1, confState, new Uint8Array(0)));
  const node = new RawNode({
    id,
    electionTicks: 10,
    heartbeatTicks: 1,
    storage,
    applied: 1,
    asyncStorageWrites: isAsync,
    maxSizePerMsgBytes: 1024 * 1024,
    maxInflightMsgs: 512,
    checkQuorum: true,
    preVote: true,
    random: { below: () => 0, fill: (target) => target },
    logger: SILENT,
  });
  return { node, storage, applied: 1 };
}

/** Handles everything that is ready anywhere until nothing is. */
function settle(members: ReadonlyMap<MemberID, Member>, isAsync: boolean): void {
  for (let worked = true; worked; ) {
    worked = false;
    for (const member of members.values()) {
      if (!member.node.hasReady()) continue;
      worked = true;
      const ready = member.node.ready();
      if (ready.hardState !== undefined) member.storage.setHardState(ready.hardState);
      member.storage.append(ready.entries);
      for (const message of ready.messages) deliver(members, member, message);
      if (!isAsync) {
        member.applied += ready.committedEntries.length;
        member.node.advance();
      }
    }
  }
}

function deliver(members: ReadonlyMap<MemberID, Member>, sender: Member, message: Message): void {
  if (message.type === MessageType.MsgStorageApply) sender.applied += message.entries.length;
  if (message.responses.length === 0) members.get(message.to)?.node.step(message);
  for (const response of message.responses) deliver(members, sender, response);
}

/** Proposals per second of one run. */
function run(members: ReadonlyMap<MemberID, Member>, isAsync: boolean, batch: number): number {
  const leader = members.get(1n) as Member;
  const start = performance.now();
  for (let proposed = 0; proposed < ENTRIES_PER_RUN; proposed += batch) {
    const entries: Entry[] = [];
    for (let i = 0; i < batch; i++) entries.push(newEntry(0, PAYLOAD));
    leader.node.propose(entries);
    settle(members, isAsync);
    for (const { storage, applied } of members.values()) {
      if (applied - storage.firstIndex() > 2 * KEEP_ENTRIES)
        storage.compact(applied - KEEP_ENTRIES);
    }
  }
  return ENTRIES_PER_RUN / ((performance.now() - start) / 1000);
}

function main(members: number, batch: number): void {
  const ids = Array.from({ length: members }, (_, i) => BigInt(i + 1));
  for (const isAsync of [false, true]) {
    const group = new Map(ids.map((id) => [id, newMember(id, ids, isAsync)]));
    group.get(1n)?.node.campaign();
    settle(group, isAsync);
    const rates = Array.from({ length: RUNS }, () => run(group, isAsync, batch));
    const best = Math.max(...rates);
    const mode = isAsync ? "async" : "sync";
    const rate = `${(best / 1e6).toFixed(2)} M proposals/s`;
    console.log(
      `${members} members, batch ${batch}, ${mode}: ${rate}, ${Math.round(1e9 / best)} ns each`,
    );
  }
}

main(Number(process.argv[2] ?? 1), Number(process.argv[3] ?? 500));
