/**
 * Nothing is left over: a file has an importer, an export a user. A barrel, which only passes names
 * on, uses none of them; and what it passes on has a user, too. The barrels of the package are for
 * programs outside.
 */
import { importsOf, listedNames, type NamePair } from "./source-imports.ts";
import { lineAt, type SourceText } from "./source-text.ts";
import { isTestFile, resolveImport } from "./tidy-layers.ts";

export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly text: string;
}

/** A finding about a file, or about one name of it: `src/a/b.ts`, `src/a/b.ts name`. */
interface Leftover extends Finding {
  readonly what: string;
}

/** The entries of package.json's "exports". */
const PACKAGE_BARRELS: ReadonlySet<string> = new Set([
  "src/embed/index.ts",
  "src/client/index.ts",
  "src/testing/index.ts",
  "src/etcd3/index.ts",
]);

/** Made by the codec generator; only looked at for what it imports and uses. */
export function isGenerated(path: string): boolean {
  return path.includes("/gen/");
}

/** Files that run by themselves. */
function isEntry(path: string): boolean {
  return (
    path.endsWith(".test.ts") ||
    /^src\/bin\/(?:(?:server|tool)-programs|(?:etcd-)?\w+)\.ts$/.test(path) ||
    PACKAGE_BARRELS.has(path) ||
    isGenerated(path) ||
    /^dashboard\/(?:main\.tsx|.*\.d\.ts)$/.test(path) ||
    /^(?:tools|benchmarks|conformance|simulation|faults)\//.test(path)
  );
}

/** A measurement beside the tests of its layer: it prints. */
function isRunByHand(path: string, code: string): boolean {
  return path.includes("/testing/") && /\b(?:console\.log|process\.stdout\.write)\(/.test(code);
}

/** Workers and child processes are started by URL. */
function startedFiles(source: SourceText): string[] {
  return [...source.raw.matchAll(/new URL\(\s*[`"'](\.[^`"'$]+)/g)].flatMap((match) => {
    const target = resolveImport(source.path, match[1] ?? "");
    // The ending is often the running program's own: "./worker${extension}".
    return target === undefined ? [] : [`${target.replace(/\.[jt]s$/, "")}.ts`];
  });
}

/** Files of `src` that nobody imports, starts or runs. */
function deadFiles(sources: readonly SourceText[]): Leftover[] {
  const imported = new Set(sources.flatMap(startedFiles));
  for (const source of sources) {
    for (const { specifier } of importsOf(source)) {
      const target = resolveImport(source.path, specifier);
      if (target !== undefined) imported.add(target);
    }
  }
  return sources
    .filter(({ path, code }) => !isEntry(path) && !imported.has(path) && !isRunByHand(path, code))
    .map(({ path }) => ({ path, line: 1, what: path, text: "no other file imports it" }));
}

interface ReExport extends NamePair {
  readonly line: number;
  readonly target: string;
}

/** One file: what it declares for others and what it passes on. */
interface Module {
  readonly source: SourceText;
  /** Exported values, with their lines. Types belong to the signature of what uses them. */
  readonly declared: ReadonlyMap<string, number>;
  readonly passedOn: readonly ReExport[];
  /** Targets of `export * from`. */
  readonly stars: readonly string[];
}

/** Tables of a specification, whole, whatever of them is used. */
const SPECIFICATIONS: ReadonlySet<string> = new Set([
  "src/backend/bolt/format.ts",
  "src/transport/grpc/status.ts",
  "src/transport/http2/constants.ts",
  "src/transport/http2/header-field.ts",
]);

/**
 * What nobody uses, or only tests, with the reason why it stands there all the same: an export, a
 * file, or a folder with a slash at its end, for what is to be joined to the rest later. Must stay
 * exact.
 */
const KNOWN: Readonly<Record<string, string>> = {
  "src/api/errors.ts isEtcdError": "tests ask a refusal for its kind as a user of the error does",
  "src/backend/bolt/check.ts checkFreelist": "needs the innards of the check of a db file",
  "src/backend/types.ts TEST_BUCKET": "a bucket of the format, which etcd's own tests fill",
  "src/wal/read-log.ts verifyLog": "a whole reading of the log, which tests hold against its parts",
};

const EXPORT =
  /^export (?:declare )?(?:abstract )?(?:async )?(?:const|let|function\*?|class) (\w+)/gm;
const EXPORT_LIST = /^export \{([^}]*)\}(?!\s*from\b)/gm;

function moduleOf(source: SourceText): Module {
  const { path, code } = source;
  const declared = new Map<string, number>();
  for (const match of code.matchAll(EXPORT))
    declared.set(match[1] ?? "", lineAt(code, match.index));
  for (const match of code.matchAll(EXPORT_LIST)) {
    for (const { ours } of listedNames(match[1] ?? ""))
      declared.set(ours, lineAt(code, match.index));
  }
  const passedOn: ReExport[] = [];
  const stars: string[] = [];
  for (const { specifier, line, isReExport, names } of importsOf(source)) {
    const target = resolveImport(path, specifier);
    if (!isReExport || target === undefined) continue;
    if (names === "all") stars.push(target);
    else passedOn.push(...names.map((name) => ({ ...name, line, target })));
  }
  return { source, declared, passedOn, stars };
}

/** Who uses a name of a file. */
interface Users {
  hasOthers: boolean;
  hasTests: boolean;
}

class Usage {
  readonly #modules: ReadonlyMap<string, Module>;
  readonly #users = new Map<string, Users>();

  constructor(modules: ReadonlyMap<string, Module>) {
    this.#modules = modules;
    for (const module of modules.values()) this.#readImports(module.source);
  }

  usersOf(path: string, name: string): Users | undefined {
    const [one, all] = [this.#users.get(`${path} ${name}`), this.#users.get(`${path} *`)];
    if (one === undefined || all === undefined) return one ?? all;
    return {
      hasOthers: one.hasOthers || all.hasOthers,
      hasTests: one.hasTests || all.hasTests,
    };
  }

  #readImports(source: SourceText): void {
    const isTest = isTestFile(source.path);
    for (const { specifier, isReExport, names } of importsOf(source)) {
      const target = resolveImport(source.path, specifier);
      if (target === undefined) continue;
      if (isReExport && !PACKAGE_BARRELS.has(source.path)) continue;
      if (names === "all") this.#markAll(target, isTest);
      else for (const { theirs } of names) this.#mark(target, theirs, isTest);
    }
    for (const target of startedFiles(source)) this.#markAll(target, isTest);
  }

  #markAll(path: string, isTest: boolean): void {
    this.#mark(path, "*", isTest);
    const module = this.#modules.get(path);
    for (const star of module?.stars ?? []) this.#markAll(star, isTest);
    for (const { target, theirs } of module?.passedOn ?? []) this.#mark(target, theirs, isTest);
  }

  /** Marks a name here and wherever it comes from. */
  #mark(path: string, name: string, isTest: boolean): void {
    const key = `${path} ${name}`;
    const users = this.#users.get(key) ?? { hasOthers: false, hasTests: false };
    if (isTest) users.hasTests = true;
    else users.hasOthers = true;
    this.#users.set(key, users);
    const module = this.#modules.get(path);
    if (module === undefined || module.declared.has(name)) return;
    for (const { ours, theirs, target } of module.passedOn) {
      if (ours === name) this.#mark(target, theirs, isTest);
    }
    for (const star of module.stars) this.#mark(star, name, isTest);
  }
}

