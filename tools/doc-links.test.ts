import assert from "node:assert/strict";
import { dirname } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { checkLinks, documentProblems, headingsOf, type Surroundings } from "./doc-links.ts";
import { findRepository, formatFinding } from "./tidy.ts";

test("every link and file name in the documents leads somewhere", () => {
  const root = findRepository(dirname(fileURLToPath(import.meta.url)));
  assert.deepEqual(checkLinks(root).map(formatFinding), []);
});

const AROUND: Surroundings = {
  exists: (path) => ["docs/a.md", "docs/sub/b.md", "src/wal"].includes(path),
  headings: () => headingsOf("# A page\n\n## Torn tails, and `more`\n"),
  isNamed: (name) => name === "wal.ts",
};

function problemsOf(text: string): string[] {
  return documentProblems("docs/a.md", text, AROUND).map(({ line, text }) => `${line}: ${text}`);
}

test("links to files, folders and headings are followed from the page they stand on", () => {
  assert.deepEqual(
    problemsOf("[b](sub/b.md) [w](../src/wal) [h](#torn-tails-and-more) [x](https://x.org/y.md)"),
    [],
  );
  assert.deepEqual(problemsOf("fine\n[b](b.md)\n[h](sub/b.md#nothing)"), [
    "2: the link b.md leads nowhere",
    "3: docs/sub/b.md has no heading #nothing",
  ]);
});

test("a file named between backticks must exist; patterns and code blocks are free", () => {
  assert.deepEqual(problemsOf("`wal.ts` `settings-*.ts` `a.b`\n```\n`gone.ts`\n```"), []);
  assert.deepEqual(problemsOf("see `gone.ts`"), ["1: no file is named gone.ts"]);
});
