/**
 * Several machines on one: network namespaces on one bridge, each with an address and a resolver of
 * its own, so that the guides' addresses and ports are used as they stand. Needs root.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { repositoryRoot } from "./harness.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const HOLD = "ip link set lo up && echo ready && exec sleep 100000";

/** Why there can be no machines; false when there can. As `skip` of a test. */
export function noMachines(): string | false {
  const probe = "unshare --net true && ip link add probe0 type veth peer name probe1";
  const done = spawnSync("unshare", ["--net", "--mount", "sh", "-c", probe]);
  return done.status === 0 ? false : "network namespaces are not permitted";
}

/** A program that runs on a machine. */
export interface Program {
  /** All that it has said. */
  readonly output: string;
  readonly pid: number | undefined;
  said(text: string | RegExp): Promise<void>;
  /** Ends it. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Its exit code, when it ends by itself. */
  exited(): Promise<number | null>;
}

export interface Finished {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number | null;
}

export class Machines implements AsyncDisposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), "etcd-machines-"));
  readonly #holders = new Map<string, ChildProcess>();
  readonly #programs: Program[] = [];

  /** One machine per address, of one /16 network. */
  static async create(addresses: readonly string[]): Promise<Machines> {
    const machines = new Machines();
    const hub = await machines.#hold("hub");
    machines.#must(["ip", "link", "add", "br0", "type", "bridge"], "hub");
    machines.#must(["ip", "link", "set", "br0", "up"], "hub");
    for (const [i, address] of addresses.entries()) {
      const holder = await machines.#hold(address);
      const [port, own] = [`port${i}`, `eth${i}`];
      const pair = ["ip", "link", "add", port, "type", "veth", "peer", "name", own];
      machines.#must(pair, "hub");
      machines.#must(["ip", "link", "set", own, "netns", String(holder.pid)], "hub");
      machines.#must(["ip", "link", "set", port, "master", "br0", "up"], "hub");
      machines.#must(["ip", "addr", "add", `${address}/16`, "dev", own], address);
      machines.#must(["ip", "link", "set", own, "up"], address);
    }
    if (hub.exitCode !== null) throw new Error("the hub has gone");
    return machines;
  }

  path(...names: readonly string[]): string {
    return join(this.directory, ...names);
  }

  /** Makes a text the machine's /etc/NAME. */
  configure(address: string, name: string, text: string): void {
    const file = this.path(`${address}-${name}`);
    writeFileSync(file, text);
    this.#must(["mount", "--bind", file, `/etc/${name}`], address);
  }

  /** Starts a program and does not wait for anything. */
  start(address: string, words: readonly string[], env: Record<string, string> = {}): Program {
    const [program = "", ...args] = this.#enter(address, words);
    const child = spawn(program, args, {
      stdio: ["ignore", "pipe", "pipe"],
      cwd: this.directory,
      env: { ...environment(), ...env },
    });
    const running = follow(child);
    this.#programs.push(running);
    return running;
  }

  /** Runs a program to its end. */
  run(address: string, words: readonly string[], env: Record<string, string> = {}): Finished {
    const [program = "", ...args] = this.#enter(address, words);
    const { stdout, stderr, status } = spawnSync(program, args, {
      encoding: "utf8",
      cwd: this.directory,
      env: { ...environment(), ...env },
      timeout: PATIENCE_MS,
    });
    return { stdout: stdout ?? "", stderr: stderr ?? "", status };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.stop("SIGKILL")));
    for (const holder of this.#holders.values()) holder.kill("SIGKILL");
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #hold(name: string): Promise<ChildProcess> {
    const holder = spawn("unshare", ["--net", "--mount", "sh", "-c", HOLD], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#holders.set(name, holder);
    for await (const chunk of holder.stdout) if (String(chunk).includes("ready")) break;
    return holder;
  }

  #enter(name: string, words: readonly string[]): string[] {
    const { pid } = this.#holders.get(name) ?? {};
    if (pid === undefined) throw new Error(`there is no machine ${name}`);
    return ["nsenter", `--target=${pid}`, "--net", "--mount", "--wd=.", ...words];
  }

  #must(words: readonly string[], name: string): void {
    const [program = "", ...args] = this.#enter(name, words);
    const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`${words.join(" ")}: ${stderr}`);
  }
}

function environment(): Record<string, string> {
  const { PATH = "" } = process.env;
  return {
    PATH: `${join(repositoryRoot, "bin")}:${PATH}`,
    HOME: tmpdir(),
    ETCD_NODE: process.execPath,
  };
}

function follow(child: ChildProcess): Program {
  let output = "";
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const each of waiting) each();
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      wake();
    });
  }
  const ended = new Promise<number | null>((resolve) => {
    child.once("close", (code) => {
      resolve(code);
      wake();
    });
  });
  const isThere = (text: string | RegExp): boolean =>
    typeof text === "string" ? output.includes(text) : text.test(output);
  return {
    get output() {
      return output;
    },
    pid: child.pid,
    said: (text) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => end(new Error(`no ${text} in:\n${output}`)), PATIENCE_MS);
        const end = (error?: Error): void => {
          clearTimeout(timer);
          waiting.delete(check);
          if (error === undefined) resolve();
          else reject(error);
        };
        const check = (): void => {
          if (isThere(text)) end();
          else if (child.exitCode !== null) end(new Error(`ended before ${text}:\n${output}`));
        };
        waiting.add(check);
        check();
      }),
    stop: async (signal = "SIGTERM") => {
      child.kill(signal);
      await ended;
    },
    exited: () => ended,
  };
}
