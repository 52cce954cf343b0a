/** Quorum arithmetic against definitions taken literally, on random configurations. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Index, MemberID } from "../../base/ids.ts";
import { committedByCounting } from "../testing/quorum-interpreter.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { allVoters, jointCommitted, jointVote } from "./joint.ts";
import { majorityCommitted, majorityVote, type VoteResult } from "./majority.ts";

const SEED = 20251121;
const ROUNDS = 20_000;

function randomVoters(random: SeededRandom, max: number): MemberID[] {
  const size = random.below(max + 1);
  const ids = new Set<MemberID>();
  while (ids.size < size) ids.add(BigInt(1 + random.below(9)));
  return [...ids].sort((a, b) => Number(a - b));
}

function randomIndexes(random: SeededRandom): Map<MemberID, Index> {
  const acked = new Map<MemberID, Index>();
  for (let id = 1n; id <= 9n; id++) if (!random.oneIn(4)) acked.set(id, 1 + random.below(6));
  return acked;
}

const lookup = (acked: ReadonlyMap<MemberID, Index>) => ({
  ackedIndex: (id: MemberID) => acked.get(id),
});

test(`the committed index is the highest that a majority has reached (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED);
  for (let round = 0; round < ROUNDS; round++) {
    const voters = randomVoters(random, 9);
    const acked = randomIndexes(random);
    assert.equal(majorityCommitted(voters, lookup(acked)), committedByCounting(voters, acked));
  }
});

test(`a joint configuration has committed what both halves have (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED);
  for (let round = 0; round < ROUNDS; round++) {
    const config = { incoming: randomVoters(random, 5), outgoing: randomVoters(random, 5) };
    const acked = randomIndexes(random);
    const expected = Math.min(
      committedByCounting(config.incoming, acked),
      committedByCounting(config.outgoing, acked),
    );
    assert.equal(jointCommitted(config, lookup(acked)), expected);
  }
});

/** Tries every way in which the missing votes could still go. */
function decideByTrying(
  config: { incoming: readonly MemberID[]; outgoing: readonly MemberID[] },
  votes: ReadonlyMap<MemberID, boolean>,
): VoteResult {
  const open = allVoters(config).filter((id) => !votes.has(id));
  let wins = 0;
  for (let bits = 0; bits < 2 ** open.length; bits++) {
    const all = new Map(votes);
    for (const [i, id] of open.entries()) all.set(id, (bits & (1 << i)) !== 0);
    const carries = (voters: readonly MemberID[]): boolean =>
      voters.length === 0 || voters.filter((id) => all.get(id) === true).length > voters.length / 2;
    if (carries(config.incoming) && carries(config.outgoing)) wins++;
  }
  if (wins === 2 ** open.length) return "VoteWon";
  return wins === 0 ? "VoteLost" : "VotePending";
}

test(`a vote is decided when no missing vote can change it (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED);
  for (let round = 0; round < ROUNDS / 10; round++) {
    const config = { incoming: randomVoters(random, 5), outgoing: randomVoters(random, 5) };
    const votes = new Map<MemberID, boolean>();
    for (let id = 1n; id <= 9n; id++) if (random.oneIn(2)) votes.set(id, random.oneIn(2));
    const single = { incoming: config.incoming, outgoing: [] };
    assert.equal(majorityVote(config.incoming, votes), decideByTrying(single, votes));
    const joint = jointVote(config, votes);
    const tried = decideByTrying(config, votes);
    // Both halves can be open while no outcome satisfies both; that is noticed a little later.
    if (joint !== tried) assert.deepEqual([joint, tried], ["VotePending", "VoteLost"]);
  }
});
