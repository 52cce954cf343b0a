/**
 * Where a member's processor time of a put and of a get goes: the main thread's, by the folder of
 * `src` whose code runs, from a profile of the load's middle; and that of all threads, in the
 * program and in the kernel, from the system's own counts.
 *
 *   node dist/benchmarks/where-time-goes.js [--seconds 5] [--single] [--dir DIRECTORY]
 *
 * The member is the compiled sources and not the bundle, so that functions have their files.
 * `--single`: one request after the other, in place of 50 connections of 10 streams each.
 */
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { WebSocket } from "ws";
import { findRepository } from "../tools/tidy.ts";
import type { LoadJob } from "./load/jobs.ts";
import type { RequestKind } from "./load/requests.ts";
import { dataRoot, ServerProcess } from "./server-process.ts";
import { OURS } from "./servers.ts";
import { between, type ThreadTime, threadTimes } from "./thread-times.ts";
import { Generator, TRIAL_OPTIONS } from "./trial.ts";
import { LOADED, LOADED_KEYS, loadKeys, PUT } from "./workloads.ts";
import { freePorts } from "../src/base/testing/free-ports.ts";

const root = findRepository(dirname(fileURLToPath(import.meta.url)));
const WARM_UP_SECONDS = 3;
const HEAP_FLAGS = "--max-semi-space-size=32 --heap-growing-percent=60";

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string };
}

interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** One command after the other to the debugger of a process. */
class Debugger {
  readonly #socket: WebSocket;
  #id = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async attach(port: number): Promise<Debugger> {
    const response = await fetch(`http://127.0.0.1:${port}/json/list`);
    const [target] = (await response.json()) as { readonly webSocketDebuggerUrl: string }[];
    if (target === undefined) throw new Error("the process has no debugger");
    const socket = new WebSocket(target.webSocketDebuggerUrl);
    await new Promise((done, fail) => socket.once("open", done).once("error", fail));
    return new Debugger(socket);
  }

  command(method: string, params: object = {}): Promise<unknown> {
    const id = ++this.#id;
    return new Promise((resolve) => {
      const listen = (data: Buffer): void => {
        const message = JSON.parse(data.toString()) as { id?: number; result?: unknown };
        if (message.id !== id) return;
        this.#socket.off("message", listen);
        resolve(message.result);
      };
      this.#socket.on("message", listen);
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  close(): void {
    this.#socket.close();
  }
}

/** The layer of a frame: a folder of `src`, or what it is besides. */
function partOf({ callFrame: { functionName, url } }: ProfileNode): string {
  if (functionName === "(idle)") return "idle";
  if (functionName === "(garbage collector)") return "garbage collector";
  const folder = /\/dist\/src\/([^/]+)\//.exec(url)?.[1];
  if (folder !== undefined) return `src/${folder}`;
  return "Node.js and system calls";
}

/** Microseconds of the main thread by part. */
function selfTimes({ nodes, samples, timeDeltas }: Profile): Map<string, number> {
  const parts = new Map(nodes.map((node) => [node.id, partOf(node)]));
  const times = new Map<string, number>();
  for (const [index, id] of samples.entries()) {
    const part = parts.get(id) ?? "";
    times.set(part, (times.get(part) ?? 0) + (timeDeltas[index] ?? 0));
  }
  return times;
}

function tell(what: string, micros: number, operations: number): void {
  const each = micros / operations;
  if (each >= 0.05) console.log(`  ${what.padEnd(30)} ${each.toFixed(2).padStart(8)} µs`);
}

async function profile(
  name: string,
  request: RequestKind,
  { seconds, isSingle, folder }: { seconds: number; isSingle: boolean; folder: string },
): Promise<void> {
  const [port = 0] = await freePorts(1);
  const binary = join(folder, "etcd-with-debugger");
  const program = join(root, "dist", "src", "bin", "etcd.js");
  const start = `exec "${process.execPath}" --inspect=127.0.0.1:${port} ${HEAP_FLAGS} "${program}"`;
  writeFileSync(binary, `#!/bin/sh\n${start} "$@"\n`);
  chmodSync(binary, 0o755);
  const member = new ServerProcess({ label: OURS, binary, env: {} }, folder);
  await member.start();
  try {
    await loadKeys([member.port], LOADED_KEYS, (job) => new Generator(job).result);
    const jobOf = (limit: number): LoadJob => ({
      kind: "closedLoop",
      ports: [member.port],
      connections: isSingle ? 1 : 50,
      streams: isSingle ? 1 : 10,
      request,
      ...LOADED,
      warmUpSeconds: 0,
      limit: { seconds: limit },
    });
    await new Generator(jobOf(WARM_UP_SECONDS)).result;
    // Costs come from a load without the profiler, which is not free; shares from one with it.
    const before = threadTimes(member.pid);
    const plain = await new Generator(jobOf(seconds)).result;
    const threads = between(before, threadTimes(member.pid));
    const inspector = await Debugger.attach(port);
    await inspector.command("Profiler.enable");
    await inspector.command("Profiler.setSamplingInterval", { interval: 500 });
    const running = new Generator(jobOf(seconds + 1));
    await new Promise((done) => setTimeout(done, 500));
    await inspector.command("Profiler.start");
    await new Promise((done) => setTimeout(done, seconds * 1000));
    const { profile: found } = (await inspector.command("Profiler.stop")) as { profile: Profile };
    inspector.close();
    await running.result;
    report(name, plain.operations / plain.seconds, plain.operations, threads, selfTimes(found));
  } finally {
    await member.stop();
    member.removeData();
  }
}

function report(
  name: string,
  rate: number,
  operations: number,
  threads: ReadonlyMap<string, ThreadTime>,
  times: ReadonlyMap<string, number>,
): void {
  console.log(`${name}: ${rate.toFixed(0)} op/s; processor time of an operation`);
  for (const { name: thread, user, system } of threads.values()) {
    tell(`${thread}, program`, user, operations);
    tell(`${thread}, kernel`, system, operations);
  }
  const main = threads.get("main thread");
  const spent = main === undefined ? 0 : main.user + main.system;
  const busy = [...times].filter(([part]) => part !== "idle");
  const total = busy.reduce((sum, [, micros]) => sum + micros, 0);
  console.log("  of the main thread, by its profile:");
  for (const [part, micros] of busy.sort((a, b) => b[1] - a[1])) {
    tell(part, (micros / total) * spent, operations);
  }
}

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "5" },
    single: { type: "boolean", default: false },
    dir: TRIAL_OPTIONS.dir,
  },
});
const folder = dataRoot(values.dir, join(root, "dist", ".bench"));
const options = { seconds: Number(values.seconds), isSingle: values.single, folder };
try {
  await profile("get", { kind: "get", isSerializable: false }, options);
  await profile("put", PUT, options);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
