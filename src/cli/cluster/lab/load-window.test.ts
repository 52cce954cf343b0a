/** Whether what a load was told can be true, without a cluster. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LoadWindow } from "./load-window.ts";
import type { RegisterSeen } from "./register-history.ts";

/** A window of one key, written by hand: times are calls and returns. */
class Story {
  readonly window = new LoadWindow("p/", 0);
  #ids = 0;

  begin(callMs: number, put?: string) {
    const id = ++this.#ids;
    return this.window.called("p/r", { id, clientID: id, member: "a", callMs, put });
  }

  read(callMs: number, returnMs: number, seen?: RegisterSeen): this {
    this.begin(callMs)({ kind: "ok", returnMs, seen });
    return this;
  }

  write(callMs: number, returnMs: number, put: string, replaced?: RegisterSeen): this {
    this.begin(callMs, put)({ kind: "ok", returnMs, seen: replaced });
    return this;
  }

  get verdict() {
    return this.window.verdict();
  }
}

const FIRST = { value: "x", version: 1 };
const SECOND = { value: "y", version: 2 };

test("reads that see the newest write, or one that runs beside them, pass", () => {
  const story = new Story().read(0, 1).write(2, 3, "x").read(4, 5, FIRST);
  story.write(6, 9, "y", FIRST).read(7, 8, FIRST).read(7, 8, SECOND).read(10, 11, SECOND);
  assert.deepEqual(story.verdict, { kind: "linearizable" });
});

test("a read that shows what was replaced before it was asked is a violation", () => {
  const story = new Story().write(0, 1, "x").write(2, 3, "y", FIRST).read(4, 5, FIRST);
  const { verdict } = story;
  assert.equal(verdict.kind, "violation");
  assert.match(
    verdict.kind === "violation" ? verdict.text : "",
    /^staleRead: .*\n(?:.*\n)*.*at a \[4, 5\] get p\/r/,
  );
});

test("a write that was acknowledged and is gone is a violation", () => {
  const story = new Story().write(0, 1, "x").write(2, 3, "y");
  assert.equal(story.verdict.kind, "violation");
});

test("a write with an unknown end, or under way, may have happened or not", () => {
  const happened = new Story();
  happened.begin(0, "x")({ kind: "unknown", error: "timeout" });
  assert.deepEqual(happened.read(5, 6, FIRST).verdict, { kind: "linearizable" });
  const didNot = new Story();
  const end = didNot.begin(0, "x");
  assert.deepEqual(didNot.read(5, 6).verdict, { kind: "linearizable" });
  assert.equal(didNot.window.open, 1);
  end({ kind: "failed", returnMs: 7, error: "refused" });
  assert.equal(didNot.read(8, 9, FIRST).verdict.kind, "violation");
});
