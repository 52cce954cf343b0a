/**
 * Messages that no member means: one of each kind of lie, and a storm of random ones. None is a
 * valid message of somebody who could have sent it: who can speak for a leader can say anything.
 */
import { ClusterVersionSetRequest, DowngradeInfoSetRequest } from "../../api/gen/membership.ts";
import {
  ConfChange,
  ConfChangeType,
  type Entry,
  EntryType,
  Message,
  MessageType,
} from "../../api/gen/raft.ts";
import { PutRequest, RequestOp, TxnRequest } from "../../api/gen/rpc.ts";
import { bytesFromUtf8 } from "../../base/bytes.ts";
import type { Index, MemberID, Term } from "../../base/ids.ts";
import type { SeededRandom } from "../../env/testing/index.ts";
import { encodeRaftRequest, RaftField } from "../log/raft-request.ts";

/** The member that is lied to, and what a liar knows of it. */
export interface Victim {
  readonly id: MemberID;
  /** Another member, who leads unless the victim does. */
  readonly other: MemberID;
  readonly term: Term;
  readonly lastIndex: Index;
  readonly lastTerm: Term;
}

const STORAGE_THREADS = [0xffff_ffff_ffff_ffffn, 0xffff_ffff_ffff_fffen] as const;
const ID = { low48: 1, high16: 1 };

function request(field: number, body: Uint8Array): Uint8Array {
  return encodeRaftRequest(field, body, ID);
}

function change(type: number, nodeId: MemberID, context = ""): Uint8Array {
  const fields = { type: type as ConfChangeType, nodeId, context: bytesFromUtf8(context) };
  return ConfChange.encode(ConfChange.create(fields));
}

/** Data of normal entries that some member could not apply. */
export const POISON: readonly (readonly [string, Uint8Array])[] = [
  ["bytes that decode as nothing", Buffer.from("ff00ff00ff", "hex")],
  ["a request of no kind", request(9999, Buffer.from("x"))],
  ["a body that is cut off", request(RaftField.put, Buffer.from([0x0a, 0x7f]))],
  ["a put without a key", request(RaftField.put, PutRequest.encode(PutRequest.create()))],
  [
    "a transaction of nothing",
    request(RaftField.txn, TxnRequest.encode(TxnRequest.create({ success: [RequestOp.create()] }))),
  ],
  [
    "a cluster version that is none",
    request(
      RaftField.clusterVersionSet,
      ClusterVersionSetRequest.encode(ClusterVersionSetRequest.create({ ver: "x" })),
    ),
  ],
  [
    "a cluster version of the future",
    request(
      RaftField.clusterVersionSet,
      ClusterVersionSetRequest.encode(ClusterVersionSetRequest.create({ ver: "9.9.0" })),
    ),
  ],
  [
    "a downgrade to nothing",
    request(
      RaftField.downgradeInfoSet,
      DowngradeInfoSetRequest.encode(DowngradeInfoSetRequest.create({ enabled: true, ver: "?" })),
    ),
  ],
];

/** Data of membership changes that some member could not apply. */
export const POISONED_CHANGES: readonly (readonly [string, Uint8Array])[] = [
  ["a change that does not decode", Buffer.from("ffffff", "hex")],
  ["a change of no kind", change(77, 5n)],
  ["an addition without a member", change(ConfChangeType.ConfChangeAddNode, 5n, "{")],
  ["an addition of another one", change(ConfChangeType.ConfChangeAddNode, 5n, '{"id":6}')],
  ["an update without URLs", change(ConfChangeType.ConfChangeUpdateNode, 5n, "nothing")],
  ["a change of the log's thread", change(ConfChangeType.ConfChangeRemoveNode, 2n ** 64n - 1n)],
];

function entry(type: number, data: Uint8Array, index = 0, term = 0): Entry {
  return { type: type as EntryType, term, index, data };
}

