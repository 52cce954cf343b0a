/** The picture's content: what members were when, and which message went where. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TimelineEvent } from "../../src/cli/cluster/lab/timeline.ts";
import { storyOf } from "./story.ts";

let number = 0;
const at = (process: string, event: object): TimelineEvent =>
  ({ number: ++number, process, ...event }) as TimelineEvent;
const HEAD = { term: 2, index: 0, commit: 0, entries: 0, reject: false };
const nameOf = (id: string): string => ({ "1": "a", "2": "b" })[id] ?? id;

test("a member is what it last said, unless it is paused or gone", () => {
  const state = { kind: "state", leader: "0", vote: "1" };
  const { segments } = storyOf(
    [
      at("a", { kind: "note", atMs: 0, text: "started, process 5" }),
      at("a", { ...state, atMs: 10, role: "candidate", term: 2 }),
      at("a", { ...state, atMs: 12, role: "leader", term: 2 }),
      at("a", { kind: "note", atMs: 20, text: "paused" }),
      at("a", { kind: "note", atMs: 30, text: "goes on" }),
      at("a", { kind: "note", atMs: 40, text: "killed" }),
      at("a", { kind: "note", atMs: 50, text: "started, process 6" }),
      at("a", { kind: "note", atMs: 60, text: "paused" }),
      at("a", { kind: "note", atMs: 70, text: "goes on" }),
    ],
    ["a"],
    nameOf,
  );
  const told = segments.get("a")?.map(({ fromMs, toMs, kind }) => [fromMs, toMs, kind]);
  assert.deepEqual(told, [
    [0, 10, "silent"],
    [10, 12, "candidate"],
    [12, 20, "leader"],
    [20, 30, "paused"],
    [30, 40, "leader"],
    [40, 50, "down"],
    [50, 60, "silent"],
    [60, 70, "paused"],
    [70, undefined, "silent"],
  ]);
});

test("the two ends of a message make one arrow, whichever report came first", () => {
  const { arrows } = storyOf(
    [
      at("b", { kind: "received", atMs: 3, type: "Vote", peer: "1", ...HEAD }),
      at("a", { kind: "sent", atMs: 1, type: "Vote", peer: "2", ...HEAD }),
      at("b", { kind: "sent", atMs: 4, type: "VoteResp", peer: "1", ...HEAD, reject: true }),
      at("a", { kind: "lost", atMs: 9, type: "Vote", peer: "2", ...HEAD }),
    ],
    ["a", "b"],
    nameOf,
  );
  assert.deepEqual(
    arrows.map(({ from, to, sentMs, receivedMs, isLost, isRefusal }) => {
      return { from, to, sentMs, receivedMs, isLost, isRefusal };
    }),
    [
      { from: "a", to: "b", sentMs: 1, receivedMs: 3, isLost: false, isRefusal: false },
      { from: "b", to: "a", sentMs: 4, receivedMs: undefined, isLost: false, isRefusal: true },
      { from: "a", to: "b", sentMs: 9, receivedMs: undefined, isLost: true, isRefusal: false },
    ],
  );
});
