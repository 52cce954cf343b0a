import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../base/testing/package-root.ts";
import {
  checkTranscript,
  formatMismatch,
  parseTranscript,
  rewriteTranscript,
  TranscriptError,
} from "./testing/datadriven.ts";
import { interpreterFor } from "./testing/transcript-kinds.ts";

const root = packageRoot();
const own = join(root, "src/raft/testdata");
const reference = join(root, "../shared/raft-transcripts");

for (const name of readdirSync(own).sort()) {
  test(`transcript ${name}`, () => replay(join(own, name)));
}

test("the reference transcripts of etcd's raft library", (t) => {
  if (!existsSync(reference)) {
    t.skip(`${reference} is not there`);
    return;
  }
  const names = readdirSync(reference, { recursive: true, encoding: "utf8" });
  const files = names.filter((name) => name.endsWith(".txt"));
  assert.ok(files.length > 0, "there are transcripts");
  for (const name of files.sort()) replay(join(reference, name));
});

function replay(path: string): void {
  const commands = parseTranscript(readFileSync(path, "utf8"));
  assert.ok(commands.length > 0, "a transcript has commands");
  const mismatch = checkTranscript(commands, interpreterFor(commands));
  assert.equal(mismatch === undefined ? "" : `${path}\n${formatMismatch(mismatch)}`, "");
}

test("a transcript is commands with arguments, input and expected output", () => {
  const text = [
    "# comment",
    "first a key=value list=(1, 2) none=() \\",
    "  more",
    "input 1",
    "input 2",
    "----",
    "one",
    "  two",
    "",
    "second",
    "----",
  ].join("\n");
  const [first, second] = parseTranscript(text);
  assert.deepEqual(first?.args, [
    { key: "a", values: [] },
    { key: "key", values: ["value"] },
    { key: "list", values: ["1", "2"] },
    { key: "none", values: [] },
    { key: "more", values: [] },
  ]);
  assert.equal(first?.input, "input 1\ninput 2");
  assert.equal(first?.expected, "one\n  two\n");
  assert.equal(second?.name, "second");
  assert.equal(second?.expected, "");
});

test("a command without a separator is refused with its line", () => {
  assert.throws(
    () => parseTranscript("\ncommand\n"),
    new TranscriptError(2, "no ---- after command"),
  );
});

test("rewriting replaces outputs and nothing else", () => {
  const text = "# head\n\nsay a\n----\nwrong\nvery wrong\n\n# tail\nsay b\n----\n\n";
  const echo = {
    run: (command: { args: readonly { key: string }[] }) => `${command.args[0]?.key}`,
  };
  const expected = "# head\n\nsay a\n----\na\n\n# tail\nsay b\n----\nb\n\n";
  assert.equal(rewriteTranscript(text, echo), expected);
  assert.equal(rewriteTranscript(expected, echo), expected);
});

test("a mismatch shows the differing lines only, with what precedes them", () => {
  const commands = parseTranscript("say\n----\nsame\nexpected\nend\n");
  const mismatch = checkTranscript(commands, { run: () => "same\nactual\nend" });
  assert.ok(mismatch !== undefined);
  assert.equal(formatMismatch(mismatch), "  line 1: say\n    same\n  - expected\n  + actual");
});
