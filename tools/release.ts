/**
 * Builds a release: `etcd-v<version>-linux-<arch>.tar.gz` with the programs as executables that
 * need no Node.js on the machine where they run (Node's single executable applications), laid out
 * as etcd's own releases are.
 *
 *     node dist/tools/release.js [--node PATH] [--out DIRECTORY]
 *
 * The Node.js that goes into the executables must be 26 or newer, which builds them by itself.
 * It is the one that runs this script, or the one that `--node` names.
 */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { SERVER_VERSION } from "../src/api/version.ts";
import { goArchitecture, goOperatingSystem } from "../src/base/go-names.ts";
import { bundleTool, TOOLS, type Tool } from "./release-bundle.ts";
import { findRepository } from "./tidy.ts";

/** The first one whose executables keep the code cache for modules and take V8 options along. */
const OLDEST_NODE_MAJOR = 26;

export interface ReleaseOptions {
  readonly root: string;
  /** The node binary that the executables are made of. */
  readonly node: string;
  /** Where the archive goes. */
  readonly out: string;
  readonly report: (line: string) => void;
}

/** Name of the archive without its ending, and of the directory inside. */
export function releaseName(): string {
  const os = goOperatingSystem(process.platform);
  return `etcd-v${SERVER_VERSION}-${os}-${goArchitecture(process.arch)}`;
}

/** Why `node` cannot be built into executables; undefined when it can. */
export function nodeProblem(node: string): string | undefined {
  if (process.platform !== "linux") return `releases are built on Linux, not ${process.platform}`;
  let version: string;
  try {
    version = execFileSync(node, ["--version"], { encoding: "utf8" }).trim();
  } catch {
    return `${node} does not run`;
  }
  if (Number(/^v(\d+)/.exec(version)?.[1]) >= OLDEST_NODE_MAJOR) return undefined;
  return `Node.js ${version} cannot be built into executables; name one of version ${OLDEST_NODE_MAJOR} or newer by --node`;
}