/** One of each kind, by name. */
export function forgedMessages(victim: Victim): readonly (readonly [string, Message])[] {
  const { id: to, other, term, lastIndex: index, lastTerm: logTerm } = victim;
  const message = (type: number, more: Partial<Message>): Message =>
    Message.create({ type: type as MessageType, to, from: other, term, ...more });
  const append = (entries: Entry[]): Message =>
    message(MessageType.MsgApp, { index, logTerm, entries, commit: index + entries.length });
  const proposal = (one: Entry): Message =>
    message(MessageType.MsgProp, { term: 0, entries: [one] });
  const noop = entry(EntryType.EntryNormal, new Uint8Array(), index + 1, term);
  const removal = change(ConfChangeType.ConfChangeRemoveNode, other);
  const applied = { entries: [{ ...noop, index: index + 5 }] };
  return [
    ...POISON.flatMap(([name, data]): [string, Message][] => [
      [`proposes ${name}`, proposal(entry(EntryType.EntryNormal, data))],
      [`appends ${name}`, append([entry(EntryType.EntryNormal, data, index + 1, term)])],
    ]),
    ...POISONED_CHANGES.flatMap(([name, data]): [string, Message][] => [
      [`proposes ${name}`, proposal(entry(EntryType.EntryConfChange, data))],
      [`appends ${name}`, append([entry(EntryType.EntryConfChange, data, index + 1, term)])],
    ]),
    ["proposes nothing", message(MessageType.MsgProp, { term: 0 })],
    ["proposes a leader's sign", proposal(noop)],
    ["proposes a joint change", proposal(entry(EntryType.EntryConfChangeV2, new Uint8Array()))],
    ["appends an entry of no type", append([entry(9, removal, index + 1, term)])],
    ["appends behind a gap", append([{ ...noop, index: index + 2 }])],
    ["appends below", append([noop, { ...noop, index: 1 }, { ...noop, index: index + 3 }])],
    ["appends of a later term", append([{ ...noop, term: term + 1 }])],
    ["appends behind no term", message(MessageType.MsgApp, { index, logTerm: 0 })],
    ["knows of commits to come", message(MessageType.MsgHeartbeat, { commit: 2 ** 40 })],
    ["takes the last term", message(MessageType.MsgHeartbeat, { term: Number.MAX_SAFE_INTEGER })],
    ["votes in the last term", message(MessageType.MsgVote, { term: Number.MAX_SAFE_INTEGER })],
    ["asks for a vote in no term", message(MessageType.MsgVote, { term: 0 })],
    ["asks for a pre-vote in no term", message(MessageType.MsgPreVote, { term: 0 })],
    ["is the victim itself", message(MessageType.MsgAppResp, { from: to, index: index + 1 })],
    ["is nobody", message(MessageType.MsgVote, { from: 0n })],
    ...STORAGE_THREADS.flatMap((from): [string, Message][] => [
      [`has written as ${from}`, message(MessageType.MsgStorageAppendResp, { from, ...applied })],
      [`has applied as ${from}`, message(MessageType.MsgStorageApplyResp, { from, ...applied })],
    ]),
    ["is a timer", message(MessageType.MsgHup, {})],
    ["checks the quorum", message(MessageType.MsgCheckQuorum, {})],
    ["forgets the leader", message(MessageType.MsgForgetLeader, {})],
    ["has no type", message(250, {})],
    ["reads nothing", message(MessageType.MsgReadIndex, { term: 0 })],
    ["answers no read", message(MessageType.MsgReadIndexResp, {})],
    ["has a snapshot of nothing", message(MessageType.MsgSnap, {})],
  ];
}

/**
 * A random message. Numbers lie around those that matter; what would make it true (an append that
 * fits, a vote in the present term) is left out.
 */
export function randomMessage(random: SeededRandom, victim: Victim): Message {
  const { id: to, other, term, lastIndex } = victim;
  const pick = <T>(values: readonly T[]): T => values[random.below(values.length)] as T;
  const numbers = [0, 1, 2, lastIndex, lastIndex + 1, 2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER];
  const type = pick([...Object.values(MessageType), 31, 99]) as MessageType;
  const votes: number[] = [MessageType.MsgVoteResp, MessageType.MsgPreVoteResp];
  const terms = votes.includes(type) ? [0, Number.MAX_SAFE_INTEGER] : [0, 1, term, term + 2 ** 33];
  const length = random.below(4);
  const [, data] = pick([...POISON, ...POISONED_CHANGES]);
  const entries = Array.from({ length }, (_, i) => ({
    type: random.below(4) as EntryType,
    term: pick(numbers),
    index: pick([lastIndex + 1 + i, pick(numbers)]),
    data: random.below(3) === 0 ? data : randomBytes(random),
  }));
  return Message.create({
    type,
    to,
    from: pick([other, other, other, to, 0n, 77n, ...STORAGE_THREADS]),
    term: pick(terms),
    logTerm: pick(numbers),
    index: pick([lastIndex + 1, ...numbers]),
    commit: pick(numbers),
    reject: random.below(2) === 0,
    rejectHint: pick(numbers),
    context: randomBytes(random),
    entries,
  });
}

export function randomBytes(random: SeededRandom): Uint8Array {
  return Uint8Array.from({ length: 1 + random.below(40) }, () => random.below(256));
}
