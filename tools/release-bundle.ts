/**
 * Makes one JavaScript module of each program, for the executables of a release. Inside an
 * executable there are no files beside the program, so the places that read one are
 * replaced here; one that is not found any more, or is not known, fails the build.
 */
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, relative, sep } from "node:path";
import type { OnLoadResult, Plugin } from "esbuild";
import { DASHBOARD_ASSET } from "./release-dashboard.ts";
import { KOFFI_ASSET } from "./release-native.ts";

export const TOOLS = ["etcd", "etcdctl", "etcdutl"] as const;
export type Tool = (typeof TOOLS)[number];

/** Threads that a program starts: the file that does, how, and what the thread runs. */
const THREADS = [
  {
    user: "src/embed/older-segments.ts",
    from: "new Worker(url, { workerData: job })",
    options: "eval: true, workerData: job",
    entry: "src/embed/older-segments-worker.ts",
  },
  {
    user: "src/platform/bcrypt-hasher.ts",
    from: "new Worker(url)",
    options: "eval: true",
    entry: "src/platform/bcrypt-worker.ts",
  },
] as const;

/** How a file finds what is loaded only when it is needed; it becomes a part of the bundle. */
const LAZY_PACKAGE = /\bcreateRequire\(import\.meta\.url\)\(\s*("[^"]+"),?\s*\)/g;
const LAZY_PACKAGES = "const require = createRequire(import.meta.url);";
const OWN_URL = /const url = new URL\([^;]*import\.meta\.url\);/;

const DASHBOARD_USER = "src/embed/dashboard.ts";

export interface Bundle {
  /** The program as an ECMAScript module. */
  readonly code: string;
  /** What it reads while it runs, by asset name. */
  readonly assets: ReadonlyMap<string, Uint8Array>;
}

interface Replacement {
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** Line to put before the file. */
  readonly prelude: string;
}

function replacements(gitSha: string): readonly Replacement[] {
  return [
    {
      file: "src/platform/system-calls.ts",
      from: 'createRequire(import.meta.url)("koffi")',
      to: "loadKoffi()",
      prelude: 'import { loadKoffi } from "../../tools/release-native.ts";\n',
    },
    ...THREADS.map(({ user, from, options, entry }) => ({
      file: user,
      from,
      to: `new Worker(getAsset("${threadAsset(entry)}", "utf8"), { ${options} })`,
      prelude: 'import { getAsset } from "node:sea";\n',
    })),
    {
      file: DASHBOARD_USER,
      from: '"./dashboard-files.ts"',
      to: '"../../tools/release-dashboard.ts"',
      prelude: "",
    },
    {
      file: "src/bin/etcd-main.ts",
      from: 'readOr(new URL("../../git-sha", import.meta.url), "")',
      to: JSON.stringify(gitSha),
      prelude: "",
    },
  ];
}

function threadAsset(entry: string): string {
  return `${basename(entry, ".ts")}.cjs`;
}

/** @throws if a source does not compile or looks for a file, or a replaced place has changed. */
export async function bundleTool(root: string, tool: Tool, gitSha: string): Promise<Bundle> {
  const applied = new Set<string>();
  const plugin = replacingPlugin(root, replacements(gitSha), applied);
  const code = await bundle(root, `src/bin/${tool}.ts`, "esm", plugin);
  const assets = new Map<string, Uint8Array>();
  if (applied.has("src/platform/system-calls.ts")) assets.set(KOFFI_ASSET, readKoffi(root));
  for (const { entry } of THREADS.filter(({ user }) => applied.has(user))) {
    const thread = await bundle(root, entry, "cjs", plugin);
    assets.set(threadAsset(entry), Buffer.from(thread, "utf8"));
  }
  if (applied.has(DASHBOARD_USER)) assets.set(DASHBOARD_ASSET, readDashboard(root));
  return { code, assets };
}

async function bundle(
  root: string,
  entry: string,
  format: "esm" | "cjs",
  plugin: Plugin,
): Promise<string> {
  // A development dependency: loaded only when something is bundled.
  const { build } = await import("esbuild");
  const result = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    write: false,
    platform: "node",
    target: "node26",
    format,
    // Not minified: lines of the log name the place that wrote them.
    legalComments: "inline",
    logLevel: "silent",
    plugins: [plugin],
    ...(format === "esm" ? { banner: { js: REQUIRE_FOR_MODULES } } : {}),
  });
  const [output] = result.outputFiles;
  if (output === undefined) throw new Error(`${entry} gave no output`);
  return output.text;
}

/** Packages in CommonJS form, such as yaml, ask for Node's own modules by `require`. */
const REQUIRE_FOR_MODULES =
  'import { createRequire as createRequireOf } from "node:module";' +
  "const require = createRequireOf(import.meta.url);";

function replacingPlugin(root: string, all: readonly Replacement[], applied: Set<string>): Plugin {
  return {
    name: "replace-file-access",
    setup(build): void {
      build.onLoad({ filter: /\.ts$/ }, ({ path }): OnLoadResult | undefined => {
        const file = relative(root, path).split(sep).join("/");
        const source = readFileSync(path, "utf8");
        const found = all.find((each) => each.file === file);
        if (found !== undefined) applied.add(file);
        const replaced = found === undefined ? source : replaceOnce(source, found);
        return { contents: withoutFiles(file, replaced), loader: "ts" };
      });
    },
  };
}

/** Nothing may ask where its own file is: inside an executable it is nowhere. */
function withoutFiles(file: string, source: string): string {
  const contents = source
    .replace(LAZY_PACKAGE, "require($1)")
    .replace(LAZY_PACKAGES, "")
    .replace(OWN_URL, "");
  if (!contents.includes("import.meta.url")) return contents;
  throw new Error(`${file} looks for files beside itself: a release has none`);
}

function replaceOnce(source: string, { file, from, to, prelude }: Replacement): string {
  const parts = source.split(from);
  if (parts.length !== 2) {
    throw new Error(`${file} has '${from}' ${parts.length - 1} times, not once`);
  }
  return prelude + parts.join(to);
}

function readDashboard(root: string): Uint8Array {
  const folder = join(root, "dist", "lib", "dashboard");
  const files = readdirSync(folder).map((name) => {
    return [name, readFileSync(join(folder, name), "base64")] as const;
  });
  return Buffer.from(JSON.stringify(Object.fromEntries(files)), "utf8");
}

/** koffi's library for this machine and the GNU C library, which Node's executables need too. */
function readKoffi(root: string): Uint8Array {
  const require = createRequire(join(root, "package.json"));
  const name = `@koromix/koffi-${process.platform}-${process.arch}`;
  const folder = dirname(createRequire(require.resolve("koffi")).resolve(name));
  return readFileSync(join(folder, `${process.platform}_${process.arch}`, KOFFI_ASSET));
}
