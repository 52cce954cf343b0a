// Compiles the project to dist/. Plain JavaScript, because it runs before anything is compiled.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { buildDashboard } from "./build-dashboard.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** Layers that are libraries for programs outside: few files, so that they load quickly. */
const LIBRARIES = ["client", "testing", "embed", "etcd3"];
/** Bundles of programs by their entry in src/bin: most of the code of each is the same. */
const PROGRAMS = {
  "server-programs": ["etcd", "etcd-discovery"],
  "tool-programs": ["etcdctl", "etcdutl", "etcd-cluster"],
};
/** Entries of threads. Each bundle lies where the compiled file would: in the folder of libraries. */
const WORKERS = ["platform/bcrypt-worker", "embed/older-segments-worker"];
/**
 * A bundled file still finds what lies beside it: `import.meta.url` is that of a file at the same
 * place below dist/lib, where the bundles of WORKERS are.
 */
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
/** Defines what `ownUrls` asks for, in a script whose folder is `up` below dist/lib's parent. */
const bundleUrl = (base) =>
  `const bundleUrl=require("node:url").pathToFileURL(require("node:path").join(__dirname,"${base}")).href;`;

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
const { build, transform } = await import("esbuild");
/** What all bundles have in common. */
const common = {
  absWorkingDir: root,
  write: false,
  bundle: true,
  platform: "node",
  target: "node20.19",
  packages: "external",
  charset: "ascii",
  plugins: [ownUrls],
  // Scripts, so what they load late comes by `require` too.
  supported: { "dynamic-import": false },
  // Whitespace stays: a line of the bundle must tell where it comes from.
  minifySyntax: true,
  logLevel: "warning",
};
await Promise.all([
  ...Object.entries(PROGRAMS).map(([bundle, programs]) => bundlePrograms(bundle, programs)),
  bundleLibraries(),
  ...WORKERS.map(bundleWorker),
  buildDashboard(build, root, join(lib, "dashboard")),
]);
copyTypes();

/**
 * One file for several programs, so that they start quickly, behind loaders that keep the compiled
 * code. CommonJS loads faster than modules do.
 */
async function bundlePrograms(bundle, programs) {
  const outfile = join(dist, `${bundle}.cjs`);
  const { outputFiles } = await build({
    ...common,
    entryPoints: [join("dist", "src", "bin", `${bundle}.js`)],
    outfile,
    sourcemap: "external",
    format: "cjs",
    banner: { js: bundleUrl("lib/programs") },
  });
  const [map, code] = outputFiles.map(({ contents }) => Buffer.from(contents));
  writeFileSync(outfile, code);
  writePlaces(outfile, map, code);
  const digest = createHash("sha256").update(code).digest("hex").slice(0, 16);
  const loader = readFileSync(join(root, "tools", "program-loader.cjs"), "utf8");
  for (const program of programs) {
    const filled = loader
      .replace("{PROGRAM}", program)
      .replace("{BUNDLE}", bundle)
      .replace("{SOURCE_DIGEST}", digest);
    writeFileSync(join(dist, `${program}.cjs`), filled);
  }
}

/**
 * The libraries in one folder. What two of them share is there once: an error of the client is of
 * the same class whichever of them threw it. They are CommonJS, which `import` and `require` both
 * take, so that the classes are the same for both, too; esbuild shares code between modules only,
 * so each file is made a module first.
 */
async function bundleLibraries() {
  const { outputFiles } = await build({
    ...common,
    entryPoints: LIBRARIES.map((name) => ({ in: `dist/src/${name}/index.js`, out: name })),
    outdir: lib,
    outExtension: { ".js": ".cjs" },
    splitting: true,
    chunkNames: "[name]-[hash]",
    sourcemap: "inline",
    format: "esm",
    supported: {},
  });
  await Promise.all(
    outputFiles.map(async ({ path, text }) => {
      const { code, map } = await transform(text, {
        platform: "node",
        target: common.target,
        charset: "ascii",
        format: "cjs",
        supported: common.supported,
        sourcemap: "external",
        sourcefile: path,
        banner: bundleUrl("lib.cjs"),
      });
      writeFileSync(path, code);
      writePlaces(path, Buffer.from(map), Buffer.from(code));
    }),
  );
}

async function bundleWorker(name) {
  const outfile = join(lib, "src", `${name}.js`);
  mkdirSync(dirname(outfile), { recursive: true });
  const banner = { js: "const bundleUrl=import.meta.url;" };
  const entryPoints = [`dist/src/${name}.js`];
  const options = { ...common, entryPoints, outfile, banner, format: "esm", supported: {} };
  const [{ contents }] = (await build(options)).outputFiles;
  writeFileSync(outfile, contents);
}

/**
 * Which line of which source each line of a bundle comes from, in the form that
 * src/platform/bundle-places.ts reads: four bytes for each line (source << 16 | line, little-endian,
 * 0 for none) and the names of the sources.
 */
function writePlaces(bundle, map, code) {
  const decoded = new SourceMap(JSON.parse(map.toString("utf8")));
  const sources = [""];
  const numbers = new Map();
  const places = code
    .toString("latin1")
    .split("\n")
    .map((text, i) => {
      const { originalSource, originalLine } = decoded.findEntry(i, text.search(/\S|$/));
      if (originalSource === undefined) return 0;
      const source = relative(root, join(dirname(bundle), originalSource))
        .split(sep)
        .join("/");
      if (!numbers.has(source)) numbers.set(source, sources.push(source) - 1);
      return numbers.get(source) * 65536 + Math.min(originalLine + 1, 65535);
    });
  const table = Buffer.alloc(places.length * 4);
  for (const [i, place] of places.entries()) table.writeUInt32LE(place, i * 4);
  const name = bundle.slice(0, -".cjs".length);
  writeFileSync(`${name}.places`, table);
  writeFileSync(`${name}.sources.json`, JSON.stringify(sources));
}

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
