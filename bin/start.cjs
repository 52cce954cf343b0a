/**
 * Starts a program for npm, whose shims on Windows run JavaScript only. Where there is a shell,
 * this process becomes the script of the same name, which knows about memory and signals: by
 * `execve` where Node.js has it (22.15), else as its parent, which passes signals on.
 */
"use strict";
const { spawn } = require("node:child_process");
const os = require("node:os");
const path = require("node:path");

/** What `etcd-ts` calls the programs; without such a word it is the server. */
const WORDS = {
  cluster: "etcd-cluster",
  ctl: "etcdctl",
  discovery: "etcd-discovery",
  utl: "etcdutl",
};
/** As bin/launch.sh has them. */
const INSPECT = "--inspect-port=192.0.2.1:9229";
const HEAP = [
  "--max-semi-space-size=32",
  "--initial-old-space-size=96",
  "--heap-growing-percent=60",
];
const MIN_HEAP_MB = 512;

/** Which program with which arguments; `etcd-ts cluster` alone starts one. */
function chosen(name, args) {
  if (name !== "etcd-ts") return { tool: name, args };
  const tool = Object.hasOwn(WORDS, args[0] ?? "") ? WORDS[args[0]] : undefined;
  if (tool === undefined) return { tool: "etcd", args };
  const rest = args.slice(1);
  return { tool, args: tool === "etcd-cluster" && rest.length === 0 ? ["start"] : rest };
}

/** What to do: load the program here, or run a file in this process's place. */
function plan(name, given, { platform, node, root, memoryBytes }) {
  const { tool, args } = chosen(name, given);
  const { join } = platform === "win32" ? path.win32 : path.posix;
  const program = join(root, "dist", `${tool}.cjs`);
  // The client lives too briefly for a second process, and needs no memory.
  if (tool === "etcdctl") return { kind: "load", program, args };
  if (platform !== "win32") {
    return { kind: "run", file: join(root, "bin", tool), args, env: { ETCD_NODE: node } };
  }
  const heap = Math.floor((memoryBytes / 1048576) * 0.75);
  const limit = heap >= MIN_HEAP_MB ? [`--max-old-space-size=${heap}`] : [];
  return { kind: "run", file: node, args: [...limit, ...HEAP, INSPECT, program, ...args], env: {} };
}

function start(name) {
  const todo = plan(name, process.argv.slice(2), {
    platform: process.platform,
    node: process.execPath,
    root: path.dirname(__dirname),
    memoryBytes: Math.min(os.totalmem(), process.constrainedMemory() || Infinity),
  });
  if (todo.kind === "load") {
    process.argv.splice(2, Infinity, ...todo.args);
    require(todo.program);
    return;
  }
  const env = { ...process.env, ...todo.env };
  if (process.execve !== undefined && process.platform !== "win32") {
    process.execve(todo.file, [todo.file, ...todo.args], env);
  }
  runAsChild(todo, env);
}

function runAsChild({ file, args }, env) {
  const child = spawn(file, args, { stdio: "inherit", env });
  // Who waits for this process must see how the program ended, so it ends after it.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      // A terminal sends its signals to both; the second one would end a member at once.
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on("error", ({ message }) => {
    process.stderr.write(`${path.basename(file)}: ${message}\n`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    if (signal === null) {
      process.exitCode = code;
      return;
    }
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

module.exports = { plan, start };
