/** Fields of fixed size, which only the messages for OpenTelemetry have. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DecodeError } from "../base/wire.ts";
import { Span, SpanLink } from "./gen/trace.ts";

const TIME = 0x0102030405060708n;

test("fixed fields are little-endian, with their own wire types", () => {
  const span = Span.create({ startTimeUnixNano: TIME, flags: 0xfffffffe });
  const bytes = Span.encode(span);
  assert.equal(Buffer.from(bytes).toString("hex"), "390807060504030201" + "8501feffffff");
  assert.deepEqual(Span.decode(bytes), span);
  const whole = Span.create({ endTimeUnixNano: 2n ** 64n - 1n, links: [SpanLink.create()] });
  assert.deepEqual(Span.decode(Span.encode(whole)), whole);
});

test("a fixed field that is cut off is refused, and so is another wire type", () => {
  const bytes = Span.encode(Span.create({ startTimeUnixNano: TIME }));
  for (let length = 1; length < bytes.length; length++) {
    assert.throws(() => Span.decode(bytes.subarray(0, length)), DecodeError, `${length} bytes`);
  }
  assert.throws(() => Span.decode(Buffer.from("3801", "hex")), DecodeError);
  assert.throws(() => Span.decode(Buffer.from("850101", "hex")), DecodeError);
});
