/** The loader in front of bundled programs, tried with a small program of its own. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";

const LOADER = readFileSync(
  join(
    fileURLToPath(new URL(".", import.meta.url)).replace(/\/dist\/tools\/$/, "/tools/"),
    "program-loader.cjs",
  ),
  "utf8",
);
const PROGRAM = `
function used() { return process.argv[2] ?? "nothing"; }
exports.programs = {
  tool: () => console.log(used(), require("node:path").basename(__filename), typeof module.exports),
};
`;

interface Place {
  readonly directory: string;
  /** As the build does. */
  install(program: string, digest: string, keepAfterMs?: string): void;
  run(...args: string[]): string;
  kept(): string[];
}

function place(t: TestContext): Place {
  const directory = mkdtempSync(join(tmpdir(), "loader-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const cache = join(directory, ".code-cache");
  return {
    directory,
    install(program, digest, keepAfterMs = "[2000, 20000]") {
      writeFileSync(join(directory, "programs.cjs"), program);
      const loader = LOADER.replace("{PROGRAM}", "tool")
        .replace("{BUNDLE}", "programs")
        .replace("{SOURCE_DIGEST}", digest)
        .replace("[2000, 20000]", keepAfterMs);
      writeFileSync(join(directory, "tool.cjs"), loader);
    },
    run(...args) {
      const done = spawnSync(process.execPath, [join(directory, "tool.cjs"), ...args], {
        encoding: "utf8",
        env: {},
      });
      assert.equal(done.stderr, "");
      return done.stdout;
    },
    kept: () => readdirSync(cache).sort(),
  };
}

test("each command keeps its compiled code, once", (t) => {
  const { install, run, kept, directory } = place(t);
  install(PROGRAM, "d1");
  assert.equal(run("get"), "get programs.cjs object\n");
  const names = kept();
  assert.equal(names.length, 1);
  assert.match(names[0] ?? "", /^tool-d1-.*-get$/);
  const file = join(directory, ".code-cache", names[0] ?? "");
  const before = readFileSync(file);
  assert.equal(run("get"), "get programs.cjs object\n");
  assert.equal(run("--flag", "UPPER", "put"), "--flag programs.cjs object\n");
  assert.equal(kept().length, 2);
  assert.deepEqual(readFileSync(file), before);
});

test("a program that was built anew does not run old code, even of the same length", (t) => {
  const { install, run } = place(t);
  install('exports.programs = { tool: () => console.log("one") };', "d1");
  assert.equal(run(), "one\n");
  install('exports.programs = { tool: () => console.log("two") };', "d2");
  assert.equal(run(), "two\n");
});

test("kept code that is damaged, or cannot be kept, does not matter", (t) => {
  const { install, run, kept, directory } = place(t);
  install(PROGRAM, "d1");
  run("get");
  const file = join(directory, ".code-cache", kept()[0] ?? "");
  const whole = readFileSync(file);
  for (const content of [Buffer.alloc(0), Buffer.from("text"), whole.subarray(0, 200)]) {
    writeFileSync(file, content);
    assert.equal(run("get"), "get programs.cjs object\n");
    assert.equal(readFileSync(file).length, whole.length);
  }
  rmSync(join(directory, ".code-cache"), { recursive: true });
  writeFileSync(join(directory, ".code-cache"), "a file in the way");
  assert.equal(run("get"), "get programs.cjs object\n");
});

test("kept code does not grow without bound", (t) => {
  const { install, run, kept, directory } = place(t);
  install(PROGRAM, "d1");
  mkdirSync(join(directory, ".code-cache"));
  for (let i = 0; i < 48; i++) writeFileSync(join(directory, ".code-cache", `old-${i}`), "");
  run("get");
  assert.match(kept().join(), /^tool-d1-[^,]*-get$/);
});

const STAYING_PROGRAM = `
const { existsSync, readdirSync } = require("node:fs");
const cache = __dirname + "/.code-cache";
const hasStayed = () => existsSync(cache) && readdirSync(cache).some((name) => name.endsWith("-stays"));
exports.programs = {
  tool() {
    if (process.argv[2] !== "stay") return;
    setInterval(() => hasStayed() && process.kill(process.pid, "SIGKILL"), 5);
  },
};
`;

test("a program that a signal ends has kept its code before, apart from one that ended", (t) => {
  const { install, run, kept } = place(t);
  install(STAYING_PROGRAM, "d1", "[20]");
  run("stay");
  assert.match(kept().join(), /^tool-d1-[^,]*-stay-stays$/);
  run("get");
  assert.match(kept().join(), /^tool-d1-[^,]*-get,tool-d1-[^,]*-stay-stays$/);
});
