/**
 * Where log lines go. Lines are queued; once per turn of the event loop each sink writes its queue
 * with one system call. `flushSync` writes what is left before the process ends.
 *
 * Pipes, sockets and terminals are used without blocking: a reader that has stopped reading (a
 * paused terminal, a stuck log shipper) costs log lines, never the event loop that heartbeats need.
 * The queue is bounded; lines beyond the bound are dropped and counted in a line of their own.
 */

import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { basename, dirname } from "node:path";
import { SystemClock } from "../env/system-clock.ts";
import type { CallResult } from "./system-calls.ts";

export interface LogSink {
  /** Queues one line with its newline. */
  write(line: string): void;
  /** Writes everything that is queued; gives up after `FLUSH_TIMEOUT_MS` on a stuck reader. */
  flushSync(): void;
  close(): void;
}

/** A stuck reader may cost this much memory. */
const MAX_QUEUED_LOG_BYTES = 8 * 1024 * 1024;
const FLUSH_TIMEOUT_MS = 2_000;
const RETRY_MS = 20;

/** Something that takes bytes now; returns how many were taken, 0 if none can be at the moment. */
export interface LogTarget {
  write(data: Uint8Array): number;
  close(): void;
}

export interface QueuedSinkOptions {
  readonly maxBytes?: number;
  /** The line that tells how many lines were dropped. */
  readonly droppedLine?: (count: number) => string;
}

/** Batches lines per turn of the loop in front of a target. */
export class QueuedSink implements LogSink {
  readonly #target: LogTarget;
  readonly #maxBytes: number;
  readonly #droppedLine: (count: number) => string;
  readonly #clock = new SystemClock();
  #lines: string[] = [];
  #rest: Uint8Array | undefined;
  #queuedBytes = 0;
  #dropped = 0;
  #scheduled = false;
  #closed = false;

  constructor(target: LogTarget, options: QueuedSinkOptions = {}) {
    this.#target = target;
    this.#maxBytes = options.maxBytes ?? MAX_QUEUED_LOG_BYTES;
    this.#droppedLine = options.droppedLine ?? ((count) => `dropped ${count} log lines\n`);
  }

