// Compiles the project to dist/. Plain JavaScript, because it runs before anything is compiled.
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** Programs of src/bin that are bundled. */
const TOOLS = ["etcdctl"];
const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
if (!existsSync(tsc)) {
  // An install without development dependencies (a published package) brings its dist/ along.
  if (existsSync(join(root, "dist", "src"))) process.exit(0);
  console.error("typescript is not installed; run `npm ci` with development dependencies");
  process.exit(1);
}
const result = spawnSync(process.execPath, [tsc, "-p", join(root, "tsconfig.json")], {
  stdio: "inherit",
});
if (result.status !== 0) process.exit(result.status ?? 1);
writeFileSync(join(root, "dist", "git-sha"), gitSha());
for (const tool of TOOLS) await bundle(tool);

/**
 * One file for a tool, so that it starts quickly, behind a few lines that make Node keep the
 * compiled code (22.8 and newer). CommonJS loads faster than modules do.
 */
async function bundle(tool) {
  const { build } = await import("esbuild");
  const program = `${tool}-program.cjs`;
  await build({
    absWorkingDir: root,
    entryPoints: [join("dist", "src", "bin", `${tool}.js`)],
    outfile: join("dist", program),
    bundle: true,
    platform: "node",
    target: "node20.19",
    format: "cjs",
    packages: "external",
    minifyWhitespace: true,
    minifySyntax: true,
    logLevel: "warning",
  });
  const cache = 'require("node:path").join(__dirname, ".compile-cache")';
  writeFileSync(
    join(root, "dist", `${tool}.cjs`),
    `"use strict";\nrequire("node:module").enableCompileCache?.(${cache});\nrequire("./${program}");\n`,
  );
}

/** The commit that is built, for `--version`; empty outside a repository. */
function gitSha() {
  const git = spawnSync("git", ["rev-parse", "--short=9", "HEAD"], { cwd: root, encoding: "utf8" });
  return git.status === 0 ? git.stdout.trim() : "";
}
