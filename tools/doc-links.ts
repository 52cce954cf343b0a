/**
 * Checks what documents point to: relative links (with their headings) and the source files that
 * they name between backticks. A name counts as right when some file of the repository has it or
 * ends with it, so that a page may write `bolt/format.ts`. Patterns (`*`, `{}`, `<>`) and files of
 * other projects are not names of ours: the latter are written without backticks.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import type { Finding } from "./tidy.ts";

/** Folders that hold no sources of ours. */
const SKIPPED = new Set([".git", "dist", "node_modules"]);
const NAMED_FILE = /^[\w./-]+\.(?:ts|mts|mjs|md|proto)$/;

/** All files of the repository, as paths from the root. */
export function repositoryFiles(root: string): string[] {
  const files: string[] = [];
  const visit = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      if (SKIPPED.has(entry.name)) continue;
      const path = posix.join(folder, entry.name);
      if (entry.isDirectory()) visit(path);
      else files.push(path);
    }
  };
  visit("");
  return files;
}

export function checkLinks(root: string): Finding[] {
  const files = repositoryFiles(root);
  return files
    .filter((path) => path.endsWith(".md"))
    .flatMap((path) => {
      const text = readFileSync(join(root, path), "utf8");
      return documentProblems(path, text, {
        exists: (target) => existsSync(join(root, target)),
        headings: (target) => headingsOf(readFileSync(join(root, target), "utf8")),
        isNamed: (name) => files.some((file) => file === name || file.endsWith(`/${name}`)),
      });
    });
}

export interface Surroundings {
  exists(path: string): boolean;
  headings(path: string): ReadonlySet<string>;
  /** Whether a file of the repository has this name, or ends with it. */
  isNamed(name: string): boolean;
}

export function documentProblems(path: string, text: string, around: Surroundings): Finding[] {
  const findings: Finding[] = [];
  let isCode = false;
  for (const [index, line] of text.split("\n").entries()) {
    if (/^\s*(?:```|~~~)/.test(line)) isCode = !isCode;
    if (isCode) continue;
    const report = (what: string) => findings.push({ path, line: index + 1, text: what });
    for (const match of line.matchAll(/\]\(([^)\s]+)\)/g)) {
      const problem = linkProblem(path, match[1] ?? "", around);
      if (problem !== undefined) report(problem);
    }
    for (const match of line.matchAll(/`([^`]+)`/g)) {
      const name = match[1] ?? "";
      if (NAMED_FILE.test(name) && !around.isNamed(name.replace(/^(?:\.\.?\/)+/, ""))) {
        report(`no file is named ${name}`);
      }
    }
  }
  return findings;
}

function linkProblem(path: string, link: string, around: Surroundings): string | undefined {
  if (/^[a-z]+:/.test(link)) return undefined;
  const [file = "", anchor] = link.split("#");
  const target = file === "" ? path : posix.join(posix.dirname(path), file);
  if (!around.exists(target)) return `the link ${link} leads nowhere`;
  if (anchor === undefined || !target.endsWith(".md")) return undefined;
  return around.headings(target).has(anchor) ? undefined : `${target} has no heading #${anchor}`;
}

/** Anchors of headings as GitHub makes them. */
export function headingsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const match of text.matchAll(/^#+ (.+)$/gm)) {
    const plain = (match[1] ?? "").toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "");
    anchors.add(plain.replaceAll(" ", "-"));
  }
  return anchors;
}
