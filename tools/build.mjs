// Compiles the project to dist/. Plain JavaScript, because it runs before anything is compiled.
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
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
if (result.status === 0) writeFileSync(join(root, "dist", "git-sha"), gitSha());
process.exit(result.status ?? 1);

/** The commit that is built, for `--version`; empty outside a repository. */
function gitSha() {
  const git = spawnSync("git", ["rev-parse", "--short=9", "HEAD"], { cwd: root, encoding: "utf8" });
  return git.status === 0 ? git.stdout.trim() : "";
}
