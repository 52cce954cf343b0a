import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

const MODULE = new URL(`external-memory${import.meta.url.slice(-3)}`, import.meta.url);

/** Collections of the whole heap while 400 MB come and stay: what goes may be freed on the way. */
function majorCollections(call: string): number {
  const script = `
    const { countExternalMemory } = await import(${JSON.stringify(MODULE.href)});
    ${call};
    const kept = Array.from({ length: 400 }, () => Buffer.alloc(1_000_000));
    console.log(kept.length);`;
  const args = ["--trace-gc", "--initial-old-space-size=96", "--input-type=module", "-e", script];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: "utf8" });
  assert.equal(stderr, "");
  assert.equal(status, 0);
  return stdout.split("Mark-Compact").length - 1;
}

test("no version of V8 complains, and the one with the flag collects less often", () => {
  const called = majorCollections("countExternalMemory(process.versions.v8)");
  const foreign = majorCollections("countExternalMemory('11.3.244.8-node.33')");
  if (process.versions.v8.startsWith("13.")) assert.ok(called < foreign, `${called}, ${foreign}`);
  else assert.ok(foreign > 0);
});