/** Values exported from `src` that nobody imports, and names of barrels that nobody takes there. */
function unusedExports(sources: readonly SourceText[]): Leftover[] {
  const modules = new Map(sources.map((source) => [source.path, moduleOf(source)]));
  const usage = new Usage(modules);
  const findings: Leftover[] = [];
  for (const { source, declared, passedOn } of modules.values()) {
    const { path, code } = source;
    if (!path.startsWith("src/") || isTestFile(path) || isGenerated(path)) continue;
    for (const [name, line] of SPECIFICATIONS.has(path) ? [] : declared) {
      const users = usage.usersOf(path, name);
      if (users?.hasOthers === true || (users !== undefined && countWord(code, name) > 1)) continue;
      const who = users === undefined ? "nobody else uses" : "only tests use";
      findings.push({ path, line, what: `${path} ${name}`, text: `${who} the export ${name}` });
    }
    if (PACKAGE_BARRELS.has(path)) continue;
    for (const { ours, line, isType } of passedOn) {
      if (isType || usage.usersOf(path, ours) !== undefined) continue;
      findings.push({
        path,
        line,
        what: `${path} ${ours}`,
        text: `nobody takes ${ours} from here`,
      });
    }
  }
  return findings;
}

/** What is left over, but for what is known; and what is known but is no longer left over. */
export function leftovers(
  sources: readonly SourceText[],
  known: Readonly<Record<string, string>> = KNOWN,
): Finding[] {
  const entries = Object.keys(known);
  const met = new Set<string>();
  const findings: Finding[] = [];
  for (const { what, ...finding } of [...deadFiles(sources), ...unusedExports(sources)]) {
    const entry = entries.find((each) => each === what || covers(each, finding.path));
    if (entry === undefined) findings.push(finding);
    else met.add(entry);
  }
  for (const entry of entries) {
    if (met.has(entry)) continue;
    const text = `${entry} has a user or is gone: take it from KNOWN`;
    findings.push({ path: "tools/tidy-exports.ts", line: 1, text });
  }
  return findings;
}

function covers(entry: string, path: string): boolean {
  return entry.endsWith("/") ? path.startsWith(entry) : entry === path;
}

function countWord(code: string, name: string): number {
  return [...code.matchAll(new RegExp(`\\b${name}\\b`, "g"))].length;
}