/** Builds the archive and returns its path. @throws if a step fails; nothing is left half done. */
export async function buildRelease({ root, node, out, report }: ReleaseOptions): Promise<string> {
  const name = releaseName();
  const work = mkdtempSync(join(tmpdir(), "etcd-release-"));
  try {
    const folder = join(work, name);
    mkdirSync(folder);
    const runtime = strippedRuntime(node, work, report);
    for (const tool of TOOLS) {
      await buildExecutable({ root, runtime, work, tool, target: join(folder, tool) });
      report(`${tool}: ${megabytes(join(folder, tool))}`);
    }
    addTexts(root, node, folder);
    mkdirSync(out, { recursive: true });
    const archive = join(out, `${name}.tar.gz`);
    pack(root, work, name, archive);
    report(`${archive}: ${megabytes(archive)}`);
    return archive;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** A copy of the runtime without symbols for debuggers, a fifth smaller; as it is without strip. */
function strippedRuntime(node: string, work: string, report: (line: string) => void): string {
  const path = execFileSync(node, ["-p", "process.execPath"], { encoding: "utf8" }).trim();
  const copy = join(work, "node");
  copyFileSync(realpathSync(path), copy);
  chmodSync(copy, 0o755);
  try {
    execFileSync("strip", [copy], { stdio: "pipe" });
  } catch {
    report("strip is missing or failed: the executables keep their symbols");
  }
  return copy;
}

/**
 * Node's options inside an executable. The server's are those of `bin/etcd`. The other two live
 * for milliseconds: they start from compiled code, and stay silent when a processor refuses it.
 */
function nodeOptions(tool: Tool): { execArgv: readonly string[]; useCodeCache: boolean } {
  // SIGUSR1 must not open a debugger before the program ignores it.
  const closed = "--disable-sigusr1";
  if (tool !== "etcd") return { execArgv: [closed, "--no-warnings"], useCodeCache: true };
  const execArgv = [
    closed,
    "--max-semi-space-size=32",
    "--heap-growing-percent=60",
    "--initial-old-space-size=96",
    "--max-old-space-size-percentage=75",
  ];
  return { execArgv, useCodeCache: false };
}

interface ExecutableJob {
  readonly root: string;
  readonly runtime: string;
  readonly work: string;
  readonly tool: Tool;
  readonly target: string;
}

async function buildExecutable({
  root,
  runtime,
  work,
  tool,
  target,
}: ExecutableJob): Promise<void> {
  const { code, assets } = await bundleTool(root, tool, gitSha(root));
  const main = join(work, `${tool}.mjs`);
  writeFileSync(main, code);
  const files: Record<string, string> = {};
  for (const [name, bytes] of assets) {
    files[name] = join(work, name);
    writeFileSync(join(work, name), bytes);
  }
  const config = {
    main,
    mainFormat: "module",
    executable: runtime,
    output: target,
    disableExperimentalSEAWarning: true,
    // Settings of some other Node.js program must not reach a server.
    execArgvExtension: "none",
    assets: files,
    ...nodeOptions(tool),
  };
  const path = join(work, `${tool}.json`);
  writeFileSync(path, JSON.stringify(config));
  execFileSync(runtime, [`--build-sea=${path}`], { stdio: ["ignore", "ignore", "inherit"] });
  chmodSync(target, 0o755);
}

interface Lock {
  readonly packages: Readonly<
    Record<string, { readonly dev?: boolean; readonly optional?: boolean }>
  >;
}

const README = `etcd in TypeScript ${SERVER_VERSION}

Three programs that need no Node.js: etcd, etcdctl, etcdutl. They need Linux with the GNU C library
2.28 or newer, libstdc++ and libatomic (Debian: libstdc++6 libatomic1; Red Hat: libstdc++ libatomic).

    ./etcd --version
    ./etcd                                     one member, data in default.etcd
    ./etcdctl put greeting hello
    ./etcdctl get greeting

Documentation/deployment.md: systemd, containers, several ways to configure.
Documentation/settings.md: every flag. LICENSE and LICENSES.txt: the terms.
deploy/: files to start from. The dashboard: ./etcd --enable-dashboard, at /dashboard/ of the client URL.
`;

function addTexts(root: string, node: string, folder: string): void {
  writeFileSync(join(folder, "README.md"), README);
  copyFileSync(join(root, "LICENSE"), join(folder, "LICENSE"));
  writeFileSync(join(folder, "LICENSES.txt"), licences(root, node));
  const documentation = join(folder, "Documentation");
  mkdirSync(documentation);
  for (const page of ["deployment", "settings", "LIMITS", "METRICS", "differences"]) {
    copyFileSync(join(root, "docs", `${page}.md`), join(documentation, `${page}.md`));
  }
  cpSync(join(root, "deploy"), join(folder, "deploy"), { recursive: true });
}

/** The terms of what is inside the executables besides this project. */
function licences(root: string, node: string): string {
  const lock: Lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const parts = Object.entries(lock.packages)
    .filter(([path, { dev, optional }]) => path !== "" && dev !== true && optional !== true)
    .map(([path]) => {
      const name = path.slice("node_modules/".length);
      const file = readdirSync(join(root, path)).find((each) => /^licen[cs]e/i.test(each));
      if (file === undefined) throw new Error(`${name} does not say under which terms it is`);
      return part(name, join(root, path, file));
    });
  parts.push(part("In the dashboard", join(root, "dist", "lib", "dashboard", "licences.txt")));
  const real = execFileSync(node, ["-p", "process.execPath"], { encoding: "utf8" }).trim();
  const beside = [join(dirname(dirname(real)), "LICENSE"), join(dirname(real), "LICENSE")];
  const found = beside.find((path) => existsSync(path));
  parts.push(
    found === undefined
      ? "Node.js: https://github.com/nodejs/node/blob/main/LICENSE\n"
      : part("Node.js", found),
  );
  return parts.join("\n");
}

function part(name: string, path: string): string {
  return `${name}\n\n${readFileSync(path, "utf8").trim()}\n\n`;
}

/** The same content gives the same archive: order, owner and times are fixed. */
function pack(root: string, work: string, name: string, archive: string): void {
  const time = git(root, ["log", "-1", "--format=%ct"]) || "0";
  const unfinished = `${archive}.tmp`;
  const options = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", `--mtime=@${time}`];
  try {
    execFileSync("tar", ["-C", work, ...options, "-czf", unfinished, name], { stdio: "inherit" });
    execFileSync("mv", [unfinished, archive]);
  } finally {
    rmSync(unfinished, { force: true });
  }
}

function gitSha(root: string): string {
  return git(root, ["rev-parse", "--short=9", "HEAD"]);
}

/** Empty outside a repository. */
function git(root: string, args: readonly string[]): string {
  try {
    return execFileSync("git", args, { cwd: root, encoding: "utf8", stdio: "pipe" }).trim();
  } catch {
    return "";
  }
}

function megabytes(path: string): string {
  return `${(statSync(path).size / 1e6).toFixed(1)} MB`;
}

const USAGE = `npm run release -- [options]

  --node PATH       the Node.js that goes into the executables, ${OLDEST_NODE_MAJOR} or newer (the one that runs this)
  --out DIRECTORY   where the archive goes (dist/release)
`;

/** Undefined when the usage was asked for. @throws Error with one line about a mistake. */
function parseCommand(): { readonly node?: string; readonly out?: string } | undefined {
  const { values } = parseArgs({
    options: {
      node: { type: "string" },
      out: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  return values.help ? undefined : values;
}

async function main(): Promise<void> {
  let values: ReturnType<typeof parseCommand>;
  try {
    values = parseCommand();
  } catch (error) {
    process.stderr.write(`release: ${(error as Error).message}\n\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  if (values === undefined) {
    process.stdout.write(USAGE);
    return;
  }
  const root = findRepository(dirname(fileURLToPath(import.meta.url)));
  const node = values.node ?? process.execPath;
  const problem = nodeProblem(node);
  if (problem !== undefined) {
    process.stderr.write(`release: ${problem}\n`);
    process.exitCode = 1;
    return;
  }
  const out = resolve(values.out ?? join(root, "dist", "release"));
  const report = (line: string): void => void process.stdout.write(`${line}\n`);
  await buildRelease({ root, node, out, report });
}

if (
  process.argv[1] !== undefined &&
  realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)
) {
  await main();
}
