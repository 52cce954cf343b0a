import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ManualClock } from "../testing/core-harness.ts";
import { message } from "../testing/raw-frames.ts";
import { type DeadlineEntry, Deadlines } from "./deadlines.ts";
import { MessageReader } from "./message-reader.ts";
import { MethodTable } from "./method-table.ts";
import { decodeStatusMessage, encodeStatusMessage } from "./status.ts";
import { BODY_ROOM_BYTES } from "../../env/rpc.ts";

test("status messages survive percent encoding, which yields plain field values", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 50 }), (text) => {
      const encoded = encodeStatusMessage(text);
      assert.match(encoded, /^([!-~]([ -~]*[!-~])?)?$/);
      assert.equal(decodeStatusMessage(encoded), text);
    }),
  );
  assert.equal(encodeStatusMessage("a 100% ü\n"), "a 100%25 %C3%BC%0A");
  assert.equal(decodeStatusMessage("50% of %zz"), "50% of %zz");
});

test("messages come out the same however their bytes are cut", () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 12 });
  const cuts = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(bodies, cuts, (messages, sizes) => {
      const input = Buffer.concat(messages.map((body) => message(body)));
      const received: string[] = [];
      const budget = { partialBytes: 0, maxPartialBytes: 10_000 };
      const sink = {
        onGrpcMessage: (_flag: number, body: Buffer, hasRoom: boolean) => {
          received.push(body.toString("hex"));
          // Whoever has the room may write there; nothing else lies in it.
          if (!hasRoom) return;
          const start = body.byteOffset - BODY_ROOM_BYTES;
          Buffer.from(body.buffer, start, body.length + 2 * BODY_ROOM_BYTES).fill(0xff);
        },
        onFramingError: (_code: number, text: string) => assert.fail(text),
      };
      const reader = new MessageReader(sink, 100, budget);
      for (let at = 0, i = 0; at < input.length; i++) {
        const end = Math.min(input.length, at + (sizes[i % sizes.length] ?? 1));
        reader.feed(input, at, end);
        at = end;
      }
      assert.deepEqual(
        received,
        messages.map((body) => Buffer.from(body).toString("hex")),
      );
      assert.equal(reader.partial, false);
      assert.equal(budget.partialBytes, 0);
    }),
  );
});

test("a message above the limit is refused, also where all of it has come, and nothing after it is read", () => {
  for (const size of [1, 5, 1_000]) {
    const received: number[] = [];
    const errors: string[] = [];
    const sink = {
      onGrpcMessage: (_flag: number, body: Buffer) => received.push(body.length),
      onFramingError: (_code: number, text: string) => errors.push(text),
    };
    const reader = new MessageReader(sink, 100, { partialBytes: 0, maxPartialBytes: 10_000 });
    const sizes = [100, 101, 1];
    const input = Buffer.concat(sizes.map((length) => message(Buffer.alloc(length))));
    for (let at = 0; at < input.length; at += size) {
      reader.feed(input, at, Math.min(input.length, at + size));
    }
    assert.deepEqual(received, [100]);
    assert.deepEqual(errors, ["grpc: received message larger than max (101 vs. 100)"]);
  }
});

class Entry implements DeadlineEntry {
  deadlineBucket = undefined;
  deadlinePrevious = undefined;
  deadlineNext = undefined;
  readonly deadlineMs: number;
  readonly #fired: (entry: Entry) => void;

  constructor(deadlineMs: number, fired: (entry: Entry) => void) {
    this.deadlineMs = deadlineMs;
    this.#fired = fired;
  }
  onDeadline(): void {
    this.#fired(this);
  }
}

test("every deadline fires once, not early and at most a bucket late, unless removed", () => {
  const plan = fc.array(
    fc.record({
      at: fc.integer({ min: 0, max: 3_000 }),
      deadline: fc.integer({ min: 0, max: 4_000 }),
      removeAt: fc.option(fc.integer({ min: 0, max: 5_000 })),
    }),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(plan, (steps) => {
      const clock = new ManualClock();
      const deadlines = new Deadlines(clock);
      const firedAt = new Map<number, number>();
      const entries = new Map<number, Entry>();
      for (let now = 0; now <= 5_000; now += 1) {
        clock.advance(now === 0 ? 0 : 1);
        steps.forEach((step, i) => {
          if (step.at === now) {
            const entry = new Entry(step.deadline, () => {
              assert.equal(firedAt.has(i), false);
              firedAt.set(i, clock.now);
            });
            entries.set(i, entry);
            deadlines.add(entry);
          }
          const entry = entries.get(i);
          if (step.removeAt === now && entry !== undefined) deadlines.remove(entry);
        });
      }
      clock.advance(20);
      steps.forEach((step, i) => {
        const due = Math.max(step.at, step.deadline);
        const fired = firedAt.get(i);
        const removed = step.removeAt !== null && step.removeAt >= step.at;
        if (fired !== undefined) assert.ok(fired >= step.deadline && fired <= due + 8);
        else assert.ok(removed && (step.removeAt ?? 0) <= due + 8);
      });
    }),
    { numRuns: 15 },
  );
});

test("texts for methods that do not exist", () => {
  const table = new MethodTable([{ index: 0, path: "/a.B/C", kind: "unary" }]);
  assert.equal(table.find("/a.B/C")?.index, 0);
  assert.equal(table.unknownText("/a.B/D"), "unknown method D for service a.B");
  assert.equal(table.unknownText("/a.X/C"), "unknown service a.X");
  assert.equal(table.unknownText("/nothing"), 'malformed method name: "/nothing"');
});
