/** Configuration changes: the simple way and the joint way meet, and states survive a restore. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ConfChangeSingle, ConfChangeType } from "../../api/gen/raft.ts";
import { formatConfig } from "../format.ts";
import { formatProgressMap } from "../testing/format.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { ProgressTracker } from "../tracker.ts";
import { type ChangeResult, changeSimply, enterJoint, leaveJoint } from "./changer.ts";
import { confStatesEqual, restoreConfiguration } from "./restore.ts";

const SEED = 4711;
const ROUNDS = 1000;

function take(tracker: ProgressTracker, result: ChangeResult): string | undefined {
  if ("error" in result) return result.error;
  tracker.config = result.config;
  tracker.progress = result.progress;
  return undefined;
}

function randomChanges(random: SeededRandom, count: number): ConfChangeSingle[] {
  return Array.from({ length: count }, () => ({
    type: random.below(4),
    nodeId: BigInt(random.below(7)),
  }));
}

/** A tracker with member 1 and a few others. */
function randomTracker(random: SeededRandom): ProgressTracker {
  const tracker = new ProgressTracker(10, Number.POSITIVE_INFINITY);
  const first = { type: ConfChangeType.ConfChangeAddNode, nodeId: 1n };
  assert.equal(take(tracker, changeSimply(tracker, 10, [first])), undefined);
  for (const change of randomChanges(random, random.below(8))) {
    take(tracker, changeSimply(tracker, 10, [change]));
  }
  return tracker;
}

test(`several simple changes lead where one joint change leads (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED);
  let compared = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const seed = random.below(1_000_000);
    const simple = randomTracker(new SeededRandom(seed));
    const joint = randomTracker(new SeededRandom(seed));
    const changes = randomChanges(random, 1 + random.below(6));
    const error = take(joint, enterJoint(joint, 20, random.oneIn(2), changes));
    if (error !== undefined) continue;
    // On the way the outgoing voters keep their say, and nobody is a voter and a learner at once.
    assert.ok(joint.config.outgoing.length > 0);
    assert.equal(take(joint, leaveJoint(joint, 20)), undefined);
    // The simple way must not remove all voters in between either.
    if (changes.some((change) => take(simple, changeSimply(simple, 20, [change])) !== undefined)) {
      continue;
    }
    assert.equal(formatConfig(joint.config), formatConfig(simple.config));
    const roles = ({ progress }: ProgressTracker) => progress.map((one) => [one.id, one.isLearner]);
    assert.deepEqual(roles(joint), roles(simple));
    compared++;
  }
  assert.ok(compared > ROUNDS / 2, `${compared} pairs compared`);
});

test(`any configuration is restored from its state, joint or not (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED);
  for (let round = 0; round < ROUNDS; round++) {
    const tracker = randomTracker(random);
    const changes = randomChanges(random, 4);
    if (random.oneIn(2)) take(tracker, enterJoint(tracker, 20, random.oneIn(2), changes));
    const state = tracker.confState();
    const restored = restoreConfiguration(tracker, 30, {
      ...state,
      voters: state.voters.toReversed(),
    });
    assert.equal(formatConfig(restored.config), formatConfig(tracker.config));
    const copy = new ProgressTracker(10, Number.POSITIVE_INFINITY);
    copy.config = restored.config;
    assert.ok(confStatesEqual(copy.confState(), state));
  }
});

test("a change leaves the configuration that it starts from alone", () => {
  const tracker = randomTracker(new SeededRandom(1));
  const before = [formatConfig(tracker.config), formatProgressMap(tracker.progress)];
  changeSimply(tracker, 50, [{ type: ConfChangeType.ConfChangeAddLearnerNode, nodeId: 1n }]);
  enterJoint(tracker, 50, true, randomChanges(new SeededRandom(2), 5));
  assert.deepEqual([formatConfig(tracker.config), formatProgressMap(tracker.progress)], before);
});

test("an unknown kind of change is refused", () => {
  const tracker = randomTracker(new SeededRandom(1));
  const result = changeSimply(tracker, 1, [{ type: 9, nodeId: 1n }]);
  assert.deepEqual(result, { error: "unexpected conf type 9" });
});
