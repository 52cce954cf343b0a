import assert from "node:assert/strict";
import { test } from "node:test";
import { parseTraceContext } from "./trace-context.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

/** As Go's propagator reads each: does the caller record, or is there no trace. */
const CASES: readonly (readonly [parent: string, meant: boolean | undefined])[] = [
  [`00-${TRACE}-${SPAN}-01`, true],
  [`00-${TRACE}-${SPAN}-00`, false],
  [`00-${TRACE}-${SPAN}-03`, true],
  [`00-${TRACE}-${SPAN}-02`, false],
  [`00-${TRACE}-${SPAN}-04`, undefined],
  [`00-${TRACE}-${SPAN}-01-more`, undefined],
  [`01-${TRACE}-${SPAN}-05-more`, true],
  [`fe-${TRACE}-${SPAN}-01`, true],
  [`ff-${TRACE}-${SPAN}-01`, undefined],
  [`00-${TRACE.toUpperCase()}-${SPAN}-01`, undefined],
  [`00-${"0".repeat(32)}-${SPAN}-01`, undefined],
  [`00-${TRACE}-${"0".repeat(16)}-01`, undefined],
  [`00-${TRACE}-${SPAN}`, undefined],
  [`00-${TRACE}-${SPAN}-1`, undefined],
  [` 00-${TRACE}-${SPAN}-01`, undefined],
  ["", undefined],
];

test("a traceparent is understood or is none", () => {
  for (const [parent, meant] of CASES) {
    assert.equal(parseTraceContext(parent, undefined)?.isSampled, meant, parent);
  }
  assert.equal(parseTraceContext(undefined, "a=b"), undefined);
  const context = parseTraceContext(`00-${TRACE}-${SPAN}-01`, undefined);
  assert.equal(Buffer.from(context?.traceID ?? []).toString("hex"), TRACE);
  assert.equal(Buffer.from(context?.spanID ?? []).toString("hex"), SPAN);
});

test("a state is passed on, and dropped when it breaks the rules", () => {
  const stateOf = (state: string): string | undefined =>
    parseTraceContext(`00-${TRACE}-${SPAN}-01`, state)?.state;
  assert.equal(stateOf("a=1, b@c=x y"), "a=1,b@c=x y");
  assert.equal(stateOf("a=1,,b=2"), "a=1,b=2");
  assert.equal(stateOf("a=1,a=2"), "");
  assert.equal(stateOf("A=1"), "");
  assert.equal(stateOf("a"), "");
  assert.equal(stateOf(`a=${"x".repeat(257)}`), "");
  assert.equal(stateOf(Array.from({ length: 33 }, (_, i) => `k${i}=1`).join()), "");
});
