/**
 * Checks that the repository keeps its own rules: layers, lengths, banned words, exports with a
 * user, files with an importer. Run by `npm test` through `tidy.test.ts`, and by hand with
 * `node dist/tools/tidy.js`, which also lists long functions.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readSource, type SourceText } from "./source-text.ts";
import { unknownNames } from "./tidy-comments.ts";
import { type Finding, isGenerated, leftovers } from "./tidy-exports.ts";
import { layerProblems, unusedPermissions } from "./tidy-layers.ts";
import { contextProblems, wingProblems } from "./tidy-wings.ts";
import { worldProblems } from "./tidy-world.ts";
import { limitProblems } from "./tidy-limits.ts";
import { fileProblems, type LongFunction, longFunctions } from "./tidy-rules.ts";

export type { Finding };

const ROOTS: readonly string[] = [
  "src",
  "dashboard",
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

/** Every TypeScript source by path from the root. */
export function readSources(root: string): SourceText[] {
  const sources: SourceText[] = [];
  const visit = (folder: string): void => {
    if (!existsSync(join(root, folder))) return;
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        visit(path);
      } else if (/\.tsx?$/.test(path)) {
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
      ...contextProblems(source),
      ...(isOwnRule ? [] : fileProblems(source)),
    ];
    for (const { line, text } of problems) findings.push({ path: source.path, line, text });
  }
  const unused = unusedPermissions(sources).map((text) => ({
    path: "tools/tidy-layers.ts",
    line: 1,
    text,
  }));
  return [
    ...findings,
    ...unused,
    ...worldProblems(sources),
    ...unknownNames(sources),
    ...limitProblems(sources),
    ...leftovers(sources),
  ];
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
