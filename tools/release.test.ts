import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, extname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse as parseYaml } from "yaml";
import { parseCommandLine, type ParseOutcome } from "../src/embed/config/index.ts";
import { FLAGS } from "../src/embed/config/flags.ts";
import { settingOf } from "../src/embed/config/config.ts";
import { bundleTool, type Tool } from "./release-bundle.ts";
import { nodeProblem } from "./release.ts";
import { findRepository } from "./tidy.ts";

const root = findRepository(dirname(fileURLToPath(import.meta.url)));
const read = (path: string): string => readFileSync(join(root, path), "utf8");

async function configOf(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ParseOutcome> {
  return parseCommandLine(["etcd", ...args], {
    env,
    readFile: (path) => read(path),
    findHost: () => undefined,
    version: { version: "3.6.0", gitSha: "none", runtime: "node", os: "linux", arch: "amd64" },
  });
}

function variablesOf(text: string): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const match = /^#?(ETCD_\w+)="([^"]*)"$/.exec(line);
    if (match?.[1] !== undefined) variables[match[1]] = match[2] ?? "";
    else assert.match(line, /^(#.*)?$/, "neither a variable nor a comment");
  }
  return variables;
}

function keysOf(value: unknown, above = ""): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [above];
  return Object.entries(value).flatMap(([key, inner]) =>
    keysOf(inner, above === "" ? key : `${above}.${key}`),
  );
}

function isMember(outcome: ParseOutcome): asserts outcome is ParseOutcome & { kind: "run" } {
  assert.equal(outcome.kind, "run", JSON.stringify(outcome));
}

test("deploy/etcd.conf.yml is accepted, and has no key that nobody reads", async () => {
  const path = "deploy/etcd.conf.yml";
  const outcome = await configOf(["--config-file", path]);
  isMember(outcome);
  const known = new Set<string | undefined>(
    [...FLAGS.values()].map((entry) =>
      entry.kind === "setting" ? settingOf(entry.name).yaml : "",
    ),
  );
  const unknown = keysOf(parseYaml(read(path))).filter((key) => !known.has(key));
  assert.deepEqual(unknown, []);
});

test("deploy/etcd.conf.yml changes no default", async () => {
  const outcome = await configOf(["--config-file", "deploy/etcd.conf.yml"]);
  const plain = await configOf([]);
  isMember(outcome);
  isMember(plain);
  assert.deepEqual({ ...outcome.config, configFile: "" }, { ...plain.config, configFile: "" });
});

test("deploy/etcd.conf is accepted, with what it has in comments too", async () => {
  const variables = variablesOf(read("deploy/etcd.conf"));
  const outcome = await configOf([], variables);
  isMember(outcome);
  assert.equal(outcome.config.name, "etcd-1");
  const strangers = outcome.records.filter((record) => record.message.includes("unrecognized"));
  assert.deepEqual(strangers, []);
});

