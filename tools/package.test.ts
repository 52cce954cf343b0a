/** What `npm pack` takes: all that the package needs to run, and nothing of its workshop. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, posix } from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { findRepository } from "./tidy.ts";

const MAX_FILES = 400;
/** Code with readable names, for profiles and stacks, where it comes from, and the dashboard. */
const MAX_UNPACKED_BYTES = 3 * 1024 * 1024;

interface Packed {
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string; readonly mode: number }[];
}
interface Description {
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | { types: string; default: string }>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

const root = findRepository(dirname(fileURLToPath(import.meta.url)));
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const description = JSON.parse(read("package.json")) as Description;
let packed: Packed;
let paths: ReadonlySet<string>;

before(() => {
  const args = ["pack", "--dry-run", "--json", "--ignore-scripts", "--offline"];
  const output = execFileSync("npm", args, { cwd: root, encoding: "utf8", stdio: "pipe" });
  packed = (JSON.parse(output) as [Packed])[0];
  paths = new Set(packed.files.map(({ path }) => path));
});

test("a package is small, and has no tests, maps or sources", () => {
  assert.ok(paths.size <= MAX_FILES, `${paths.size} files`);
  assert.ok(packed.unpackedSize <= MAX_UNPACKED_BYTES, `${packed.unpackedSize} bytes`);
  const unwanted =
    /\.test\.|\.map$|^(src|tools|benchmarks|simulation|faults|conformance)\/|buildinfo/;
  assert.deepEqual(
    [...paths].filter((path) => unwanted.test(path)),
    [],
  );
});

test("commands and entry points are inside", () => {
  const entries = Object.values(description.exports).flatMap((entry) =>
    typeof entry === "string" ? [entry] : [entry.types, entry.default],
  );
  for (const path of [...Object.values(description.bin), ...entries]) {
    assert.ok(paths.has(posix.normalize(path)), path);
  }
  for (const path of Object.values(description.bin)) {
    const file = packed.files.find((each) => each.path === posix.normalize(path));
    assert.ok(((file?.mode ?? 0) & 0o111) !== 0, `${path} cannot be executed`);
    assert.match(read(path), /^#!\/usr\/bin\/env node\n/, "npm's shim on Windows runs it by node");
    // On Linux it becomes the script of the same name; etcd-ts becomes another's.
    const script = posix.normalize(path).replace(/\.cjs$/, "");
    if (script !== "bin/etcd-ts") assert.ok(paths.has(script), script);
  }
  for (const path of ["LICENSE", "README.md", "CHANGELOG.md", "bin/launch.sh", "docs/testing.md"]) {
    assert.ok(paths.has(path), path);
  }
});

test("a file that another one loads is inside, or in a dependency", () => {
  const known = new Set([...builtinModules, ...Object.keys(description.dependencies)]);
  const missing: string[] = [];
  for (const path of paths) {
    if (!/\.(c?js|d\.ts)$/.test(path) || path.startsWith("examples/")) continue;
    for (const [, name = ""] of read(path).matchAll(
      /(?:\brequire\(|\bfrom |^import |\bimport\(|\.href\)\()"([^"\n]+)"/gm,
    )) {
      const target = name.replace(/^node:/, "");
      const ending = path.endsWith(".d.ts") ? target.replace(/\.js$/, ".d.ts") : target;
      const isThere = name.startsWith(".")
        ? paths.has(posix.join(posix.dirname(path), ending))
        : known.has(target);
      if (!isThere) missing.push(`${path}: ${name}`);
    }
  }
  assert.deepEqual(missing, []);
});

test("threads, the commit and the log's places lie where the scripts look for them", () => {
  const scripts = [...paths].filter((path) => /^dist\/lib\/[\w-]+\.cjs$/.test(path));
  const index = read("dist/lib/places").split("\n", 1)[0] ?? "";
  const { tables } = JSON.parse(index) as { tables: Readonly<Record<string, unknown>> };
  assert.deepEqual(
    scripts.filter((path) => !Object.hasOwn(tables, posix.basename(path))),
    ["dist/lib/program-loader.cjs"],
  );
  const workers = new Set<string>();
  for (const script of scripts) {
    for (const [, worker, place = ""] of read(script).matchAll(
      /new URL\(`(\.\/[\w-]+-worker)\$\{[^`]+`,\s*new URL\("([^"]+)",\s*bundleUrl\)/g,
    )) {
      workers.add(posix.join("dist/lib", posix.dirname(place), `${worker}.js`));
    }
  }
  assert.deepEqual([...workers].sort(), [
    "dist/lib/src/embed/older-segments-worker.js",
    "dist/lib/src/platform/bcrypt-worker.js",
  ]);
  for (const path of [...workers, "dist/lib/git-sha"]) assert.ok(paths.has(path), path);
});

test("what seldom is needed of Node.js is loaded with its first use", () => {
  const script = `
    const { startEtcd } = require("./dist/lib/embed.cjs");
    const loaded = process.moduleLoadList.map((line) => line.replace("NativeModule ", ""));
    const large = ["https", "inspector", "tls", "worker_threads", "zlib"];
    console.log(typeof startEtcd, large.filter((name) => loaded.includes(name)).join());`;
  const output = execFileSync(process.execPath, ["-e", script], { cwd: root, encoding: "utf8" });
  assert.equal(output, "function \n");
});

test("lines of the code are short enough for a terminal that shows where an error was thrown", () => {
  const lines = [...paths]
    .filter((path) => /^dist\/lib\/[\w-]+\.cjs$/.test(path))
    .flatMap((path) => read(path).split("\n"));
  const long = lines.filter((line) => line.length > 400).length;
  assert.ok(long < lines.length / 100, `${long} of ${lines.length} lines`);
});

const CLIENT_PROGRAM = `
  import { EtcdClient, type KeyValue } from "etcd-ts/client";
  const client = new EtcdClient({ endpoints: ["127.0.0.1"] });
  export const kv: Promise<KeyValue | undefined> = client.kv.get("k").then((answer) => answer.kv);
  // @ts-expect-error A revision is a number.
  export const text: Promise<string> = client.kv.get("k").then((answer) => answer.revision);
`;
const OTHER_PROGRAM = `
  import { createConfig, startEtcd } from "etcd-ts";
  import { Etcd3 } from "etcd-ts/etcd3";
  import { Etcd, type EtcdMember } from "etcd-ts/testing";
  export const old: Promise<string | null> = new Etcd3().get("k").string();
  export const member = (etcd: Etcd): EtcdMember | undefined => etcd.leader;
  export const urls: Promise<readonly string[]> =
    startEtcd(createConfig({ dataDir: "d" })).then((etcd) => etcd.clientAddresses);
  export const dump: Promise<Record<string, string>> = Etcd.memory().then((etcd) => etcd.dump());
`;

test("declarations are whole: each name in them is declared", () => {
  const all = [...paths].filter((path) => path.endsWith(".d.ts"));
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const options = [
    "--noEmit",
    "--strict",
    "--target",
    "es2022",
    "--module",
    "node16",
    "--types",
    "node",
  ];
  const run = { cwd: root, encoding: "utf8" } as const;
  const { stdout } = spawnSync(process.execPath, [tsc, "--ignoreConfig", ...options, ...all], run);
  assert.equal(stdout, "");
});

for (const [module, resolution] of [
  ["node16", "node16"],
  ["esnext", "bundler"],
] as const) {
  test(`types are found by resolution ${resolution}, those of the client without Node's`, () => {
    const folder = mkdtempSync(join(tmpdir(), "etcd-types-"));
    const compile = (files: readonly string[], ...more: readonly string[]): string => {
      const options = ["--noEmit", "--strict", "--target", "es2022", ...more];
      const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
      const args = [tsc, ...options, "--module", module, "--moduleResolution", resolution];
      return spawnSync(process.execPath, [...args, ...files], { cwd: folder, encoding: "utf8" })
        .stdout;
    };
    try {
      mkdirSync(join(folder, "node_modules"));
      symlinkSync(root, join(folder, "node_modules", "etcd-ts"));
      writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
      for (const ending of ["ts", "cts"]) {
        writeFileSync(join(folder, `client.${ending}`), CLIENT_PROGRAM);
        writeFileSync(join(folder, `other.${ending}`), OTHER_PROGRAM);
      }
      assert.equal(compile(["client.ts", "client.cts"], "--lib", "es2022,dom"), "");
      const roots = ["--typeRoots", join(root, "node_modules", "@types"), "--types", "node"];
      assert.equal(compile(["other.ts", "other.cts"], "--lib", "es2022", ...roots), "");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}
