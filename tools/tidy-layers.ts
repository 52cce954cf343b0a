/**
 * The layers of `src/`, who may import whom, and by which door. Imports point downwards only, so
 * that the same member runs on real disks and sockets, inside another program, and inside the
 * simulator.
 */
import { dirname, posix } from "node:path";
import { type ImportOf, importsOf } from "./source-imports.ts";
import type { SourceText } from "./source-text.ts";

export interface Layer {
  /**
   * How other layers import this one: "index" is the file `index.ts` and nothing else, "deep" is
   * any file, without an index.
   */
  readonly door: "index" | "deep";
  /** The layers that it may import besides itself. */
  readonly imports: readonly string[];
  /** What its tests may import besides. */
  readonly testImports?: readonly string[];
  /** Runs without Node.js: no `node:` module. */
  readonly isPure?: true;
  /** May open files and sockets and start processes; others are given a `Disk` and the like. */
  readonly isOutside?: true;
  /** Is for tests itself, so that it may import `src/env/testing`. */
  readonly usesFakes?: true;
}

export const LAYERS: Readonly<Record<string, Layer>> = {
  base: { door: "deep", imports: [] },
  api: { door: "deep", imports: ["base"], isPure: true },
  env: { door: "deep", imports: ["base", "api"] },
  // Of env only interfaces: raft takes its randomness as an argument.
  raft: { door: "index", imports: ["base", "api", "env"], isPure: true },
  platform: { door: "index", imports: ["base", "env"], isOutside: true },
  transport: { door: "deep", imports: ["base", "api", "env"], isOutside: true },
  wal: { door: "index", imports: ["base", "api", "env"], isPure: true },
  snap: { door: "index", imports: ["base", "api", "env"], isPure: true },
  backend: { door: "index", imports: ["base", "env"], isPure: true },
  mvcc: { door: "index", imports: ["base", "api", "env", "backend"], isPure: true },
  lease: { door: "index", imports: ["base", "api", "env", "backend", "mvcc"], isPure: true },
  membership: {
    door: "index",
    imports: ["base", "api", "env", "backend"],
    testImports: ["lease"],
  },
  auth: {
    door: "index",
    imports: ["base", "api", "env", "backend"],
    testImports: ["lease"],
    isPure: true,
  },
  v2store: { door: "index", imports: ["base", "api", "env", "membership"], isPure: true },
  server: {
    door: "index",
    imports: [
      "base",
      "api",
      "env",
      "raft",
      "wal",
      "snap",
      "backend",
      "mvcc",
      "lease",
      "membership",
      "auth",
      "v2store",
    ],
  },
  // Whether recorded histories can be true: for simulation, fault runs and etcd-cluster.
  checkers: { door: "deep", imports: ["base"], testImports: ["env"], isPure: true },
  // For etcd-cluster: what a member tells its launcher of raft, and the faults that it suffers.
  lab: { door: "deep", imports: ["base", "api", "env", "raft"] },
  // The client is tried against a member in the same process.
  client: {
    door: "index",
    isOutside: true,
    imports: ["base", "api", "env", "transport"],
    testImports: ["embed"],
  },
  // Programs between clients and members.
  proxy: {
    door: "deep",
    imports: ["base", "api", "env", "transport", "client", "gateway"],
    testImports: ["embed"],
    isOutside: true,
  },
  // The WebSocket library works on sockets that the transport has accepted.
  gateway: { door: "index", isOutside: true, imports: ["base", "api", "env"] },
  // Finds the members of a cluster that is to be made.
  discovery: {
    door: "deep",
    isOutside: true,
    imports: ["base", "env", "client"],
    testImports: ["embed", "platform"],
  },
  // Distributed tracing. Loaded when it is asked for.
  spans: { door: "index", isOutside: true, imports: ["base", "api", "env", "transport"] },
  v2: { door: "index", imports: ["base", "api", "env", "membership", "v2store", "gateway"] },
  // Its index is for programs outside.
  embed: {
    door: "deep",
    isOutside: true,
    imports: [
      "base",
      "api",
      "env",
      "raft",
      "wal",
      "auth",
      "membership",
      "server",
      "lab",
      "gateway",
      "v2",
      "transport",
      "platform",
      "proxy",
      "client",
      "discovery",
      "spans",
    ],
  },
  // Figures and answers for people, over what any etcd tells: for tools, and for the browser.
  insight: { door: "deep", imports: [], testImports: ["auth"], isPure: true },
  // For tests of programs that use etcd: members on the fakes of env. Its index is for programs
  // outside.
  testing: {
    door: "deep",
    imports: ["base", "api", "env", "backend", "mvcc", "server", "client", "transport"],
    usesFakes: true,
  },
  // The names of npm `etcd3` over the client.
  etcd3: { door: "deep", imports: ["base", "api", "env", "client"], testImports: ["testing"] },
  cli: {
    door: "deep",
    isOutside: true,
    imports: [
      "base",
      "api",
      "env",
      "wal",
      "snap",
      "backend",
      "mvcc",
      "membership",
      "v2store",
      "client",
      "discovery",
      "proxy",
      "insight",
      "lab",
      "checkers",
    ],
  },
  bin: {
    door: "deep",
    isOutside: true,
    imports: ["base", "api", "env", "platform", "cli", "embed", "lab"],
    testImports: ["client", "transport"],
  },
};

