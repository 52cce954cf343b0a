// Compiles the project to dist/. Plain JavaScript, because it runs before anything is compiled.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** Programs of src/bin that are bundled. */
const TOOLS = ["etcdctl", "etcdutl"];
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
rmSync(join(root, "dist", ".code-cache"), { recursive: true, force: true });
for (const tool of TOOLS) await bundle(tool);

/**
 * One file for a tool, so that it starts quickly, behind the loader that keeps the compiled code.
 * CommonJS loads faster than modules do.
 */
async function bundle(tool) {
  const { build } = await import("esbuild");
  const outfile = join(root, "dist", `${tool}-program.cjs`);
  await build({
    absWorkingDir: root,
    entryPoints: [join("dist", "src", "bin", `${tool}.js`)],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20.19",
    format: "cjs",
    packages: "external",
    charset: "ascii",
    // Files beside the program, such as native packages, are looked for from dist/.
    banner: { js: 'const bundleUrl=require("node:url").pathToFileURL(__filename).href;' },
    define: { "import.meta.url": "bundleUrl" },
    // The program is no module, so what it loads late comes by `require` too.
    supported: { "dynamic-import": false },
    minifyWhitespace: true,
    minifySyntax: true,
    logLevel: "warning",
  });
  const digest = createHash("sha256").update(readFileSync(outfile)).digest("hex").slice(0, 16);
  const loader = readFileSync(join(root, "tools", "program-loader.cjs"), "utf8");
  const filled = loader.replace("{TOOL}", tool).replace("{SOURCE_DIGEST}", digest);
  writeFileSync(join(root, "dist", `${tool}.cjs`), filled);
}

/** The commit that is built, for `--version`; empty outside a repository. */
function gitSha() {
  const git = spawnSync("git", ["rev-parse", "--short=9", "HEAD"], { cwd: root, encoding: "utf8" });
  return git.status === 0 ? git.stdout.trim() : "";
}