/** A Dockerfile's instructions with their arguments; lines that go on are joined. */
function instructionsOf(text: string): { name: string; rest: string }[] {
  const lines = text.split("\n").filter((line) => !/^\s*#/.test(line) && line.trim() !== "");
  return lines
    .join("\n")
    .replaceAll(/\\\n\s*/g, " ")
    .split("\n")
    .map((line) => {
      const match = /^([A-Z]+) (.+)$/.exec(line);
      assert.ok(match, `no instruction: ${line}`);
      return { name: match[1] ?? "", rest: match[2] ?? "" };
    });
}

test("the Dockerfile has known instructions, and copies what exists and is not ignored", () => {
  const instructions = instructionsOf(read("deploy/docker/Dockerfile"));
  const known = "ARG FROM WORKDIR COPY RUN ENTRYPOINT CMD EXPOSE STOPSIGNAL".split(" ");
  assert.deepEqual(
    instructions.filter(({ name }) => !known.includes(name)),
    [],
  );
  const stages = new Set<string>();
  for (const { name, rest } of instructions) {
    if (name === "FROM") stages.add(/ AS (\w+)$/.exec(rest)?.[1] ?? "");
    if (name !== "COPY") continue;
    const words = rest.split(" ");
    const stage = /^--from=(\w+)/.exec(words[0] ?? "")?.[1];
    if (stage !== undefined) {
      assert.ok(stages.has(stage), `no stage ${stage}`);
      continue;
    }
    const ignored = read("deploy/docker/Dockerfile.dockerignore").split("\n");
    for (const source of words.slice(0, -1)) {
      assert.ok(existsSync(join(root, source)), `${source} is copied, but does not exist`);
      assert.ok(!ignored.includes(source), `${source} is copied, but ignored`);
    }
  }
});

test("the image's build has every folder that the build reads", () => {
  const copied = instructionsOf(read("deploy/docker/Dockerfile"))
    .filter(({ name }) => name === "COPY")
    .flatMap(({ rest }) => rest.split(" "));
  const scripts = readdirSync(join(root, "tools")).filter((name) => /^build.*\.mjs$/.test(name));
  const texts = scripts.map((name) => read(join("tools", name))).join("\n");
  const sources = ["bin", "dashboard", "proto", "src", "tools"];
  const needed = sources.filter((folder) => texts.includes(`"${folder}"`));
  assert.ok(needed.includes("dashboard"));
  assert.deepEqual(
    needed.filter((folder) => !copied.includes(folder)),
    [],
  );
});

test("the image gets the three programs by names that exist", () => {
  const text = read("deploy/docker/Dockerfile");
  const linked = [...text.matchAll(/\/opt\/etcd\/(bin\/\w+)/g)].map((match) => match[1] ?? "");
  assert.deepEqual(linked, ["bin/etcd", "bin/etcdctl", "bin/etcdutl"]);
  assert.deepEqual(
    linked.filter((path) => !existsSync(join(root, path))),
    [],
  );
});

const noAnalyzer =
  spawnSync("systemd-analyze", ["--version"]).status === 0 ? false : "no systemd-analyze";

test("systemd accepts the unit", { skip: noAnalyzer }, () => {
  const folder = mkdtempSync(join(tmpdir(), "etcd-unit-"));
  try {
    const unit = join(folder, "etcd.service");
    const program = process.execPath;
    writeFileSync(
      unit,
      read("deploy/systemd/etcd.service").replace("/usr/local/bin/etcd", program),
    );
    const { status, stderr } = spawnSync("systemd-analyze", ["verify", unit], { encoding: "utf8" });
    const own = stderr.split("\n").filter((line) => line.includes("etcd.service"));
    assert.deepEqual({ status, own }, { status: 0, own: [] });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("both tools print their usage, and a mistake in one line before it", () => {
  const folder = dirname(fileURLToPath(import.meta.url));
  for (const program of ["release", join("..", "simulation", "main")]) {
    const path = join(folder, `${program}${extname(import.meta.url)}`);
    const run = (option: string) =>
      spawnSync(process.execPath, [path, option], { encoding: "utf8" });
    const help = run("--help");
    assert.deepEqual([help.status, help.stderr], [0, ""]);
    assert.match(help.stdout, /^npm run (release|simulate) -- \[options\]\n/);
    const mistake = run("--nonsense");
    assert.deepEqual([mistake.status, mistake.stdout], [2, ""]);
    assert.match(mistake.stderr, /^(release|simulate): Unknown option '--nonsense'/);
    assert.ok(mistake.stderr.endsWith(help.stdout));
  }
});

test("a release names the Node.js that cannot be built into executables", () => {
  assert.match(nodeProblem("/nowhere/node") ?? "", /^\/nowhere\/node does not run$/);
  const own = nodeProblem(process.execPath);
  const isNewEnough = Number(process.versions.node.split(".")[0]) >= 26;
  if (isNewEnough) assert.equal(own, undefined);
  else assert.match(own ?? "", /^Node\.js v\d+\.\S+ cannot be built into executables; name one/);
});

async function withBundle<T>(tool: Tool, use: (folder: string, path: string) => T): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "etcd-bundle-"));
  try {
    const { code, assets } = await bundleTool(root, tool, "0123456789");
    writeFileSync(join(folder, "program.mjs"), code);
    for (const [name, bytes] of assets) writeFileSync(join(folder, name), bytes);
    return use(folder, join(folder, "program.mjs"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const run = (path: string, ...args: readonly string[]): string =>
  execFileSync(process.execPath, [path, ...args], { encoding: "utf8", cwd: dirname(path) });

test("the server as one file: no file beside it but its assets, and it knows its commit", async () => {
  await withBundle("etcd", (folder, path) => {
    assert.deepEqual(readdirSync(folder).sort(), [
      "bcrypt-worker.cjs",
      "dashboard.json",
      "koffi.node",
      "older-segments-worker.cjs",
      "program.mjs",
    ]);
    assert.match(run(path, "--version"), /^etcd Version: \S+\nGit SHA: 0123456789\n/);
  });
});

for (const tool of ["etcdctl", "etcdutl"] as const) {
  test(`${tool} as one file runs by itself`, async () => {
    await withBundle(tool, (_folder, path) => {
      assert.match(run(path, "version"), new RegExp(`^${tool} version: `));
    });
  });
}
