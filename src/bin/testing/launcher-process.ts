/**
 * An `etcd-cluster` process for tests: its output watched, its control channel in a folder of the
 * test's own. Runs the program in the form of the calling test, compiled or not.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { PATIENCE_MS } from "../../base/testing/patience.ts";

const EXTENSION = extname(fileURLToPath(import.meta.url));
const PROGRAM = fileURLToPath(new URL(`../etcd-cluster${EXTENSION}`, import.meta.url));

export interface CommandOutcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export class LauncherProcess {
  readonly child: ChildProcess;
  readonly #closed: Promise<unknown>;
  readonly #waiting: { text: string | RegExp; resolve: () => void }[] = [];
  #text = "";

  /** `folder` is where it runs and where its control channel is. */
  constructor(args: readonly string[], folder: string, command: readonly string[] = ["start"]) {
    this.child = spawn(process.execPath, [PROGRAM, ...command, ...args], {
      cwd: folder,
      env: environment(folder),
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#closed = once(this.child, "close");
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#text += text;
        const ready = this.#waiting.filter((waiter) => this.#has(waiter.text));
        for (const waiter of ready) {
          this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
          waiter.resolve();
        }
      });
    }
  }

  /** All that it has printed, on either stream. */
  get text(): string {
    return this.#text;
  }

  #has(text: string | RegExp): boolean {
    return typeof text === "string" ? this.#text.includes(text) : text.test(this.#text);
  }

  /** Resolves once it has printed the text. Rejects when it ends without. */
  async printed(text: string | RegExp): Promise<void> {
    if (this.#has(text)) return;
    const seen = new Promise<void>((resolve) => this.#waiting.push({ text, resolve }));
    const ended = this.#closed.then(() => {
      if (!this.#has(text)) throw new Error(`it ended without ${text}; its output:\n${this.#text}`);
    });
    await Promise.race([seen, ended]);
  }

  /** Resolves when it has ended, with its exit code or signal. */
  async exit(): Promise<number | NodeJS.Signals | null> {
    await this.#closed;
    return this.child.exitCode ?? this.child.signalCode;
  }

  /** As Ctrl-C. */
  async interrupt(): Promise<number | NodeJS.Signals | null> {
    this.child.kill("SIGINT");
    return this.exit();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill("SIGINT");
    this.child.kill("SIGTERM");
    await this.exit();
  }
}

/** Another command of the tool, run to its end. */
export function launcherCommand(args: readonly string[], folder: string): CommandOutcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], {
    cwd: folder,
    env: environment(folder),
    encoding: "utf8",
    timeout: PATIENCE_MS,
  });
  return { code: status, out: stdout, err: stderr };
}

function environment(folder: string): NodeJS.ProcessEnv {
  return { ...process.env, XDG_RUNTIME_DIR: folder, TMPDIR: folder, NODE: process.execPath };
}
