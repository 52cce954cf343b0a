/**
 * Shell completion of etcdctl and etcdutl: what the hidden `__complete` command answers, beside a
 * transcript of Go's 3.6 (Debian's 3.4 has no such command), and what bash, zsh and fish make of
 * the scripts that `completion` prints.
 *
 * `ETCD_COMPLETION_TOOLS=DIR` writes the transcript anew with the etcdctl and etcdutl in DIR.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { repositoryRoot } from "./harness.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const TRANSCRIPT = join(repositoryRoot, "conformance", "testdata", "completion.txt");
const OUR_TOOLS = join(repositoryRoot, "bin");

const scratch = mkdtempSync(join(tmpdir(), "etcdctl-completion-"));
mkdirSync(join(scratch, "directory"));
writeFileSync(join(scratch, "file"), "");
after(() => rmSync(scratch, { recursive: true, force: true }));

/** Answers that only ours gives: commands and flags that Go's 3.6 does not have. */
const OURS_ALONE =
  /^(--stream|restore\tRestores an etcd member|status\tGets backend snapshot|dump|verify|backup|check\tcommands for checking properties|tls\tTLS related commands|du\tShows what fills the database below a prefix|top\tShows what the members are doing, again and again)(\t|$| s| o)/;

function run(program: string, args: readonly string[]): string {
  const { PATH = "" } = process.env;
  const done = spawnSync(program, args, {
    encoding: "utf8",
    cwd: scratch,
    env: {
      PATH: `${OUR_TOOLS}:${PATH}`,
      HOME: scratch,
      ETCD_NODE: process.execPath,
      TERM: "dumb",
    },
    timeout: PATIENCE_MS,
  });
  return `${done.stdout}${done.stderr}`;
}

const skip = run("etcdctl", ["version"]).startsWith("etcdctl version") ? false : "not built";
const without = (shell: string): string | false =>
  skip || (spawnSync(shell, ["-c", "true"]).status === 0 ? false : `${shell} is missing`);

/** A line that ends with a space asks for the next word. */
function answerTo(directory: string, line: string): string {
  const [tool = "", ...words] = line.split(" ");
  const answer = run(join(directory, tool), ["__complete", ...words]);
  const lines = answer.split("\n").filter((each) => !OURS_ALONE.test(each));
  return `$ ${line}\n${lines.join("\n")}`;
}

test("__complete answers as Go's tools of 3.6 do", { skip }, () => {
  const recorded = readFileSync(TRANSCRIPT, "utf8");
  const blocks = recorded.split(/^(?=\$ )/m);
  const lines = blocks.map((block) => (block.split("\n")[0] ?? "").slice(2));
  const tools = process.env.ETCD_COMPLETION_TOOLS;
  if (tools !== undefined) {
    writeFileSync(TRANSCRIPT, lines.map((line) => answerTo(tools, line)).join(""));
    return;
  }
  assert.ok(lines.length > 50);
  for (const [i, line] of lines.entries()) assert.equal(answerTo(OUR_TOOLS, line), blocks[i]);
});

/** What is typed, and what stands there after TAB; the directory holds a file and a directory. */
const TYPED: readonly (readonly [typed: string, completed: string])[] = [
  ["etcdctl me", "etcdctl member "],
  ["etcdctl member l", "etcdctl member list "],
  ["etcdctl get --li", "etcdctl get --limit "],
  ["etcdctl get -w j", "etcdctl get -w json "],
  ["etcdctl get --write-out=j", "etcdctl get --write-out=json "],
  ["etcdctl get --cert f", "etcdctl get --cert file "],
  ['etcdctl put "a b" f', 'etcdctl put "a b" file '],
  ["etcdctl member zz", "etcdctl member zz"],
  ["etcdutl sn", "etcdutl snapshot "],
  ["etcdutl defrag --data-dir ", "etcdutl defrag --data-dir directory/"],
  ["etcdutl defrag --data-dir=", "etcdutl defrag --data-dir=directory/"],
];

/** Types into a shell on a terminal of its own; a key shows the line as it stands. */
const ZSH_TYPIST = `
zmodload zsh/zpty
zpty z "PS1='> ' ZDOTDIR=/nonexistent zsh -f -i"
zpty -w z 'autoload -U compinit; compinit -u -D'
zpty -w z 'source <(etcdctl completion zsh); source <(etcdutl completion zsh)'
zpty -w z 'show() { print -r -- "<<$BUFFER>>"; BUFFER="" }; zle -N show; bindkey "^X" show'
zpty -w z 'unsetopt beep; print -r -- "rea""dy"'
zpty -r z out '*ready*'
for line in "$@"; do
  zpty -w -n z "$line"$'\\t\\x18'
  zpty -r z out '*<<*>>*'
  print -r -- "\${\${out##*<<}%%>>*}"
done
zpty -d z
`;

test("zsh completes with the scripts that completion prints", { skip: without("zsh") }, () => {
  const typed = TYPED.map(([line]) => line);
  const completed = TYPED.map(([, line]) => `${line}\n`).join("");
  assert.equal(run("zsh", ["-f", "-c", ZSH_TYPIST, "typist", ...typed]), completed);
});

const FISH_TYPIST = `
etcdctl completion fish | source
etcdutl completion fish | source
for line in $argv
  complete -C $line | string replace -r '\\t.*' ''
  echo end
end
`;

test("fish completes with the scripts that completion prints", { skip: without("fish") }, () => {
  const script = join(scratch, "typist.fish");
  writeFileSync(script, FISH_TYPIST);
  const offers: readonly (readonly [line: string, ...offered: string[]])[] = [
    ["etcdctl me", "member"],
    ["etcdctl alarm ", "disarm", "list"],
    ["etcdctl get --li", "--limit"],
    ["etcdctl get -w j", "json"],
    ["etcdctl get --write-out=j", "--write-out=json"],
    ["etcdctl check perf --load ", "large", "medium", "small", "xLarge"],
    ["etcdctl get --cert ", "directory/", "file", "typist.fish"],
    ["etcdutl defrag --data-dir ", "directory/"],
    ["etcdutl completion z", "zsh"],
  ];
  const expected = offers.map(([, ...words]) => `${words.map((w) => `${w}\n`).join("")}end\n`);
  assert.equal(run("fish", [script, ...offers.map(([line]) => line)]), expected.join(""));
});

/** bash has no terminal here: its function is called as it would be, with the words that bash cuts. */
const BASH_TYPIST = `
source <(etcdctl completion bash); source <(etcdutl completion bash)
for line in "$@"; do
  IFS='|' read -ra COMP_WORDS <<<"$line|end"; unset 'COMP_WORDS[-1]'
  COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
  "$(complete -p \${COMP_WORDS[0]} | sed 's/.*-F \\([^ ]*\\).*/\\1/')"
  echo "\${COMPREPLY[*]}"
done
`;

test("bash completes with the scripts that completion prints", { skip: without("bash") }, () => {
  const offers: readonly (readonly [words: string, offered: string])[] = [
    ["etcdctl|me", "member"],
    ["etcdctl|alarm|", "disarm list"],
    ["etcdctl|get|--write-out|=|j", "json"],
    ["etcdctl|get|--write-out|=", "fields json protobuf simple table"],
    ["etcdctl|get|--write-out|=|json|--li", "--limit"],
    ["etcdctl|put|", ""],
    ["etcdutl|completion|z", "zsh"],
  ];
  const completed = offers.map(([, offered]) => `${offered}\n`).join("");
  const typed = offers.map(([words]) => words);
  assert.equal(run("bash", ["-c", BASH_TYPIST, "typist", ...typed]), completed);
});
