/**
 * The wings of `src/server`, from the lowest to the highest: a wing may import those before it and
 * never one behind it. What lies in the room itself (contexts, options, limits) is for all; only the
 * composition, `etcd-server.ts` and what it is made of, sees every wing.
 *
 * A part names what it needs of the member, and needs what it names: the whole `ServerContext` is a
 * type for nobody but the member itself, and a name picked from it has a use in the file.
 */
import { importsOf } from "./source-imports.ts";
import { lineAt, type SourceText } from "./source-text.ts";
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
const COMPOSITION = new Set([
  "src/server/etcd-server.ts",
  "src/server/index.ts",
  "src/server/metrics.ts",
]);
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

/** `Pick<ServerContext, "a" | "b">`; the names stand in strings, which only the raw text has. */
const PICK = /\bPick<\s*ServerContext,([^>]*)>/g;
/** Anywhere but in an import and in a `Pick`. */
const WHOLE = /(?<!^import[^;]*|Pick<\s*)\bServerContext\b/gm;

export function contextProblems(source: SourceText): LayerProblem[] {
  const { path, code, raw } = source;
  if (!path.startsWith("src/server/") || path === CONTEXT || COMPOSITION.has(path)) return [];
  const problems: LayerProblem[] = [];
  for (const { index } of code.matchAll(WHOLE)) {
    const text = "takes the whole ServerContext; Pick what is needed";
    problems.push({ line: lineAt(code, index), text });
  }
  const uses = code.replace(PICK, "");
  for (const match of raw.matchAll(PICK)) {
    for (const [, name = ""] of (match[1] ?? "").matchAll(/"(\w+)"/g)) {
      if (new RegExp(`\\b${name}\\b`).test(uses)) continue;
      problems.push({ line: lineAt(raw, match.index), text: `picks ${name} and does not use it` });
    }
  }
  return problems;
}
