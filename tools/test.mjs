// Builds, then runs every compiled test with node's own runner.
// Arguments are path fragments: `npm test -- src/raft wal` runs only matching files.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const build = spawnSync(process.execPath, [join(root, "tools", "build.mjs")], { stdio: "inherit" });
if (build.status !== 0) process.exit(build.status ?? 1);

/** What needs Debian packages lives in conformance/ and runs by `.ci/run`, or when named here. */
const filters = process.argv.slice(2);
const roots = filters.some((f) => f.startsWith("conformance"))
  ? ["conformance"]
  : ["src", "dashboard", "tools", "benchmarks", "simulation", "faults"];
const files = [];
function collect(directory) {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) collect(path);
    else if (entry.name.endsWith(".test.js")) files.push(path);
  }
}
for (const name of roots) collect(join(root, "dist", name));
const chosen = files
  .filter((file) => sourceOf(file) !== undefined)
  .filter((file) => filters.length === 0 || filters.some((f) => relative(root, file).includes(f)))
  .sort();

/** A test whose source was deleted leaves stale output behind; it must not run. */
function sourceOf(file) {
  const source = join(root, relative(join(root, "dist"), file)).replace(/\.js$/, ".ts");
  try {
    return readdirSync(dirname(source)).includes(source.slice(dirname(source).length + 1))
      ? source
      : undefined;
  } catch {
    return undefined;
  }
}
if (chosen.length === 0) {
  console.error("no test file matches");
  process.exit(1);
}
// node's own choice leaves one processor idle. Tests beside real etcd have the machine for themselves.
const isConformance = roots.includes("conformance");
const concurrency = isConformance ? 1 : availableParallelism();
/** Of a file: one that hangs fails by its name, and the others still run and are counted. */
const timeoutMs = (isConformance ? 25 : 10) * 60_000;
const flags = [
  "--enable-source-maps",
  "--test",
  `--test-concurrency=${concurrency}`,
  `--test-timeout=${timeoutMs}`,
];
const run = spawnSync(process.execPath, [...flags, ...chosen], {
  stdio: "inherit",
  cwd: root,
});
process.exit(run.status ?? 1);