/** Uses of another door that are known: the layer that imports, and the file that it imports. */
export interface OtherDoor {
  readonly layer: string;
  readonly target: string;
}

/** Must stay exact: one that nobody uses any more is a finding. */
export const OTHER_DOORS: readonly OtherDoor[] = [
  // A program like others, beyond what its own start and help need.
  { layer: "bin", target: "src/embed/index.ts" },
  // The settings know numbers of the log and the reader of JSON before either is loaded.
  { layer: "embed", target: "src/wal/segment-bytes.ts" },
  { layer: "embed", target: "src/gateway/json-reader.ts" },
  // A grpc-proxy maps keys of etcd's own messages into its namespace.
  { layer: "proxy", target: "src/client/kv-calls.ts" },
  { layer: "proxy", target: "src/client/leasing/leasing.ts" },
  { layer: "proxy", target: "src/client/namespace/key-prefix.ts" },
  { layer: "proxy", target: "src/client/namespace/prefixed-calls.ts" },
  // A client's connections without sockets, and keys as the client shows them.
  { layer: "testing", target: "src/client/connection.ts" },
  { layer: "testing", target: "src/client/key-value.ts" },
  // Methods of the API by other names.
  { layer: "etcd3", target: "src/client/auth-methods.ts" },
  // `tls check` reads endpoints as the client does, and makes no client.
  { layer: "cli", target: "src/client/target.ts" },
  { layer: "server", target: "src/env/index.ts" },
  { layer: "testing", target: "src/env/index.ts" },
  { layer: "server", target: "src/backend/types.ts" },
];

/** Tests, and helpers that only tests use, may bring the real world along. */
export function isTestFile(path: string): boolean {
  return path.endsWith(".test.ts") || isTestHelper(path);
}

