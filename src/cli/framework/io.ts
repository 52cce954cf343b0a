/**
 * The world of a tool: its streams, its environment, its arguments, its clock. Commands use nothing
 * else, so that tests run them inside a process.
 */
import { readFileSync, readSync, writeSync } from "node:fs";
import type { Clock } from "../../env/clock.ts";
import { SystemClock } from "../../env/system-clock.ts";
import { bytesOfText, textOfBytes } from "../../base/raw-text.ts";
import { outputWithStatus } from "./status-line.ts";

export interface Io {
  /** Everything behind the program's name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Text or bytes to standard output; written before it returns. */
  out(data: string | Uint8Array): void;
  /** To standard error. */
  err(data: string | Uint8Array): void;
  /**
   * Shows one line that goes away before anything else is written, and at the end. Only where
   * somebody looks: standard output and standard error are a terminal.
   */
  status(text: string): void;
  /** True where a page may take the place of the one before: standard output is a terminal. */
  readonly showsPages?: boolean;
  readonly stdin: Stdin;
  /** The process stays alive for a timer of this clock. */
  readonly clock: Clock;
}

/** Standard input. */
export interface Stdin {
  readonly isTerminal: boolean;
  /** The next line with its line feed; without one only before the end; undefined at the end. */
  readLine(): Promise<string | undefined>;
  /** All that is left. */
  readAll(): Promise<Buffer>;
}

const LINE_FEED = 0x0a;

/** The process's own streams. */
export function processIo(): Io {
  const { out, err, status, clear } = outputWithStatus(
    writeFully,
    () => process.stdout.isTTY === true && process.stderr.isTTY === true,
  );
  return {
    argv: processArguments(),
    env: process.env,
    out,
    err,
    status: (text) => {
      if (process.listenerCount("exit", clear) === 0) process.once("exit", clear);
      status(text);
    },
    showsPages: process.stdout.isTTY === true,
    stdin: new ProcessStdin(),
    clock: new SystemClock({ holdsProcess: true }),
  };
}

/** `process.argv` loses bytes that are no UTF-8; the system still knows them on Linux. */
function processArguments(): readonly string[] {
  const argv = process.argv.slice(2);
  if (!argv.some((argument) => argument.includes("\ufffd"))) return argv;
  try {
    const raw = readFileSync("/proc/self/cmdline");
    const all: string[] = [];
    for (let from = 0; from < raw.length; ) {
      const end = raw.indexOf(0, from);
      all.push(textOfBytes(raw.subarray(from, end)));
      from = end + 1;
    }
    return all.slice(all.length - argv.length);
  } catch {
    return argv;
  }
}

/**
 * Writes synchronously, so that a tool may exit at once. A pipe that nobody reads ends the tool
 * with the exit code that a shell shows for SIGPIPE, as it does other programs.
 */
function writeFully(descriptor: number, data: string | Uint8Array): void {
  const bytes = typeof data === "string" ? bytesOfText(data) : data;
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(descriptor, bytes, at, bytes.length - at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EPIPE") process.exit(128 + 13);
      if (code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

/** Asynchronous, so that calls and watches go on while a line is awaited. */
class ProcessStdin implements Stdin {
  #held: Buffer = Buffer.alloc(0);
  #chunks: AsyncIterator<Buffer> | undefined;
  #ended = false;

  get isTerminal(): boolean {
    return process.stdin.isTTY === true;
  }

  async readLine(): Promise<string | undefined> {
    for (;;) {
      const end = this.#held.indexOf(LINE_FEED);
      if (end >= 0) {
        const line = textOfBytes(this.#held.subarray(0, end + 1));
        this.#held = this.#held.subarray(end + 1);
        return line;
      }
      if (!(await this.#more())) break;
    }
    const rest = textOfBytes(this.#held);
    this.#held = Buffer.alloc(0);
    return rest === "" ? undefined : rest;
  }

  async readAll(): Promise<Buffer> {
    if (this.#chunks === undefined && !this.isTerminal) return this.#readDescriptor();
    while (await this.#more());
    const all = this.#held;
    this.#held = Buffer.alloc(0);
    return all;
  }

  /** Cheaper than a stream when nothing else goes on. */
  #readDescriptor(): Buffer {
    const parts: Buffer[] = [];
    for (;;) {
      const part = Buffer.allocUnsafe(65_536);
      try {
        const length = readSync(0, part, 0, part.length, null);
        if (length === 0) return Buffer.concat(parts);
        parts.push(part.subarray(0, length));
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === "EOF") return Buffer.concat(parts);
        if (code !== "EAGAIN") throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
      }
    }
  }

  async #more(): Promise<boolean> {
    if (this.#ended) return false;
    this.#chunks ??= process.stdin[Symbol.asyncIterator]();
    const { done, value } = await this.#chunks.next();
    if (done === true) {
      this.#ended = true;
      return false;
    }
    this.#held = this.#held.length === 0 ? value : Buffer.concat([this.#held, value]);
    return true;
  }
}
