/** Every example of docs/testing.md runs, as it stands there, on the built package. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { packageRoot } from "../base/testing/package-root.ts";

/** For all examples together, on a busy machine. */
const TIMEOUT_MS = 120_000;

const root = packageRoot();
const scratch = mkdtempSync(join(tmpdir(), "etcd-testing-guide-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** Each block of the page as a test file of its own. */
function writeExamples(): string[] {
  const page = readFileSync(join(root, "docs/testing.md"), "utf8");
  const blocks = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = ""]) => code);
  return blocks.map((code, i) => {
    const name = `example-${i + 1}.test.ts`;
    writeFileSync(join(scratch, name), code);
    return name;
  });
}

test("every example of the guide to testing compiles strictly and passes", () => {
  mkdirSync(join(scratch, "node_modules", "@types"), { recursive: true });
  symlinkSync(root, join(scratch, "node_modules", "etcd-ts"));
  symlinkSync(join(root, "node_modules/@types/node"), join(scratch, "node_modules/@types/node"));
  writeFileSync(join(scratch, "package.json"), '{ "type": "module" }');
  const names = writeExamples();
  assert.ok(names.length > 0, "the page has no example");
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  const strict = ["--strict", "--module", "nodenext", "--target", "es2022", "--skipLibCheck"];
  const libraries = ["--lib", "es2023,esnext.disposable", "--types", "node", "--outDir", "out"];
  run([compiler, ...strict, ...libraries, ...names]);
  writeFileSync(join(scratch, "out/package.json"), '{ "type": "module" }');
  const compiled = names.map((name) => join("out", name.replace(/\.ts$/, ".js")));
  const output = run(["--test", "--test-reporter=tap", ...compiled]);
  assert.match(output, new RegExp(`^# pass ${names.length}$`, "m"), output);
});

function run(args: readonly string[]): string {
  // A runner inside a runner reports to it, unless it does not know.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const options = { cwd: scratch, env, encoding: "utf8", timeout: TIMEOUT_MS } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [...args], options);
  assert.equal(status, 0, `${args.join(" ")}\n${stdout}\n${stderr}`);
  return stdout;
}
