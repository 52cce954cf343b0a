/** An `etcd` process for tests: started on free ports, watched through its log, killed at will. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** The server program: the one file that users run, or its source when the tests are not compiled. */
export const ETCD_PROGRAM: string = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "../etcd.ts" : "../../../etcd.cjs", import.meta.url),
);
/** The last line that a member logs when it starts to serve a client URL. */
const SERVING = "serving client traffic insecurely";

export interface EtcdProcessOptions {
  readonly dataDirectory: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly flags?: readonly string[];
  /** What to run instead of this Node with the program, such as the start script. */
  readonly command?: readonly [string, ...string[]] | undefined;
}

export class EtcdProcess {
  readonly child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #waiting: { text: string; resolve: () => void }[] = [];
  #log = "";

  constructor(options: EtcdProcessOptions) {
    const client = `http://127.0.0.1:${options.clientPort}`;
    const peer = `http://127.0.0.1:${options.peerPort}`;
    const [file, ...before] = options.command ?? [process.execPath, ETCD_PROGRAM];
    this.child = spawn(
      file,
      [
        ...before,
        ...["--name", "m", "--data-dir", options.dataDirectory],
        ...["--listen-client-urls", client, "--advertise-client-urls", client],
        ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
        ...["--initial-cluster", `m=${peer}`],
        ...(options.flags ?? []),
      ],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    this.#exited = once(this.child, "exit");
    this.child.stderr?.setEncoding("utf8");
    this.child.stderr?.on("data", (text: string) => {
      this.#log += text;
      const ready = this.#waiting.filter((waiter) => this.#log.includes(waiter.text));
      for (const waiter of ready) {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        waiter.resolve();
      }
    });
  }

  get log(): string {
    return this.#log;
  }

  /** Rejects with the log when the process ends before it serves. */
  async serving(): Promise<void> {
    await Promise.race([
      this.logged(SERVING),
      this.#exited.then(() => {
        throw new Error(`etcd ended before it served; its log:\n${this.#log}`);
      }),
    ]);
  }

  /** Resolves once the log contains the text. */
  logged(text: string): Promise<void> {
    if (this.#log.includes(text)) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ text, resolve }));
  }

  /** Sends the signal and resolves when the process has ended. */
  async end(signal: NodeJS.Signals): Promise<void> {
    this.child.kill(signal);
    await this.#exited;
  }

  /** Resolves when the process has ended, with its exit code or signal. */
  async exit(): Promise<number | NodeJS.Signals | null> {
    await this.#exited;
    return this.child.exitCode ?? this.child.signalCode;
  }
}
