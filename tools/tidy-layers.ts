/**
 * The layers of `src/` and who may import whom. Imports point downwards only, so that the same
 * member runs on real disks and sockets, inside another program, and inside the simulator.
 */
import { dirname, posix } from "node:path";
import { importsOf, type SourceText } from "./source-text.ts";

const CORE = ["base", "api"] as const;
const FILES = [...CORE, "raft", "env", "wal", "snap", "backend"] as const;
const DATA = [...FILES, "mvcc", "lease", "auth", "membership"] as const;
const SERVER = [...DATA, "server"] as const;
const OFFERED = [...SERVER, "gateway", "v2", "transport", "discovery"] as const;

/** Layer to the layers that it may import besides itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  api: ["base"],
  // Of env only interfaces: raft takes its randomness as an argument.
  raft: [...CORE, "env"],
  env: CORE,
  platform: ["base", "env"],
  transport: [...CORE, "env"],
  wal: [...CORE, "raft", "env"],
  snap: [...CORE, "raft", "env"],
  backend: [...CORE, "raft", "env"],
  mvcc: FILES,
  lease: [...FILES, "mvcc"],
  auth: [...FILES, "mvcc", "lease"],
  membership: [...FILES, "mvcc", "lease", "auth"],
  server: DATA,
  client: [...CORE, "env", "transport"],
  discovery: [...DATA, "transport", "client"],
  gateway: SERVER,
  v2: SERVER,
  embed: [...OFFERED, "platform", "client"],
  cli: [...DATA, "client", "transport"],
  bin: [...OFFERED, "platform", "client", "cli", "embed"],
};

/** What tests may import besides: the client is tried against a member in the same process. */
const TESTS_MAY_IMPORT: Readonly<Record<string, readonly string[]>> = { client: ["embed"] };

/** Layers that run without Node.js: no `node:` module, no clock. */
const WITHOUT_NODE: ReadonlySet<string> = new Set(["raft", "mvcc", "lease", "auth"]);

/** Tests, and helpers that only tests use, may bring the real world along. */
export function isTestFile(path: string): boolean {
  return path.endsWith(".test.ts") || path.includes("/testing/") || path.includes("/testdata/");
}

export function layerOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

/** The repository path that a relative specifier means; undefined for packages. */
export function resolveImport(fromPath: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  return posix.normalize(posix.join(dirname(fromPath), specifier));
}

export interface LayerProblem {
  readonly line: number;
  readonly text: string;
}

export function layerProblems(source: SourceText): LayerProblem[] {
  const layer = layerOf(source.path);
  if (layer === undefined) return [];
  const allowed = MAY_IMPORT[layer];
  if (allowed === undefined) {
    return [{ line: 1, text: `src/${layer} is no known layer; add it to tools/tidy-layers.ts` }];
  }
  const isTest = isTestFile(source.path);
  const problems: LayerProblem[] = [];
  for (const { specifier, line } of importsOf(source)) {
    if (specifier.startsWith("node:")) {
      if (WITHOUT_NODE.has(layer) && !isTest) {
        problems.push({ line, text: `${layer} must not import ${specifier}` });
      }
      continue;
    }
    const target = resolveImport(source.path, specifier);
    if (target === undefined) continue;
    if (!specifier.endsWith(".ts")) problems.push({ line, text: `${specifier} lacks .ts` });
    const targetLayer = layerOf(target);
    if (targetLayer === undefined) {
      if (!isTest) problems.push({ line, text: `${layer} must not import ${target}` });
      continue;
    }
    if (targetLayer === layer || allowed.includes(targetLayer)) continue;
    if (isTest && targetLayer === "platform") continue;
    if (isTest && TESTS_MAY_IMPORT[layer]?.includes(targetLayer) === true) continue;
    problems.push({ line, text: `${layer} must not import from ${targetLayer} (${specifier})` });
  }
  return problems;
}
