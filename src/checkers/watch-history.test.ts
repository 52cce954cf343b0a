import assert from "node:assert/strict";
import { test } from "node:test";
import { type RandomHistory, randomHistory } from "./testing/random-history.ts";
import { formatViolation } from "./violation.ts";
import {
  checkWatches,
  resumeRevision,
  type WatchEventSeen,
  type WatchRecord,
  type WatchResponseSeen,
} from "./watch-history.ts";

const SEEDS = 60;

/** Histories whose first watch saw plenty. */
function forHistories(run: (history: RandomHistory) => void): void {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const mix = { clients: 6, operations: 200, keys: 4, unknownPercent: 5, seed };
    try {
      run(randomHistory(mix));
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
}

function kindsOf({ writes }: RandomHistory, ...watches: readonly WatchRecord[]): string[] {
  return checkWatches(watches, { firstRevision: 1, writes }).map(({ kind }) => kind);
}

const watchOf = ({ watches }: RandomHistory, id: number): WatchRecord => {
  const watch = watches[id];
  assert.ok(watch);
  return watch;
};

/** The watch with one of its responses changed, chosen from the middle. */
function changed(
  watch: WatchRecord,
  which: (response: WatchResponseSeen) => boolean,
  change: (response: WatchResponseSeen) => readonly WatchResponseSeen[],
): WatchRecord {
  const fitting = watch.responses.filter(which);
  const target = fitting[Math.floor(fitting.length / 2)];
  assert.ok(target, "the seed gives nothing to change");
  return {
    ...watch,
    responses: watch.responses.flatMap((each) => (each === target ? change(each) : [each])),
  };
}

const hasEvents = ({ events }: WatchResponseSeen): boolean => events.length > 0;
const revisionsIn = ({ events }: WatchResponseSeen): number[] => [
  ...new Set(events.map(({ modRevision }) => modRevision)),
];

test("what a correct server sends passes", () => {
  forHistories((history) => {
    const violations = checkWatches(history.watches, { firstRevision: 1, writes: history.writes });
    assert.equal(violations.map(formatViolation).join("\n"), "");
  });
});

test("a response that never came is missed", () => {
  forHistories((history) => {
    const lossy = changed(watchOf(history, 0), hasEvents, () => []);
    assert.deepEqual(kindsOf(history, lossy), ["reliable"]);
  });
});

test("the end of a stream may be open, unless the recorder waited for it", () => {
  forHistories((history) => {
    const watch = watchOf(history, 0);
    const cut = { ...watch, responses: watch.responses.slice(0, 5) };
    assert.deepEqual(kindsOf(history, { ...cut, completeTo: undefined }), []);
    assert.deepEqual(kindsOf(history, cut), ["reliable"]);
  });
});

test("events in the wrong order are found", () => {
  forHistories((history) => {
    const swapped = changed(
      watchOf(history, 0),
      (response) => revisionsIn(response).length > 1,
      (response) => [{ ...response, events: [...response.events].reverse() }],
    );
    assert.ok(kindsOf(history, swapped).includes("ordered"));
  });
});

test("a response that comes twice is found", () => {
  forHistories((history) => {
    const twice = changed(watchOf(history, 0), hasEvents, (response) => [response, response]);
    assert.ok(kindsOf(history, twice).includes("unique"));
  });
});

test("a revision in two responses, and half a revision, are found", () => {
  forHistories((history) => {
    const isOneOfMany = (response: WatchResponseSeen): boolean =>
      response.events.length > 1 && revisionsIn(response).length === 1;
    const watch = watchOf(history, 0);
    if (!watch.responses.some(isOneOfMany)) return;
    const split = changed(watch, isOneOfMany, (response) => [
      { ...response, events: response.events.slice(0, 1) },
      { ...response, events: response.events.slice(1) },
    ]);
    assert.deepEqual(kindsOf(history, split), ["atomic"]);
    const half = changed(watch, isOneOfMany, (response) => [
      { ...response, events: response.events.slice(1) },
    ]);
    assert.deepEqual(kindsOf(history, half), ["atomic"]);
  });
});

test("a progress notice that comes too early is found", () => {
  forHistories((history) => {
    const early = changed(watchOf(history, 0), hasEvents, (response) => [
      { ...response, events: [] },
      response,
    ]);
    assert.ok(kindsOf(history, early).includes("bookmarkable"));
  });
});

test("a header revision that goes back on one stream is found", () => {
  forHistories((history) => {
    const watch = watchOf(history, 0);
    const last = { time: 1e6, revision: 3, events: [] };
    const back = { ...watch, responses: [...watch.responses, last] };
    assert.deepEqual(kindsOf(history, back), ["bookmarkable"]);
    assert.deepEqual(kindsOf(history, { ...back, mayMove: true }), []);
  });
});

test("a watch that goes on one revision too late is found", () => {
  forHistories((history) => {
    const [before, after] = [watchOf(history, 2), watchOf(history, 3)];
    assert.deepEqual(kindsOf(history, before, after), []);
    assert.equal(resumeRevision(before), after.startRevision);
    const startRevision = (after.startRevision ?? 0) + 1;
    const responses = after.responses.map((response) => ({
      ...response,
      events: response.events.filter(({ modRevision }) => modRevision >= startRevision),
    }));
    const late = { ...after, startRevision, responses };
    assert.ok(kindsOf(history, before, late).includes("resumable"));
  });
});

function withEvent(
  watch: WatchRecord,
  which: (event: WatchEventSeen) => boolean,
  change: (event: WatchEventSeen) => WatchEventSeen,
): WatchRecord {
  return changed(
    watch,
    ({ events }) => events.some(which),
    (response) => {
      const target = response.events.find(which);
      const events = response.events.map((each) => (each === target ? change(each) : each));
      return [{ ...response, events }];
    },
  );
}

test("a value that was never written, and a key that is said to be new, are found", () => {
  forHistories((history) => {
    const watch = watchOf(history, 0);
    const isUpdate = ({ kv }: WatchEventSeen): boolean => (kv?.version ?? 0) > 1;
    const other = withEvent(watch, isUpdate, (event) => ({
      ...event,
      kv: event.kv && { ...event.kv, value: "other" },
    }));
    assert.deepEqual(kindsOf(history, other), ["invented"]);
    const create = withEvent(watch, isUpdate, (event) => ({
      ...event,
      kv: event.kv && { ...event.kv, createRevision: event.modRevision, version: 1 },
    }));
    assert.deepEqual(kindsOf(history, create), ["isCreate"]);
  });
});

test("a previous value that is missing or wrong is found, unless it is compacted", () => {
  forHistories((history) => {
    const watch = watchOf(history, 0);
    const isUpdate = ({ prevKV }: WatchEventSeen): boolean => prevKV !== undefined;
    const without = withEvent(watch, isUpdate, (event) => ({ ...event, prevKV: undefined }));
    assert.deepEqual(kindsOf(history, without), ["prevKV"]);
    const compactions = [{ revision: 1e6, callTime: 0 }];
    const world = { firstRevision: 1, writes: history.writes, compactions };
    assert.deepEqual(checkWatches([without], world), []);
    const wrong = withEvent(watch, isUpdate, (event) => ({
      ...event,
      prevKV: event.prevKV && { ...event.prevKV, value: "other" },
    }));
    assert.deepEqual(kindsOf(history, wrong), ["prevKV"]);
  });
});

test("events that a filter or the range excludes are found", () => {
  forHistories((history) => {
    const all = watchOf(history, 0);
    assert.ok(kindsOf(history, { ...all, filters: ["noPut"] }).includes("filter"));
    assert.ok(kindsOf(history, { ...all, key: "k1", end: undefined }).includes("filter"));
  });
});

test("a watch may be cancelled as compacted if its history is gone, and only then", () => {
  forHistories((history) => {
    const watch: WatchRecord = {
      ...{ id: 9, key: "k", end: "l", startRevision: 5, createdRevision: 50, responses: [] },
      cancelled: { time: 100, compactRevision: 20 },
    };
    const kinds = (record: WatchRecord, revision: number, callTime: number): string[] =>
      checkWatches([record], {
        ...{ firstRevision: 1, writes: history.writes },
        compactions: [{ revision, callTime }],
      }).map(({ kind }) => kind);
    assert.deepEqual(kinds(watch, 20, 90), []);
    assert.deepEqual(kinds(watch, 20, 110), ["cancelled"]);
    assert.deepEqual(kinds(watch, 10, 90), ["cancelled"]);
    assert.deepEqual(kinds({ ...watch, startRevision: 20 }, 20, 90), ["cancelled"]);
    const silent = { ...watch, cancelled: { time: 100, compactRevision: 0 } };
    assert.deepEqual(kinds(silent, 20, 90), ["cancelled"]);
  });
});
