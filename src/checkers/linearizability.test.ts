import assert from "node:assert/strict";
import { test } from "node:test";
import type { KVRequest, Operation, OperationResult, Outcome } from "./history.ts";
import { EMPTY_STATE, KVModel, sameResult } from "./kv-model.ts";
import { checkLinearizable, type Verdict } from "./linearizability.ts";
import { randomHistory } from "./testing/random-history.ts";
import { formatViolation } from "./violation.ts";

const SEEDS = Number(process.env["CHECKER_SEEDS"] ?? 150);
const FIRST_SEED = Number(process.env["CHECKER_FIRST_SEED"] ?? 1);

function forSeeds(run: (seed: number) => void): void {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    try {
      run(seed);
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
}

function kindOf(verdict: Verdict): string {
  return verdict.kind === "violation" ? verdict.violation.kind : verdict.kind;
}

function assertPasses(verdict: Verdict): void {
  if (verdict.kind === "violation") assert.fail(formatViolation(verdict.violation));
  assert.equal(verdict.kind, "linearizable");
}

const MIX = { clients: 8, operations: 300, keys: 5, unknownPercent: 8 };

type Answered = Operation & { outcome: Outcome & { kind: "ok" } };
const answered = (history: readonly Operation[]): Answered[] =>
  history.filter((each): each is Answered => each.outcome.kind === "ok");

/** The history with one operation replaced. */
function replaced(history: readonly Operation[], by: Operation): Operation[] {
  return history.map((each) => (each.id === by.id ? by : each));
}

function withOutcome(operation: Answered, change: Partial<Answered["outcome"]>): Operation {
  return { ...operation, outcome: { ...operation.outcome, ...change } };
}

test("what a correct cluster answers passes, with the very writes that happened", () => {
  forSeeds((seed) => {
    const { history, writes } = randomHistory({ ...MIX, seed });
    const verdict = checkLinearizable(history);
    assertPasses(verdict);
    if (verdict.kind !== "linearizable") return;
    const found = new Map(
      verdict.writes.map(({ revision, operation }) => [revision, operation.id]),
    );
    for (const { revision, operation } of writes) {
      // Unanswered writes may be exchanged where nobody looked.
      if (operation.outcome.kind !== "ok" || operation.request.kind === "revoke") continue;
      assert.equal(found.get(revision), operation.id);
    }
  });
});

test("many unanswered writes of equal values pass too", () => {
  forSeeds((seed) => {
    const mix = { clients: 10, operations: 120, keys: 2, unknownPercent: 35, uniqueValues: false };
    const { history, watches } = randomHistory({ ...mix, seed });
    const hints = (watches[0]?.responses ?? []).flatMap(({ events }) =>
      events.map(({ type, key, modRevision, kv }) => ({ type, key, kv, revision: modRevision })),
    );
    assertPasses(checkLinearizable(history, { hints }));
  });
});

test("a write that was refused and happened all the same is found", () => {
  forSeeds((seed) => {
    const { history } = randomHistory({ ...MIX, seed, unknownPercent: 0 });
    const write = answered(history).find(({ request }) => request.kind === "put");
    assert.ok(write);
    const forgotten = replaced(history, {
      ...write,
      outcome: { kind: "failed", returnTime: write.outcome.returnTime, error: "pretended" },
    });
    assert.equal(kindOf(checkLinearizable(forgotten)), "missingWriter");
  });
});

test("a write whose revision is given away again is found", () => {
  forSeeds((seed) => {
    const { history } = randomHistory({ ...MIX, seed });
    const puts = answered(history).filter(({ request }) => request.kind === "put");
    const [first, second] = [puts[3], puts[4]];
    assert.ok(first && second);
    const again = withOutcome(second, { revision: first.outcome.revision });
    assert.equal(kindOf(checkLinearizable(replaced(history, again))), "duplicateRevision");
  });
});

test("a stale read is found by its revision, and by its content when the revision lies", () => {
  forSeeds((seed) => {
    const { history } = randomHistory({ ...MIX, seed });
    const reads = answered(history)
      .filter(({ request }) => request.kind === "get" && isPlain(request))
      .filter(({ outcome }) => outcome.result.kind === "get");
    const late = reads.findLast(({ outcome }) => (outcome.result as { count: number }).count > 0);
    assert.ok(late && late.outcome.revision > 20);
    const empty: OperationResult = { kind: "get", kvs: [], count: 0 };
    const old = withOutcome(late, { revision: 1, result: empty });
    assert.equal(kindOf(checkLinearizable(replaced(history, old))), "staleRead");
    const lying = withOutcome(late, { result: empty });
    // What the lie hides may have been the only trace of an unanswered write.
    const kind = kindOf(checkLinearizable(replaced(history, lying)));
    assert.ok(kind === "wrongResult" || kind === "missingWriter", kind);
  });
});

function isPlain(request: KVRequest): boolean {
  return request.kind === "get" && !request.serializable && request.revision === undefined;
}

test("a request that is applied twice is found", () => {
  forSeeds((seed) => {
    const options = { ...MIX, seed, unknownPercent: 0 };
    const { history, writes } = randomHistory(options);
    const twice = writes[Math.floor(writes.length / 2)];
    assert.ok(twice);
    // From the second application on all revisions are one higher.
    const shifted = history.map((each) =>
      each.outcome.kind === "ok" && each.outcome.revision > twice.revision
        ? withOutcome(each as Answered, { revision: each.outcome.revision + 1 })
        : each,
    );
    assert.equal(kindOf(checkLinearizable(shifted)), "missingWriter");
  });
});

test("a revision that goes down under a later write is found", () => {
  forSeeds((seed) => {
    const { history } = randomHistory({ ...MIX, seed });
    const written = answered(history).filter(({ request }) => request.kind === "put");
    const write = written.at(-1);
    assert.ok(write);
    const taken = new Set(answered(history).map(({ outcome }) => outcome.revision));
    let revision = 2;
    while (taken.has(revision) && revision < write.outcome.revision) revision++;
    if (revision >= write.outcome.revision) revision = 0;
    const kind = kindOf(checkLinearizable(replaced(history, withOutcome(write, { revision }))));
    assert.equal(kind, "revisionOrder");
  });
});

test("an unanswered write may have happened, but not before it was asked for", () => {
  const put = (id: number, value: string, outcome: Outcome): Operation => ({
    ...{ id, clientID: id, callTime: id * 10, outcome },
    request: { kind: "put", key: "k", value },
  });
  const ok = (returnTime: number, revision: number): Outcome => ({
    ...{ kind: "ok", returnTime, revision },
    result: { kind: "put" },
  });
  const history = [
    put(1, "a", ok(15, 2)),
    put(2, "b", { kind: "failed", returnTime: 25, error: "refused" }),
    put(3, "c", ok(35, 4)),
  ];
  assert.equal(kindOf(checkLinearizable(history)), "missingWriter");
  const unknown = [history[0], put(2, "b", { kind: "unknown", error: "?" }), history[2]];
  assert.equal(kindOf(checkLinearizable(unknown as Operation[])), "linearizable");
  // Not even an unanswered write can happen before it is asked for.
  const late = { ...put(4, "b", { kind: "unknown", error: "?" }) };
  const early = [history[0], history[2], late] as Operation[];
  assert.equal(kindOf(checkLinearizable(early)), "missingWriter");
});

test("a search without end is given up and is no pass", () => {
  const { history } = randomHistory({ ...MIX, seed: 5, unknownPercent: 30 });
  const verdict = checkLinearizable(history, { maxSteps: 20 });
  assert.equal(verdict.kind, "gaveUp");
});

test("small histories are judged as by trying every order", () => {
  let violations = 0;
  forSeeds((seed) => {
    const mix = { clients: 3, operations: 6, keys: 2, unknownPercent: 25, uniqueValues: false };
    const { history } = randomHistory({ ...mix, seed });
    for (const operation of answered(history)) {
      for (const revision of [operation.outcome.revision - 1, operation.outcome.revision + 1]) {
        const changed = replaced(history, withOutcome(operation, { revision }));
        const expected = canBeOrdered(changed);
        if (!expected) violations++;
        assert.equal(kindOf(checkLinearizable(changed)) === "linearizable", expected);
      }
    }
    assert.ok(canBeOrdered(history));
  });
  assert.ok(violations > SEEDS);
});

/** Tries every order, and every choice of what happened at all. */
function canBeOrdered(history: readonly Operation[]): boolean {
  const relevant = history.filter(({ outcome }) => outcome.kind !== "failed");
  const model = new KVModel(EMPTY_STATE);
  const states = new Map<number, KVModel>();
  return place(relevant);

  function place(left: readonly Operation[]): boolean {
    states.set(model.revision, new KVModel(model.state()));
    if (left.every(({ outcome }) => outcome.kind === "unknown")) return true;
    const earliest = Math.min(...left.filter(isOrdered).map(returnOf));
    for (const operation of left) {
      if (isOrdered(operation) && operation.callTime > earliest) continue;
      const rest = left.filter((each) => each !== operation);
      const mark = model.mark();
      const { outcome } = operation;
      if (outcome.kind === "unknown") {
        const { events } = model.apply(operation.request);
        if (events.length > 0 && operation.callTime <= earliest && place(rest)) return true;
        model.rollback(mark);
        continue;
      }
      if (fits(operation) && place(rest)) return true;
      model.rollback(mark);
    }
    return false;
  }

  function fits({ request, outcome }: Operation): boolean {
    if (outcome.kind !== "ok") return false;
    if (request.kind === "get" && (request.serializable || request.revision)) {
      const revision = request.revision ?? outcome.revision;
      if (!request.serializable && outcome.revision !== model.revision) return false;
      if (outcome.revision > model.revision) return false;
      const past = states.get(revision);
      if (past === undefined || revision > model.revision) return false;
      return sameResult(past.apply(request).result, outcome.result);
    }
    const { result } = model.apply(request);
    return model.revision === outcome.revision && sameResult(result, outcome.result);
  }
}

/** Serializable reads stand in no order, but show that their revision was there. */
function isOrdered({ outcome }: Operation): boolean {
  return outcome.kind === "ok";
}

function returnOf({ outcome }: Operation): number {
  return outcome.kind === "ok" ? outcome.returnTime : Number.POSITIVE_INFINITY;
}