  write(line: string): void {
    if (this.#closed) return;
    if (this.#queuedBytes + line.length > this.#maxBytes) {
      this.#dropped++;
      return;
    }
    this.#lines.push(line);
    this.#queuedBytes += line.length;
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#flushTurn());
  }

  flushSync(): void {
    const deadline = this.#clock.nowMs() + FLUSH_TIMEOUT_MS;
    while (!this.#drain() && this.#clock.nowMs() < deadline) sleepSync(RETRY_MS);
  }

  close(): void {
    if (this.#closed) return;
    this.flushSync();
    this.#closed = true;
    this.#target.close();
  }

  #flushTurn(): void {
    this.#scheduled = false;
    if (this.#closed || this.#drain()) return;
    this.#scheduled = true;
    this.#clock.setTimer(RETRY_MS, () => this.#flushTurn());
  }

  /** Writes as much as the target takes; true if nothing is left. */
  #drain(): boolean {
    for (;;) {
      if (this.#rest === undefined) {
        if (this.#dropped > 0) {
          this.#lines.push(this.#droppedLine(this.#dropped));
          this.#dropped = 0;
        }
        if (this.#lines.length === 0) return true;
        this.#rest = Buffer.from(this.#lines.join(""), "utf8");
        this.#lines = [];
        this.#queuedBytes = this.#rest.length;
      }
      const taken = this.#target.write(this.#rest);
      if (taken === 0) return false;
      const left = this.#rest.subarray(taken);
      this.#rest = left.length === 0 ? undefined : left;
      this.#queuedBytes = Math.max(0, this.#queuedBytes - taken);
    }
  }
}

/** An open file, pipe, terminal or socket. */
class DescriptorTarget implements LogTarget {
  readonly #fd: number;
  readonly #ownsFd: boolean;

  constructor(fd: number, ownsFd: boolean) {
    this.#fd = fd;
    this.#ownsFd = ownsFd;
  }

  write(data: Uint8Array): number {
    try {
      return writeSync(this.#fd, data);
    } catch (error) {
      // A log that cannot be written (full disk, closed pipe) must not stop the member.
      return errorCode(error) === "EAGAIN" ? 0 : data.length;
    }
  }

  close(): void {
    if (this.#ownsFd) closeSync(this.#fd);
  }
}

/** Handles whose only purpose is that their descriptor does not block; kept from collection. */
const unblocked = new Map<number, Socket>();

/** Standard error (2) or standard output (1), without blocking where that is possible. */
export function openStandardStream(fd: 1 | 2): LogTarget {
  try {
    const info = fstatSync(fd);
    if (info.isSocket() && !unblocked.has(fd)) {
      // The journal's socket, or a parent that is Node.js. A socket cannot be reopened, but Node
      // makes a descriptor non-blocking when it wraps it. Nothing is written through the wrapper.
      unblocked.set(fd, new Socket({ fd, readable: false, writable: true }).unref());
    } else if (info.isFIFO() || info.isCharacterDevice()) {
      // A fresh open file description: its flags are not shared with our parent process.
      const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK;
      return new DescriptorTarget(openSync(`/proc/self/fd/${fd}`, flags), true);
    }
  } catch {
    // No /proc, or the stream belongs to another user.
  }
  return new DescriptorTarget(fd, false);
}

/** Opens a log file for appending. Throws the system's error. */
export function openLogFile(path: string): LogTarget {
  return new DescriptorTarget(openSync(path, "a", 0o666), true);
}

/** The datagram socket of systemd-journald. */
export const JOURNAL_SOCKET = "/run/systemd/journal/socket";

const PRIORITIES: Readonly<Record<string, number>> = {
  debug: 7,
  info: 6,
  warn: 4,
  error: 3,
  fatal: 2,
};

/**
 * Sends each line to the systemd journal with its priority, the caller's folder as PACKAGE, and
 * `identifier` as SYSLOG_IDENTIFIER. What the journal refuses goes to `fallback`.
 */
export class JournalSink implements LogSink {
  readonly #send: (datagram: Uint8Array) => CallResult;
  readonly #identifier: string;
  readonly #fallback: LogSink;

  constructor(send: (datagram: Uint8Array) => CallResult, identifier: string, fallback: LogSink) {
    this.#send = send;
    this.#identifier = identifier;
    this.#fallback = fallback;
  }

  write(line: string): void {
    if (this.#send(encodeJournal(line, this.#identifier)) !== 0) this.#fallback.write(line);
  }

  flushSync(): void {
    this.#fallback.flushSync();
  }

  close(): void {
    this.#fallback.close();
  }
}

/** The journal's native protocol: `NAME=value` lines, or name, length and bytes for long text. */
export function encodeJournal(line: string, identifier: string): Uint8Array {
  const level =
    /"level":"(\w+)"/.exec(line)?.[1] ?? /\t(debug|info|warn|error|fatal)\t/.exec(line)?.[1];
  const caller = /"caller":"([^"]*)"/.exec(line)?.[1] ?? "";
  const message = Buffer.from(line.endsWith("\n") ? line.slice(0, -1) : line, "utf8");
  const length = Buffer.alloc(8);
  length.writeUInt32LE(message.length, 0);
  const fields = `PRIORITY=${PRIORITIES[level ?? "info"] ?? 6}\nPACKAGE=${dirname(caller)}\n`;
  return Buffer.concat([
    Buffer.from("MESSAGE\n"),
    length,
    message,
    Buffer.from(`\n${fields}SYSLOG_IDENTIFIER=${basename(identifier)}\n`),
  ]);
}

const sleepCell = new Int32Array(new SharedArrayBuffer(4));

function sleepSync(ms: number): void {
  Atomics.wait(sleepCell, 0, 0, ms);
}

function errorCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
