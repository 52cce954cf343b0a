/** How far long work has got is shown on a terminal, and leaves no trace. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ProgressBar } from "./progress-bar.ts";
import { outputWithStatus } from "./status-line.ts";

test("long work shows a bar, not more often than people can read", () => {
  let nowMs = 0;
  const shown: string[] = [];
  const bar = new ProgressBar({ status: (text) => shown.push(text) }, () => nowMs);
  for (nowMs = 0; nowMs < 500; nowMs += 10) bar.report("copying", nowMs, 1000);
  assert.deepEqual(shown, []);
  for (; nowMs < 700; nowMs += 10) bar.report("copying", nowMs, 1000);
  assert.equal(shown.length, 2);
  assert.match(shown[0] ?? "", /^copying \[={15} {15}\] 50%$/);
  nowMs += 100;
  bar.report("reading", 5, 0);
  assert.equal(shown[2], "reading ...");
});

// The bar used to be taken away at the end of the process only: what `snapshot status -w json` had
// found stood behind it on the same line.
test("the bar is gone before anything else is written", () => {
  let screen = "";
  const output = outputWithStatus(
    (descriptor, data) => {
      screen += `${descriptor}${String(data)}`;
    },
    () => true,
  );
  output.out("a\n");
  output.status("50%");
  output.status("60%");
  output.out('{"hash":1}\n');
  output.status("70%");
  output.err("a remark\n");
  output.clear();
  output.status("80%");
  output.clear();
  output.clear();
  const clear = "2\r\x1b[K";
  assert.equal(
    screen,
    `1a\n${clear}50%${clear}60%${clear}1{"hash":1}\n${clear}70%${clear}2a remark\n${clear}80%${clear}`,
  );
});

test("where nobody looks there is no bar", () => {
  const written: unknown[] = [];
  const output = outputWithStatus(
    (_descriptor, data) => written.push(data),
    () => false,
  );
  output.status("50%");
  output.out("a");
  output.clear();
  assert.deepEqual(written, ["a"]);
});
