/** How npm's commands find their program on systems with a shell and without. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { findRepository } from "./tidy.ts";

interface World {
  readonly platform: string;
  readonly node: string;
  readonly root: string;
  readonly memoryBytes: number;
}
type Plan =
  | { readonly kind: "load"; readonly program: string; readonly args: readonly string[] }
  | {
      readonly kind: "run";
      readonly file: string;
      readonly args: readonly string[];
      readonly env: Readonly<Record<string, string>>;
    };
interface Start {
  plan(name: string, args: readonly string[], world: World): Plan;
}

const root = findRepository(dirname(fileURLToPath(import.meta.url)));
const { plan } = createRequire(import.meta.url)(join(root, "bin", "start.cjs")) as Start;

const linux: World = { platform: "linux", node: "/opt/node", root: "/app", memoryBytes: 2 ** 32 };
const windows: World = {
  platform: "win32",
  node: "C:\\Program Files\\nodejs\\node.exe",
  root: "C:\\app\\etcd-ts",
  memoryBytes: 2 ** 32,
};

test("where there is a shell, a command becomes the script, with the same Node.js", () => {
  assert.deepEqual(plan("etcd", ["--name", "a b"], linux), {
    kind: "run",
    file: "/app/bin/etcd",
    args: ["--name", "a b"],
    env: { ETCD_NODE: "/opt/node" },
  });
});

test("Windows needs no shell, and gives the flags of the script", () => {
  const started = plan("etcd", ["--version"], windows);
  assert.equal(started.kind, "run");
  assert.ok(started.kind === "run");
  assert.equal(started.file, windows.node);
  const program = started.args.indexOf("C:\\app\\etcd-ts\\dist\\etcd.cjs");
  assert.deepEqual(started.args.slice(program + 1), ["--version"]);
  const [heap, ...flags] = started.args.slice(0, program);
  assert.equal(heap, "--max-old-space-size=3072");
  const script = readFileSync(join(root, "bin", "launch.sh"), "utf8");
  for (const flag of flags) assert.ok(script.includes(flag), flag);
  const set = [...script.matchAll(/^set -- (.*)$/gm)].map((match) => match[1] ?? "");
  const all = set.join(" ").match(/--[\w-]+=\S+/g) ?? [];
  assert.deepEqual(flags.toSorted(), all.toSorted());
});

test("the client is loaded in the same process", () => {
  const program = "/app/dist/etcdctl.cjs";
  assert.deepEqual(plan("etcdctl", ["get", "k"], linux), {
    kind: "load",
    program,
    args: ["get", "k"],
  });
  assert.deepEqual(plan("etcd-ts", ["ctl", "get", "k"], linux), {
    kind: "load",
    program,
    args: ["get", "k"],
  });
});

test("etcd-ts is the server, or the program that its first word names", () => {
  const commandOf = (...args: readonly string[]): readonly string[] => {
    const todo = plan("etcd-ts", args, linux);
    assert.ok(todo.kind === "run");
    return [todo.file, ...todo.args];
  };
  assert.deepEqual(commandOf(), ["/app/bin/etcd"]);
  assert.deepEqual(commandOf("--name", "cluster"), ["/app/bin/etcd", "--name", "cluster"]);
  assert.deepEqual(commandOf("cluster"), ["/app/bin/etcd-cluster", "start"]);
  assert.deepEqual(commandOf("cluster", "--help"), ["/app/bin/etcd-cluster", "--help"]);
  assert.deepEqual(commandOf("utl", "version"), ["/app/bin/etcdutl", "version"]);
  assert.deepEqual(commandOf("constructor"), ["/app/bin/etcd", "constructor"]);
});
