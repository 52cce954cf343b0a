/** What the rules about time, chance and the process refuse, on made-up files. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readSource } from "./source-text.ts";
import { type Permission, type WorldKind, worldProblems } from "./tidy-world.ts";

interface Lists {
  readonly production?: readonly Permission[];
  readonly tests?: readonly Permission[];
}

const found = (path: string, text: string, { production = [], tests = [] }: Lists = {}): string[] =>
  worldProblems([readSource(path, text)], { production, tests }).map((problem) => problem.text);

const USES: Readonly<Record<WorldKind, readonly string[]>> = {
  clock: [
    "const a = Date.now();",
    "const now = Date.now;",
    "const a = performance.now();",
    "const a = globalThis.performance.now();",
    "const { now } = performance;",
    "const a = new Date();",
    "const a = new Date;",
    "const a = Date();",
    "const a = process.hrtime.bigint();",
    'import { performance } from "node:perf_hooks";',
  ],
  timer: [
    "setTimeout(f, 1);",
    "const later = setTimeout;",
    "globalThis.setTimeout(f, 1);",
    "setInterval(f, 1);",
    "clearTimeout(timer);",
    "const signal = AbortSignal.timeout(5);",
    "Atomics.wait(cell, 0, 0, 1);",
    'import { setTimeout as sleep } from "node:timers/promises";',
    'const { setTimeout: sleep } = await import("node:timers/promises");',
  ],
  turn: ["setImmediate(f);", "await new Promise(setImmediate);", "process.nextTick(f);"],
  chance: [
    "const a = Math.random();",
    "const random = Math.random;",
    "crypto.getRandomValues(bytes);",
    'import { randomBytes } from "node:crypto";',
    'import { createHash, randomUUID as id } from "node:crypto";',
  ],
  process: ["process.exit(1);", "const a = process.env.A;", "console.log(a);"],
  systemClock: ["const clock = new SystemClock();"],
};
const kinds = Object.keys(USES) as WorldKind[];

test("the real world is refused wherever no permission covers it", () => {
  for (const kind of kinds) {
    for (const text of USES[kind]) {
      assert.ok(found("src/mvcc/a.ts", text).length > 0, `${kind}: ${text}`);
      const other = kind === "clock" ? "turn" : "clock";
      const wrong = [{ path: "src/mvcc/a.ts", kinds: [other] as const, why: "" }];
      assert.ok(found("src/mvcc/a.ts", text, { production: wrong }).length > 1, text);
    }
  }
});

test("a permission covers its kind in its file or folder", () => {
  for (const kind of kinds) {
    for (const text of USES[kind]) {
      for (const path of ["src/mvcc/a.ts", "src/mvcc/"]) {
        const production = [{ path, kinds: [kind], why: "" }];
        const problems = found("src/mvcc/a.ts", text, { production });
        assert.deepEqual(problems, [], `${kind}: ${text}`);
      }
    }
  }
});

test("what only sounds like it is let be", () => {
  for (const text of [
    "socket.setTimeout(5);",
    "clock.performance;",
    "const date = new Date(ms);",
    "queueMicrotask(f);",
    '"Date.now()";',
    "// setTimeout(f, 1)",
    "this.process();",
    'import { createHash } from "node:crypto";',
    "function randomBytes(random: Random): void {}",
  ]) {
    assert.deepEqual(found("src/mvcc/a.ts", text), [], text);
  }
});

test("the simulated world is held to it, programs beside src are not", () => {
  assert.equal(found("simulation/a.ts", "setTimeout(f, 1);").length, 1);
  assert.deepEqual(found("faults/a.ts", "setTimeout(f, 1);"), []);
  assert.deepEqual(found("benchmarks/a.ts", "performance.now();"), []);
});

test("tests sleep, measure and draw by chance only where a list says why", () => {
  for (const path of ["src/a/a.test.ts", "src/a/testing/a.ts", "src/embed/e2e/a.ts"]) {
    for (const kind of ["timer", "clock", "chance"] as const) {
      for (const text of USES[kind]) assert.ok(found(path, text).length > 0, text);
      const tests = [{ path, kinds: [kind], why: "" }];
      for (const text of USES[kind]) assert.deepEqual(found(path, text, { tests }), [], text);
    }
    assert.deepEqual(found(path, "await new Promise(setImmediate);"), []);
    assert.deepEqual(found(path, "process.env.A;"), []);
  }
});

test("a seed may be drawn when it is printed", () => {
  const drawn = "const SEED = Number(process.env.SEED ?? Date.now() % 1000);\n";
  assert.deepEqual(found("src/a/a.test.ts", drawn), ["prints no seed"]);
  assert.deepEqual(found("src/a/a.test.ts", `${drawn}t.diagnostic(\`SEED=\${SEED}\`);`), []);
  assert.equal(found("src/a/a.ts", drawn).length, 2);
});

test("a permission that is not used is found", () => {
  const entry = { path: "src/a/a.ts", kinds: ["timer", "clock"] as const, why: "" };
  const unused = "src/a/a.ts has a permission for clock that it does not use";
  assert.deepEqual(found("src/a/a.ts", "setTimeout(f, 1);", { production: [entry] }), [unused]);
  assert.deepEqual(found("src/b/a.ts", "", { tests: [{ ...entry, kinds: ["clock"] }] }), [unused]);
});
