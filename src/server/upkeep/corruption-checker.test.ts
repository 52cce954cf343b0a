/** What the comparisons of members' data find, raise and say. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { MemberID } from "../../base/ids.ts";
import { MemoryLogger, VirtualClock } from "../../env/testing/index.ts";
import { CorruptionChecker } from "./corruption-checker.ts";
import type { PeerHash, PeerHashAnswer } from "./peer-hashes.ts";

const OWN = { hash: 7, revision: 10, compactRevision: 4 };
const INTERVAL_MS = 60_000;

function peer(id: MemberID, answer: Partial<PeerHashAnswer> | string): PeerHash {
  const endpoints = [`http://m${id}:2380`];
  if (typeof answer === "string") return { id, endpoints, answer: undefined, problem: answer };
  const whole = { hash: 7, compactRevision: 4, currentRevision: 10, ...answer };
  return { id, endpoints, answer: whole, problem: "" };
}

function makeChecker(peers: readonly PeerHash[], wasAskedForCompactions = false) {
  const clock = new VirtualClock();
  const logger = new MemoryLogger();
  const alarms: MemberID[] = [];
  const checker = new CorruptionChecker({
    clock,
    logger,
    memberID: 1n,
    isLeader: () => true,
    hashByRevision: async () => OWN,
    currentRevision: () => OWN.revision,
    compactionHashes: () => [OWN],
    askPeers: async () => peers,
    linearizableRead: async () => undefined,
    raiseAlarm: (member) => alarms.push(member),
    intervalMs: 0,
    compactionIntervalMs: INTERVAL_MS,
    comparesCompactions: () => true,
    wasAskedForCompactions,
    timeoutMs: 7000,
  });
  const told = (): string[] =>
    logger.lines
      .filter(({ level }) => level !== "debug")
      .map(({ level, message, fields }) => `${level} ${message} ${Object.keys(fields).join(",")}`);
  const oneRound = async (): Promise<void> => {
    checker.start();
    clock.advance(INTERVAL_MS);
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    checker.stop();
  };
  return { checker, alarms, told, oneRound };
}

const OWN_FIELDS =
  "local-member-id,local-member-revision,local-member-compact-revision,local-member-hash," +
  "remote-peer-id,remote-peer-endpoints";
const REMOTE_FIELDS = "remote-peer-revision,remote-peer-compact-revision,remote-peer-hash";

test("a member that starts with other data than a peer says which, and does not serve", async () => {
  const { checker, told } = makeChecker([
    peer(2n, { hash: 8 }),
    peer(3n, { hash: 9, compactRevision: 5 }),
    peer(4n, "mvcc: required revision is a future revision"),
    peer(5n, "mvcc: required revision has been compacted"),
  ]);
  await assert.rejects(
    checker.checkAtStart(),
    /^InconsistentDataError: 1 found data inconsistency/,
  );
  assert.deepEqual(told(), [
    "info starting initial corruption check local-member-id,timeout",
    `warn found different hash values from remote peer ${OWN_FIELDS},${REMOTE_FIELDS}`,
    `warn found different compact revision values from remote peer ${OWN_FIELDS},${REMOTE_FIELDS}`,
    `warn cannot fetch hash from slow remote peer ${OWN_FIELDS},error`,
    `warn cannot fetch hash from remote peer; local member is behind ${OWN_FIELDS},error`,
  ]);
});

test("with the gate each comparison of compactions is told, without it what came of it", async () => {
  const result =
    "info successfully checked hash on whole cluster number-of-peers-checked,revision,compactRevision";
  const quiet = makeChecker([peer(2n, {}), peer(3n, {})]);
  await quiet.oneRound();
  assert.deepEqual(quiet.told(), [result]);
  const asked = makeChecker([peer(2n, {}), peer(3n, {})], true);
  await asked.oneRound();
  assert.deepEqual(asked.told(), [
    "info starting compact hash check local-member-id,timeout",
    result,
    "info finished compaction hash check number-of-hashes-checked",
  ]);
  assert.deepEqual(asked.alarms, []);
});

test("a member that cannot be compared is told with the gate", async () => {
  const { told, oneRound, alarms } = makeChecker([peer(2n, {}), peer(3n, "no route")], true);
  await oneRound();
  assert.deepEqual(told().slice(1, 3), [
    "warn Skipped peer's hash number-of-peers,leader-id,peer-id,reason",
    "warn skipped revision in compaction hash check; was not able to check all peers " +
      "number-of-peers-checked,number-of-peers,revision,compactRevision",
  ]);
  assert.deepEqual(alarms, []);
});

test("the member whose compaction left another hash gets the alarm, with an error in the log", async () => {
  const { told, oneRound, alarms } = makeChecker([peer(2n, {}), peer(3n, { hash: 8 })]);
  await oneRound();
  assert.deepEqual(alarms, [3n]);
  assert.deepEqual(told(), [
    "error Detected compaction hash mismatch leader-id,leader-revision,leader-compact-revision," +
      "leader-hash,peer-hash,peer-ids,quorum-exist",
  ]);
});
