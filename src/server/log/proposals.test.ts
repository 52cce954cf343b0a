import assert from "node:assert/strict";
import { test } from "node:test";
import { NOBODY } from "../../auth/index.ts";
import { EtcdError } from "../../api/errors.ts";
import { RequestIDGenerator } from "../../base/id-generator.ts";
import { VirtualClock } from "../../env/testing/index.ts";
import { type Outcome, Proposals } from "./proposals.ts";
import { RaftField } from "./raft-request.ts";

function world() {
  const clock = new VirtualClock();
  const proposals = new Proposals({
    clock,
    ids: new RequestIDGenerator(0x1234n, 1),
    timeoutMs: 7000,
    timeoutError: () => new EtcdError("timeout"),
  });
  const outcomes: string[] = [];
  const submit = (name: string) => {
    const built = proposals.build(RaftField.put, Buffer.from(name), NOBODY);
    proposals.submit(built, name, (outcome: Outcome) => {
      outcomes.push(`${name}: ${outcome.error?.kind ?? "ok"}`);
    });
    return built;
  };
  return { clock, proposals, outcomes, submit };
}

const OK: Outcome = { error: undefined, reply: [] };

test("an applied entry settles the proposal that it carries, once", () => {
  const { proposals, outcomes, submit } = world();
  submit("a");
  const [entry] = proposals.takeBatch();
  assert.ok(entry !== undefined);
  const proposal = proposals.take(entry);
  assert.equal(proposal?.request, "a");
  proposal?.settle(OK);
  assert.equal(proposals.take(entry), undefined);
  assert.deepEqual(outcomes, ["a: ok"]);
  assert.equal(proposals.waitingCount, 0);
});

test("an entry that came back from another member is found by its id", () => {
  const { proposals, submit } = world();
  const built = submit("a");
  assert.equal(proposals.takeByID(built.idLow, 0x9999), undefined, "another member's id");
  assert.equal(proposals.takeByID(built.idLow, 0x1234)?.request, "a");
});

test("what is not applied in time gets the timeout's error, the rest goes on waiting", () => {
  const { clock, proposals, outcomes, submit } = world();
  submit("early");
  clock.advance(4000);
  submit("late");
  clock.advance(3200);
  assert.deepEqual(outcomes, ["early: timeout"]);
  assert.equal(proposals.waitingCount, 1);
  clock.advance(4000);
  assert.deepEqual(outcomes, ["early: timeout", "late: timeout"]);
});

test("what waits again, for an entry in slices, times out as if it had waited all the time", () => {
  const { clock, proposals, outcomes, submit } = world();
  submit("first");
  clock.advance(1000);
  submit("sliced");
  const entry = proposals.takeBatch().at(-1);
  const proposal = proposals.take(entry ?? assert.fail("no entry"));
  clock.advance(6100);
  submit("later");
  proposals.waitOn(proposal ?? assert.fail("no proposal"));
  clock.advance(1000);
  assert.deepEqual(outcomes, ["first: timeout", "sliced: timeout"]);
  assert.equal(proposals.waitingCount, 1);
});

test("a batch that raft refused comes again first, without what has timed out", () => {
  const { clock, proposals, submit } = world();
  submit("old");
  const batch = proposals.takeBatch();
  clock.advance(8000);
  submit("kept");
  const second = proposals.takeBatch();
  proposals.putBack([...batch, ...second]);
  submit("new");
  const requests = proposals.takeBatch().map((entry) => entry.proposal?.request);
  assert.deepEqual(requests, ["kept", "new"]);
});

test("what has timed out while nobody led is not proposed to the next leader", () => {
  const { clock, proposals, outcomes, submit } = world();
  submit("early");
  clock.advance(4000);
  submit("late");
  clock.advance(3200);
  assert.deepEqual(outcomes, ["early: timeout"]);
  assert.deepEqual(
    proposals.takeBatch().map(({ proposal }) => proposal?.request),
    ["late"],
  );
});

test("stopping settles everything", () => {
  const { proposals, outcomes, submit } = world();
  submit("a");
  submit("b");
  proposals.failAll(new EtcdError("stopped"));
  assert.deepEqual(outcomes, ["a: stopped", "b: stopped"]);
  assert.equal(proposals.hasBatch, false);
});

test("the bytes that wait are counted until they are settled, whichever way", () => {
  const { clock, proposals, submit } = world();
  const sizes = ["applied", "timed out", "stopped"].map((name) => submit(name).data.length);
  const [applied = 0, timedOut = 0, stopped = 0] = sizes;
  assert.equal(proposals.waitingBytes, applied + timedOut + stopped);
  const [entry] = proposals.takeBatch();
  assert.ok(entry !== undefined);
  proposals.take(entry);
  assert.equal(proposals.waitingBytes, timedOut + stopped);
  clock.advance(7200);
  assert.equal(proposals.waitingBytes, 0);
  submit("again");
  proposals.failAll(new EtcdError("stopped"));
  assert.equal(proposals.waitingBytes, 0);
});
