// Compiles the project to dist/. Plain JavaScript, because it runs before anything is compiled.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { buildDashboard } from "./build-dashboard.mjs";
import { bundle } from "./bundle.mjs";

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
copyTypes();

/** The commit that is built, for `--version`; empty outside a repository. */
function gitSha() {
  const git = spawnSync("git", ["rev-parse", "--short=9", "HEAD"], { cwd: root, encoding: "utf8" });
  return git.status === 0 ? git.stdout.trim() : "";
}

/**
 * Types of the libraries: the declarations that their entries lead to, in a folder that says that
 * they describe CommonJS.
 */
function copyTypes() {
  const types = join(dist, "types");
  rmSync(types, { recursive: true, force: true });
  const seen = new Set();
  const visit = (path) => {
    if (seen.has(path)) return;
    seen.add(path);
    const text = withoutNodeTypes(path, readFileSync(path, "utf8"));
    const target = join(types, relative(join(dist, "src"), path));
    mkdirSync(dirname(target), { recursive: true });
    // Relative names end in .ts, as in the sources; a package's declarations name .js.
    const renamed = text.replaceAll(/(from |import\()"(\.[^"]*)\.ts"/g, '$1"$2.js"');
    writeFileSync(target, renamed);
    for (const [, name] of renamed.matchAll(/(?:from |import\()"(\.[^"]*)\.js"/g)) {
      visit(join(dirname(path), `${name}.d.ts`));
    }
  };
  for (const name of LIBRARIES) {
    visit(join(dist, "src", name, "index.d.ts"));
    // Older targets do not know what `await using` is about.
    const entry = join(types, name, "index.d.ts");
    const text = readFileSync(entry, "utf8");
    writeFileSync(entry, `/// <reference lib="esnext.disposable" />\n${text}`);
  }
  writeFileSync(join(types, "package.json"), '{ "type": "commonjs" }\n');
}

/**
 * What `transport` and `api` say of Node.js, in declarations that no user of a library calls, must
 * not make a program that uses the client need the types of Node.js.
 */
function withoutNodeTypes(path, text) {
  if (!/^(transport|api)[\\/]/.test(relative(join(dist, "src"), path))) return text;
  const named = /^import type \{ (\w+) \} from "node:\w+";$/gm;
  return text.replaceAll(named, "type $1 = unknown;").replaceAll(/\bBuffer\b/g, "Uint8Array");
}
