/** Whether a member still leads after it was paused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EtcdError } from "../../api/errors.ts";
import { MemoryLogger, VirtualClock } from "../../env/testing/index.ts";
import { NO_MEMBER } from "../../raft/index.ts";
import { Leadership } from "./leadership.ts";
import { NoPeers } from "../../env/testing/index.ts";
import { TEST_OPTIONS } from "../testing/test-member.ts";

const SELF = 1n;

function world() {
  const clock = new VirtualClock();
  const logger = new MemoryLogger();
  const state = {
    leader: SELF,
    reads: 0,
    refusal: undefined as EtcdError | undefined,
    forwarded: [] as number[],
  };
  const leadership = new Leadership({
    options: TEST_OPTIONS,
    clock,
    logger,
    memberID: SELF,
    cluster: { members: [], votingMembers: [] },
    network: new NoPeers(),
    node: {
      tickQuiesced: (ticks = 1) => state.forwarded.push(ticks),
      transferLeader: () => assert.fail("nothing is handed over"),
      raft: { leadTransferee: NO_MEMBER },
    },
    leader: () => state.leader,
    process: () => undefined,
    read: async () => {
      state.reads++;
      if (state.refusal !== undefined) throw state.refusal;
    },
  });
  const tick = (intervals = 1) => {
    for (let i = 0; i < intervals; i++) {
      clock.advance(TEST_OPTIONS.heartbeatIntervalMs);
      leadership.ticked();
    }
  };
  return { clock, logger, state, leadership, tick };
}

test("a leader whose ticks come in time is taken at its word", async () => {
  const w = world();
  w.tick(20);
  assert.equal(w.leadership.isActive, true);
  assert.equal(await w.leadership.confirm(), true);
  assert.equal(w.state.reads, 0);
  w.state.leader = 2n;
  assert.equal(await w.leadership.confirm(), false);
});

test("after a pause the quorum is asked, once, also when a tick comes before the question", async () => {
  const w = world();
  w.tick();
  w.clock.advance(10_000);
  w.tick();
  assert.equal(w.leadership.isActive, false);
  assert.equal(await w.leadership.confirm(), true);
  assert.equal(await w.leadership.confirm(), true);
  assert.equal(w.state.reads, 1);
});

test("who learns after a pause that another leads, or nothing at all, does not lead", async () => {
  const w = world();
  w.tick();
  w.clock.advance(10_000);
  w.state.refusal = new EtcdError("timeout");
  assert.equal(await w.leadership.confirm(), false);
  w.state.refusal = undefined;
  const answer = w.leadership.confirm();
  w.state.leader = 2n;
  assert.equal(await answer, false);
  assert.deepEqual(w.logger.messages(), [
    "Failed to check current member's leadership",
    "Current member isn't a leader",
  ]);
});

test("when the leader's process is gone the election timeout counts as passed, once", () => {
  const w = world();
  w.state.leader = 2n;
  w.leadership.gone(3n);
  assert.deepEqual(w.state.forwarded, [], "another peer is no leader");
  w.leadership.gone(2n);
  w.leadership.gone(2n);
  assert.deepEqual(w.state.forwarded, [TEST_OPTIONS.electionTicks]);
  w.leadership.changed(2n);
  w.leadership.gone(2n);
  assert.equal(w.state.forwarded.length, 2, "it was elected again and ended again");
});
