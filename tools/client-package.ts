/**
 * Makes the package `etcd-ts-client`: the client alone, without the server and without any
 * dependency, of what the build left in dist/.
 *
 *     node dist/tools/client-package.js [DIRECTORY]     (dist/etcd-ts-client)
 */
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, posix, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { findRepository } from "./tidy.ts";

export const CLIENT_PACKAGE = "etcd-ts-client";

interface Description {
  readonly version: string;
  readonly license: string;
  readonly engines: Readonly<Record<string, string>>;
}

/** Writes the package's folder anew. @throws if the client needs a file that is not there. */
export function writeClientPackage(root: string, folder: string): void {
  const dist = join(root, "dist");
  rmSync(folder, { recursive: true, force: true });
  const code = reachable(join(dist, "lib"), "client.cjs", /\brequire\("(\.[^"]+)"\)/g);
  for (const file of code) {
    copy(join(dist, "lib", file), join(folder, "lib", file));
  }
  const types = reachable(
    join(dist, "types"),
    "client/index.d.ts",
    /(?:from |import\()"(\.[^"]+)\.js"/g,
  );
  for (const file of [...types, "package.json"]) {
    copy(join(dist, "types", file), join(folder, "types", file));
  }
  copy(join(root, "LICENSE"), join(folder, "LICENSE"));
  const page = readFileSync(join(root, "docs", "client.md"), "utf8");
  writeFileSync(join(folder, "README.md"), readme(page));
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(describe(root), null, 2)}\n`);
}

function describe(root: string): object {
  const text = readFileSync(join(root, "package.json"), "utf8");
  const { version, license, engines } = JSON.parse(text) as Description;
  return {
    name: CLIENT_PACKAGE,
    version,
    description: "Typed client for etcd, without dependencies",
    license,
    engines,
    exports: {
      ".": { types: "./types/client/index.d.ts", default: "./lib/client.cjs" },
      "./package.json": "./package.json",
    },
  };
}

/** The page of the client, by the name of this package, without links to what is not in it. */
function readme(page: string): string {
  return page
    .replaceAll("etcd-ts/client", CLIENT_PACKAGE)
    .replaceAll(/\[([^\]]+)\]\((?!https?:|#)[^)]+\)/g, "$1");
}

/** Files from `entry` on that name each other, relative to `folder`. */
function reachable(folder: string, entry: string, reference: RegExp): readonly string[] {
  const found = new Set([entry]);
  for (const file of found) {
    for (const [, name = ""] of readFileSync(join(folder, file), "utf8").matchAll(reference)) {
      const ending = file.endsWith(".d.ts") ? ".d.ts" : "";
      found.add(posix.join(posix.dirname(file), `${name}${ending}`));
    }
  }
  return [...found];
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
}

if (
  process.argv[1] !== undefined &&
  realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)
) {
  const root = findRepository(dirname(fileURLToPath(import.meta.url)));
  writeClientPackage(root, resolve(process.argv[2] ?? join(root, "dist", CLIENT_PACKAGE)));
}
