import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryLogger, VirtualClock } from "../env/testing/index.ts";
import { DescriptorWatch } from "./descriptor-watch.ts";

test("a process that has used 80 % of its file descriptors is warned of every ten minutes", () => {
  const clock = new VirtualClock();
  const logger = new MemoryLogger();
  let used = 799;
  const watch = new DescriptorWatch({ clock, logger, count: () => ({ used, limit: 1000 }) });
  watch.start();
  assert.equal(logger.lines.length, 0);
  used = 800;
  clock.advance(10 * 60_000);
  const [line] = logger.lines;
  assert.equal(line?.level, "warn");
  assert.equal(line?.message, "80% of file descriptors are used");
  assert.deepEqual(line?.fields, { used: 800, limit: 1000 });
  watch.stop();
  clock.advance(3_600_000);
  assert.equal(logger.lines.length, 1);
});
