/**
 * Makes one JavaScript module of each program, for the executables of a release. Inside an
 * executable there are no files beside the program, so the three places that read one are
 * replaced here; a place that is not found any more fails the build, never the release.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, sep } from "node:path";
import type { OnLoadResult, Plugin } from "esbuild";
import { KOFFI_ASSET } from "./release-native.ts";

export const TOOLS = ["etcd", "etcdctl", "etcdutl"] as const;
export type Tool = (typeof TOOLS)[number];

/** Asset with the code of the thread that checks older log segments. */
const WORKER_ASSET = "older-segments-worker.cjs";

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
    {
      file: "src/embed/older-segments.ts",
      from: "new Worker(url, { workerData: job })",
      to: `new Worker(getAsset("${WORKER_ASSET}", "utf8"), { eval: true, workerData: job })`,
      prelude: 'import { getAsset } from "node:sea";\n',
    },
    {
      file: "src/bin/etcd-main.ts",
      from: 'readOr(new URL("../../git-sha", import.meta.url), "")',
      to: JSON.stringify(gitSha),
      prelude: "",
    },
  ];
}

/** @throws if a source does not compile or a replaced place has changed. */
export async function bundleTool(root: string, tool: Tool, gitSha: string): Promise<Bundle> {
  const applied = new Set<string>();
  const plugin = replacingPlugin(root, replacements(gitSha), applied);
  const code = await bundle(root, `src/bin/${tool}.ts`, "esm", plugin);
  const assets = new Map<string, Uint8Array>();
  if (applied.has("src/platform/system-calls.ts")) assets.set(KOFFI_ASSET, readKoffi(root));
  if (applied.has("src/embed/older-segments.ts")) {
    const worker = await bundle(root, "src/embed/older-segments-worker.ts", "cjs", plugin);
    assets.set(WORKER_ASSET, Buffer.from(worker, "utf8"));
  }
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
        const found = all.find((each) => each.file === file);
        if (found === undefined) return undefined;
        applied.add(file);
        return { contents: replaceOnce(readFileSync(path, "utf8"), found), loader: "ts" };
      });
    },
  };
}

function replaceOnce(source: string, { file, from, to, prelude }: Replacement): string {
  const parts = source.split(from);
  if (parts.length !== 2) {
    throw new Error(`${file} has '${from}' ${parts.length - 1} times, not once`);
  }
  return prelude + parts.join(to);
}

/** koffi's library for this machine and the GNU C library, which Node's executables need too. */
function readKoffi(root: string): Uint8Array {
  const require = createRequire(join(root, "package.json"));
  const name = `@koromix/koffi-${process.platform}-${process.arch}`;
  const folder = dirname(createRequire(require.resolve("koffi")).resolve(name));
  return readFileSync(join(folder, `${process.platform}_${process.arch}`, KOFFI_ASSET));
}
