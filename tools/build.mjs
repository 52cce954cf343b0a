// Compiles the project to dist/. Plain JavaScript, because it runs before anything is compiled.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** Layers that are libraries for programs outside: few files, so that they load quickly. */
const LIBRARIES = ["client", "testing"];
/** Programs of src/bin that are bundled. */
const PROGRAMS = ["etcd", "etcdctl", "etcdutl"];
/** A bundled file still finds what lies beside it: `import.meta.url` is that of the compiled file. */
const ownUrls = {
  name: "own-urls",
  setup({ onLoad }) {
    onLoad({ filter: /\.js$/ }, ({ path }) => {
      const source = readFileSync(path, "utf8");
      if (!source.includes("import.meta.url")) return undefined;
      const place = JSON.stringify(relative(join(root, "dist"), path).split(sep).join("/"));
      return {
        contents: source.replaceAll("import.meta.url", `new URL(${place}, bundleUrl).href`),
      };
    });
  },
};

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
for (const program of PROGRAMS) await bundle(program);
await bundleLibraries();

/**
 * One file for a program, so that it starts quickly, behind the loader that keeps the compiled
 * code. CommonJS loads faster than modules do.
 */
async function bundle(program) {
  const { build } = await import("esbuild");
  const outfile = join(root, "dist", `${program}-program.cjs`);
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [join("dist", "src", "bin", `${program}.js`)],
    outfile,
    write: false,
    sourcemap: "external",
    bundle: true,
    platform: "node",
    target: "node20.19",
    format: "cjs",
    packages: "external",
    charset: "ascii",
    banner: { js: 'const bundleUrl=require("node:url").pathToFileURL(__filename).href;' },
    plugins: [ownUrls],
    // The program is no module, so what it loads late comes by `require` too.
    supported: { "dynamic-import": false },
    // Whitespace stays: a line of the bundle must tell where it comes from.
    minifySyntax: true,
    logLevel: "warning",
  });
  const [map, code] = outputFiles.map(({ contents }) => Buffer.from(contents));
  writeFileSync(outfile, code);
  writePlaces(`${program}-program`, map, code);
  const digest = createHash("sha256").update(code).digest("hex").slice(0, 16);
  const loader = readFileSync(join(root, "tools", "program-loader.cjs"), "utf8");
  const filled = loader.replace("{PROGRAM}", program).replace("{SOURCE_DIGEST}", digest);
  writeFileSync(join(root, "dist", `${program}.cjs`), filled);
}

/**
 * The libraries in one folder. What two of them share is there once: an error of the client is of
 * the same class whichever of them threw it.
 */
async function bundleLibraries() {
  const { build } = await import("esbuild");
  const outdir = join(root, "dist", "lib");
  rmSync(outdir, { recursive: true, force: true });
  await build({
    absWorkingDir: root,
    entryPoints: LIBRARIES.map((name) => ({ in: `dist/src/${name}/index.js`, out: name })),
    outdir,
    bundle: true,
    splitting: true,
    chunkNames: "[name]-[hash]",
    platform: "node",
    target: "node20.19",
    format: "esm",
    packages: "external",
    charset: "ascii",
    minifySyntax: true,
    logLevel: "warning",
  });
}

/**
 * Which line of which source each line of a bundle comes from, in the form that
 * src/platform/bundle-places.ts reads: four bytes for each line (source << 16 | line, little-endian,
 * 0 for none) and the names of the sources.
 */
function writePlaces(name, map, code) {
  const decoded = new SourceMap(JSON.parse(map.toString("utf8")));
  const sources = [""];
  const numbers = new Map();
  const places = code
    .toString("latin1")
    .split("\n")
    .map((text, i) => {
      const { originalSource, originalLine } = decoded.findEntry(i, text.search(/\S|$/));
      if (originalSource === undefined) return 0;
      const source = relative(root, join(root, "dist", originalSource))
        .split(sep)
        .join("/");
      if (!numbers.has(source)) numbers.set(source, sources.push(source) - 1);
      return numbers.get(source) * 65536 + Math.min(originalLine + 1, 65535);
    });
  const table = Buffer.alloc(places.length * 4);
  for (const [i, place] of places.entries()) table.writeUInt32LE(place, i * 4);
  writeFileSync(join(root, "dist", `${name}.places`), table);
  writeFileSync(join(root, "dist", `${name}.sources.json`), JSON.stringify(sources));
}

/** The commit that is built, for `--version`; empty outside a repository. */
function gitSha() {
  const git = spawnSync("git", ["rev-parse", "--short=9", "HEAD"], { cwd: root, encoding: "utf8" });
  return git.status === 0 ? git.stdout.trim() : "";
}
