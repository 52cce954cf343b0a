/**
 * Checks that the repository keeps its own rules: layers, lengths, banned words, exports with a
 * user, files with an importer. Run by `npm test` through `tidy.test.ts`, and by hand with
 * `node dist/tools/tidy.js`, which also lists long functions.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { importsOf, readSource, type SourceText } from "./source-text.ts";
import { isTestFile, layerProblems, resolveImport } from "./tidy-layers.ts";
import { wingProblems } from "./tidy-wings.ts";
import { fileProblems, type LongFunction, longFunctions } from "./tidy-rules.ts";

export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly text: string;
}

const ROOTS: readonly string[] = [
  "src",
  "tools",
  "benchmarks",
  "conformance",
  "simulation",
  "faults",
];
const REQUIRED: readonly string[] = ["README.md", "CHANGELOG.md", "LICENSE", "ARCHITECTURE.md"];

/** The nearest folder above that has the repository's sources. */
export function findRepository(from: string): string {
  for (let folder = from; folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json")) && existsSync(join(folder, "src"))) return folder;
  }
  throw new Error(`no repository is above ${from}`);
}

/** Made by the codec generator; only looked at for what it imports and uses. */
function isGenerated(path: string): boolean {
  return path.includes("/gen/");
}

/** Every TypeScript source by path from the root. */
export function readSources(root: string): SourceText[] {
  const sources: SourceText[] = [];
  const visit = (folder: string): void => {
    if (!existsSync(join(root, folder))) return;
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        visit(path);
      } else if (path.endsWith(".ts")) {
        sources.push(readSource(path, readFileSync(join(root, path), "utf8")));
      }
    }
  };
  for (const folder of ROOTS) visit(folder);
  return sources;
}

export function checkSources(sources: readonly SourceText[]): Finding[] {
  const findings: Finding[] = [];
  for (const source of sources) {
    if (isGenerated(source.path)) continue;
    const isOwnRule = source.path.startsWith("tools/tidy");
    const problems = [
      ...layerProblems(source),
      ...wingProblems(source),
      ...(isOwnRule ? [] : fileProblems(source)),
    ];
    for (const { line, text } of problems) findings.push({ path: source.path, line, text });
  }
  return [...findings, ...deadFiles(sources), ...unusedExports(sources)];
}

/** Files that run by themselves. */
function isEntry(path: string): boolean {
  return (
    path.endsWith(".test.ts") ||
    /^src\/bin\/\w+\.ts$/.test(path) ||
    /^src\/\w+\/index\.ts$/.test(path) ||
    isGenerated(path) ||
    /^(?:tools|benchmarks|conformance|simulation|faults)\//.test(path)
  );
}

/** A measurement beside the tests of its layer: it prints. */
function isRunByHand(path: string, code: string): boolean {
  return path.includes("/testing/") && /\b(?:console\.log|process\.stdout\.write)\(/.test(code);
}

function deadFiles(sources: readonly SourceText[]): Finding[] {
  const imported = new Set<string>();
  for (const source of sources) {
    for (const { specifier } of importsOf(source)) {
      const target = resolveImport(source.path, specifier);
      if (target !== undefined) imported.add(target);
    }
    // Workers and child processes are started by URL.
    for (const match of source.raw.matchAll(/new URL\(\s*[`"'](\.[^`"'$]+)/g)) {
      const target = resolveImport(source.path, match[1] ?? "");
      // The ending is often the running program's own: "./worker${extension}".
      if (target !== undefined) imported.add(`${target.replace(/\.[jt]s$/, "")}.ts`);
    }
  }
  return sources
    .filter(({ path, code }) => !isEntry(path) && !imported.has(path) && !isRunByHand(path, code))
    .map(({ path }) => ({ path, line: 1, text: "no other file imports it" }));
}

const EXPORT =
  /^export (?:declare )?(?:abstract )?(?:async )?(?:const|let|function\*?|class) (\w+)/gm;

/**
 * Values exported from `src` whose name stands in no other file. Types are exempt: they belong
 * to the signature of what is exported beside them.
 */
function unusedExports(sources: readonly SourceText[]): Finding[] {
  const files = new Map<string, Set<string>>();
  for (const { path, code } of sources) {
    for (const [word] of code.matchAll(/\b[A-Za-z_]\w*\b/g)) {
      const set = files.get(word) ?? new Set();
      set.add(path);
      files.set(word, set);
    }
  }
  const findings: Finding[] = [];
  for (const { path, code } of sources) {
    if (!path.startsWith("src/") || isTestFile(path) || isGenerated(path)) continue;
    for (const match of code.matchAll(EXPORT)) {
      const name = match[1] ?? "";
      // Limits and numbers of a specification stand together, used or not.
      if (/^[A-Z0-9_]+$/.test(name)) continue;
      const users = files.get(name) ?? new Set();
      if (users.size > 1) continue;
      const line = code.slice(0, match.index).split("\n").length;
      findings.push({ path, line, text: `nobody else uses the export ${name}` });
    }
  }
  return findings;
}

/** Texts for people: present, and free of paths of one machine. */
export function checkDocuments(root: string): Finding[] {
  const findings: Finding[] = [];
  for (const path of REQUIRED) {
    if (!existsSync(join(root, path))) findings.push({ path, line: 1, text: "is missing" });
  }
  for (const path of documentsOf(root)) {
    for (const [index, line] of readFileSync(join(root, path), "utf8").split("\n").entries()) {
      if (!/\/work\//.test(line)) continue;
      findings.push({ path, line: index + 1, text: "a path of one machine" });
    }
  }
  return findings;
}

function documentsOf(root: string): string[] {
  const found = readdirSync(root).filter((name) => name.endsWith(".md"));
  const visit = (folder: string): void => {
    if (!existsSync(join(root, folder))) return;
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      if (entry.isDirectory()) visit(`${folder}/${entry.name}`);
      else if (entry.name.endsWith(".md")) found.push(`${folder}/${entry.name}`);
    }
  };
  for (const folder of ["docs", "benchmarks", "proto"]) visit(folder);
  return found;
}

export function formatFinding({ path, line, text }: Finding): string {
  return `${path}:${line}: ${text}`;
}

function main(): void {
  const root = findRepository(dirname(fileURLToPath(import.meta.url)));
  const sources = readSources(root);
  const long: LongFunction[] = sources
    .filter(({ path }) => !isGenerated(path))
    .flatMap(longFunctions)
    .sort((a, b) => b.lines - a.lines);
  for (const { path, line, name, lines } of long) {
    console.log(`${path}:${line}: ${name} has ${lines} lines`);
  }
  const findings = [...checkSources(sources), ...checkDocuments(root)];
  for (const finding of findings) console.error(formatFinding(finding));
  console.log(
    `${sources.length} files, ${findings.length} findings, ${long.length} long functions`,
  );
  if (findings.length > 0) process.exitCode = 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