/** Folders of what only tests use. */
export function isTestHelper(path: string): boolean {
  return !path.startsWith("src/testing/") && /\/(?:testing|testdata|e2e)\//.test(path);
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

/** Modules that reach files, the network and other processes. */
const WAYS_OUT =
  /^node:(?:fs|net|tls|https?|http2|dns|dgram|child_process|worker_threads|cluster)\b/;
/** Questions about a text. */
const TEXT_ONLY = /^isIP(?:v[46])?$/;

function isWayOut({ specifier, names }: ImportEdge): boolean {
  if (!WAYS_OUT.test(specifier)) return false;
  return names === "all" || !names.every(({ theirs, isType }) => isType || TEXT_ONLY.test(theirs));
}

interface ImportEdge extends ImportOf {
  readonly path: string;
  readonly layer: string;
  readonly rules: Layer;
}

export function layerProblems(source: SourceText): LayerProblem[] {
  const { path } = source;
  const layer = layerOf(path);
  if (layer === undefined) return [];
  const rules = LAYERS[layer];
  if (rules === undefined) {
    return [{ line: 1, text: `src/${layer} is no known layer; add it to tools/tidy-layers.ts` }];
  }
  return importsOf(source).flatMap((edge) => {
    const text = edgeProblem({ ...edge, path, layer, rules });
    return text === undefined ? [] : [{ line: edge.line, text }];
  });
}

function edgeProblem(edge: ImportEdge): string | undefined {
  const { specifier, path, layer, rules } = edge;
  const isTest = isTestFile(path);
  if (specifier.startsWith("node:")) {
    const isBanned = rules.isPure === true || (rules.isOutside !== true && isWayOut(edge));
    return isBanned && !isTest ? `${layer} must not import ${specifier}` : undefined;
  }
  const target = resolveImport(path, specifier);
  if (target === undefined) return undefined;
  if (!specifier.endsWith(".ts")) return `${specifier} lacks .ts`;
  const isFake = rules.usesFakes === true && target.startsWith("src/env/testing/");
  if (!isTest && !isFake && isTestHelper(target)) return `only tests may import ${target}`;
  const targetLayer = layerOf(target);
  if (targetLayer === undefined) {
    return isTest ? undefined : `${layer} must not import ${target}`;
  }
  if (targetLayer === layer) return undefined;
  if (!mayImport(rules, targetLayer, isTest)) {
    return `${layer} must not import from ${targetLayer} (${specifier})`;
  }
  return isTest ? undefined : doorProblem(layer, targetLayer, target);
}

function mayImport(rules: Layer, target: string, isTest: boolean): boolean {
  if (rules.imports.includes(target)) return true;
  return isTest && (target === "platform" || rules.testImports?.includes(target) === true);
}

function doorProblem(layer: string, targetLayer: string, target: string): string | undefined {
  const door = LAYERS[targetLayer]?.door;
  const isIndex = target === `src/${targetLayer}/index.ts`;
  if (isIndex === (door === "index")) return undefined;
  if (OTHER_DOORS.some((known) => known.layer === layer && known.target === target)) {
    return undefined;
  }
  return door === "index"
    ? `${targetLayer} is imported through its index, not by ${target}`
    : `${targetLayer} has no index for others; name the file that is meant`;
}

/** Layers, permissions and exceptions in `tables` that no source needs. */
export function unusedPermissions(
  sources: readonly SourceText[],
  tables = { layers: LAYERS, otherDoors: OTHER_DOORS },
): string[] {
  const production = new Set<string>();
  const tests = new Set<string>();
  for (const source of sources) {
    const layer = layerOf(source.path);
    if (layer === undefined) continue;
    const edges = isTestFile(source.path) ? tests : production;
    edges.add(layer);
    for (const { specifier } of importsOf(source)) {
      const target = resolveImport(source.path, specifier) ?? "";
      edges.add(`${layer} ${layerOf(target)}`).add(`${layer} ${target}`);
    }
  }
  const problems: string[] = [];
  for (const [layer, { imports, testImports = [] }] of Object.entries(tables.layers)) {
    if (!production.has(layer)) {
      problems.push(`src/${layer} does not exist`);
      continue;
    }
    for (const target of imports) {
      if (!production.has(`${layer} ${target}`)) {
        problems.push(`${layer} may import ${target} but does not`);
      }
    }
    for (const target of testImports) {
      if (!tests.has(`${layer} ${target}`)) {
        problems.push(`tests of ${layer} may import ${target} but do not`);
      }
    }
  }
  for (const { layer, target } of tables.otherDoors) {
    if (!production.has(`${layer} ${target}`)) {
      problems.push(`${layer} no longer imports ${target}: take it from OTHER_DOORS`);
    }
  }
  return problems;
}
