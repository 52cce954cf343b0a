/** The loader in front of bundled programs, tried with a small program of its own. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const LOADER = readFileSync(
  join(
    fileURLToPath(new URL(".", import.meta.url)).replace(/\/dist\/tools\/$/, "/tools/"),
    "program-loader.cjs",
  ),
  "utf8",
);
const PROGRAM = `
function used() { return process.argv[2] ?? "nothing"; }
console.log(used(), require("node:path").basename(__filename), typeof module.exports);
`;

interface Place {
  readonly directory: string;
  /** As the build does. */
  install(program: string, digest: string, keepAfterMs?: string): void;
  /** A script that the program can load. */
  add(name: string, script: string): void;
  run(...args: string[]): string;
  runWith(flags: readonly string[], ...args: string[]): string;
  kept(): string[];
}

function place(t: TestContext): Place {
  const directory = mkdtempSync(join(tmpdir(), "loader-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const cache = join(directory, ".code-cache");
  mkdirSync(join(directory, "lib"));
  const add = (name: string, script: string): void => {
    writeFileSync(join(directory, "lib", name), script);
  };
  const runWith = (flags: readonly string[], ...args: string[]): string => {
    const all = [...flags, join(directory, "tool.cjs"), ...args];
    const options = { encoding: "utf8", env: {}, timeout: PATIENCE_MS } as const;
    const done = spawnSync(process.execPath, all, options);
    assert.deepEqual([done.error, done.stderr], [undefined, ""]);
    return done.stdout;
  };
  return {
    directory,
    add,
    install(program, digest, keepAfterMs = "[2000, 20000]") {
      add("tool-program.cjs", program);
      add("program-loader.cjs", LOADER.replace("[2000, 20000]", keepAfterMs));
      const start = `require("./lib/program-loader.cjs").start("tool", "${digest}");`;
      writeFileSync(join(directory, "tool.cjs"), start);
    },
    run: (...args) => runWith([], ...args),
    runWith,
    kept: () => readdirSync(cache).sort(),
  };
}

test("each command keeps its compiled code, once", (t) => {
  const { install, run, kept, directory } = place(t);
  install(PROGRAM, "d1");
  assert.equal(run("get"), "get tool-program.cjs object\n");
  const names = kept();
  assert.equal(names.length, 1);
  assert.match(names[0] ?? "", /^tool-d1-.*-get$/);
  const file = join(directory, ".code-cache", names[0] ?? "");
  const before = readFileSync(file);
  assert.equal(run("get"), "get tool-program.cjs object\n");
  assert.equal(run("--flag", "UPPER", "put"), "--flag tool-program.cjs object\n");
  assert.equal(kept().length, 2);
  assert.deepEqual(readFileSync(file), before);
});

test("a program that was built anew does not run old code, even of the same length", (t) => {
  const { install, run } = place(t);
  install('console.log("one");', "d1");
  assert.equal(run(), "one\n");
  install('console.log("two");', "d2");
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
    assert.equal(run("get"), "get tool-program.cjs object\n");
    assert.equal(readFileSync(file).length, whole.length);
  }
  rmSync(join(directory, ".code-cache"), { recursive: true });
  writeFileSync(join(directory, ".code-cache"), "a file in the way");
  assert.equal(run("get"), "get tool-program.cjs object\n");
});

test("scripts of a program are modules, and the code of each that a run loads is kept", (t) => {
  const { install, add, run, kept, directory } = place(t);
  add("one.cjs", 'exports.text = "1" + require("./two.cjs").text;');
  add("two.cjs", 'exports.text = "2"; exports.log = console.log;');
  install(
    `const [, , which, ...all] = process.argv;
    for (const name of all) require("./two.cjs").log(which, require("./" + name + ".cjs").text);`,
    "d1",
  );
  const size = (): number => readFileSync(join(directory, ".code-cache", kept()[0] ?? "")).length;
  assert.equal(run("get", "two"), "get 2\n");
  const first = size();
  assert.equal(run("get", "one", "two"), "get 12\nget 2\n");
  const both = size();
  assert.ok(both > first);
  assert.equal(run("get", "two"), "get 2\n");
  assert.equal(size(), both);
  assert.equal(kept().length, 1);
});

test("code is kept apart for other flags of V8, which would refuse it", (t) => {
  const { install, run, runWith, kept } = place(t);
  install(PROGRAM, "d1");
  run("get");
  const [first] = kept();
  runWith(["--stack-size=900"], "get");
  assert.equal(kept().length, 2);
  run("get");
  assert.ok(kept().includes(first ?? ""));
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
const cache = require("node:path").dirname(__dirname) + "/.code-cache";
const hasStayed = () => existsSync(cache) && readdirSync(cache).some((name) => name.endsWith("-stays"));
if (process.argv[2] === "stay") {
  setInterval(() => hasStayed() && process.kill(process.pid, "SIGKILL"), 5);
}
`;

test("a program that a signal ends has kept its code before, apart from one that ended", (t) => {
  const { install, run, kept } = place(t);
  install(STAYING_PROGRAM, "d1", "[20]");
  run("stay");
  assert.match(kept().join(), /^tool-d1-[^,]*-stay-stays$/);
  run("get");
  assert.match(kept().join(), /^tool-d1-[^,]*-get,tool-d1-[^,]*-stay-stays$/);
});

// It loads a script when all before is kept, stays until that is kept, too, and later runs for a
// moment.
const LATE_PROGRAM = `
const fs = require("node:fs");
const end = () => process.kill(process.pid, "SIGKILL");
if (process.argv.includes("--later")) setTimeout(end, 300);
setInterval(() => {
  const folder = __dirname + "/../.code-cache/";
  const [file] = fs.existsSync(folder) ? fs.readdirSync(folder) : [];
  if (!file?.endsWith("-stays")) return;
  require("./late.cjs");
  // The first line names the scripts.
  const isKept = /^.*late/.test(fs.readFileSync(folder + file, "latin1"));
  if (isKept && !process.argv.includes("--later")) end();
}, 5);
`;
/** However slow the machine is, a time to keep code comes after the late script. */
const AGAIN_AND_AGAIN = JSON.stringify(Array.from({ length: 13 }, (_, i) => 20 * 2 ** i));

test("a program that stays keeps its code once, also of what it loads late", (t) => {
  const { install, add, directory, run, kept } = place(t);
  install(LATE_PROGRAM, "d1", AGAIN_AND_AGAIN);
  add("late.cjs", "module.exports = () => 1;");
  const fileNow = (): number => {
    const [file = ""] = kept();
    return statSync(join(directory, ".code-cache", file)).ino;
  };
  // The words of a command name its file; a flag is none.
  run("--first");
  const first = fileNow();
  run("--later");
  assert.equal(fileNow(), first);
});
