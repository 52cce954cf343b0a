// Compiles the project to dist/. Plain JavaScript, because it runs before anything is compiled.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildDashboard } from "./build-dashboard.mjs";
import { bundle } from "./bundle.mjs";
import { bundleTypes } from "./bundle-types.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** Layers that are libraries for programs outside: few files, so that they load quickly. */
const LIBRARIES = ["client", "testing", "embed", "etcd3"];
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
const dist = join(root, "dist");
const lib = join(dist, "lib");
rmSync(lib, { recursive: true, force: true });
rmSync(join(dist, ".code-cache"), { recursive: true, force: true });
mkdirSync(lib);
for (const folder of [dist, lib]) writeFileSync(join(folder, "git-sha"), gitSha());
const esbuild = await import("esbuild");
await Promise.all([
  bundle(esbuild, root, LIBRARIES),
  buildDashboard(esbuild.build, root, join(lib, "dashboard")),
]);
bundleTypes(dist, LIBRARIES);

/** The commit that is built, for `--version`; empty outside a repository. */
function gitSha() {
  const git = spawnSync("git", ["rev-parse", "--short=9", "HEAD"], { cwd: root, encoding: "utf8" });
  return git.status === 0 ? git.stdout.trim() : "";
}
