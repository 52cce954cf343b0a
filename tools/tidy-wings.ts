/**
 * The wings of `src/server`, from the lowest to the highest: a wing may import those before it and
 * never one behind it. What lies in the room itself (contexts, options, limits, metrics) is for all;
 * only the composition, `etcd-server.ts`, sees every wing.
 */
import { importsOf } from "./source-imports.ts";
import type { SourceText } from "./source-text.ts";
import { isTestFile, type LayerProblem, resolveImport } from "./tidy-layers.ts";

const WINGS: readonly string[] = [
  "access",
  "log",
  "tracing",
  "apply",
  "consensus",
  "members",
  "transfer",
  "inbound",
  "start",
  "upkeep",
  "services",
  "peer-api",
];

/** Compose the member, so that they see all wings. */
const COMPOSITION = new Set(["src/server/etcd-server.ts", "src/server/index.ts"]);
/** Names types of all wings and runs nothing. */
const CONTEXT = "src/server/context.ts";

function wingOf(path: string): string | undefined {
  return /^src\/server\/([^/]+)\//.exec(path)?.[1];
}

export function wingProblems(source: SourceText): LayerProblem[] {
  const { path } = source;
  if (!path.startsWith("src/server/") || isTestFile(path) || COMPOSITION.has(path)) return [];
  const wing = wingOf(path);
  const own = wing === undefined ? -1 : WINGS.indexOf(wing);
  if (wing !== undefined && own === -1) {
    return [
      { line: 1, text: `src/server/${wing} is no known wing; add it to tools/tidy-wings.ts` },
    ];
  }
  const problems: LayerProblem[] = [];
  for (const { specifier, line } of importsOf(source)) {
    const target = resolveImport(path, specifier);
    if (target === undefined || !target.startsWith("src/server/")) continue;
    if (COMPOSITION.has(target)) problems.push({ line, text: `${path} imports the whole member` });
    const other = wingOf(target);
    if (other === undefined || other === wing || path === CONTEXT) continue;
    const isAbove = WINGS.indexOf(other) > own;
    if (wing === undefined || isAbove) {
      problems.push({
        line,
        text: `${wing ?? "the room itself"} must not import the wing ${other}`,
      });
    }
  }
  return problems;
}
