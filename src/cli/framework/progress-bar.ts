/** Tells how far long work has got, in the status line of a tool. */
import type { Io } from "./io.ts";

const WIDTH = 30;
/** Short work shows no bar; after that it moves at this pace. */
const FIRST_MS = 500;
const INTERVAL_MS = 100;

/** `done` of `total` units; the same label again replaces what it has said. */
export type ProgressReport = (label: string, done: number, total: number) => void;

export class ProgressBar {
  readonly #io: Pick<Io, "status">;
  readonly #nowMs: () => number;
  #nextMs: number;

  /** `nowMs` gives milliseconds that only grow. */
  constructor(io: Pick<Io, "status">, nowMs: () => number) {
    this.#io = io;
    this.#nowMs = nowMs;
    this.#nextMs = nowMs() + FIRST_MS;
  }

  /** A `total` of 0 means that nobody knows it. */
  readonly report: ProgressReport = (label, done, total) => {
    const nowMs = this.#nowMs();
    if (nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + INTERVAL_MS;
    this.#io.status(`${label} ${total === 0 ? "..." : bar(done, total)}`);
  };
}

function bar(done: number, total: number): string {
  const part = Math.min(1, done / total);
  const filled = Math.round(part * WIDTH);
  const percent = `${Math.floor(part * 100)}%`.padStart(4);
  return `[${"=".repeat(filled)}${" ".repeat(WIDTH - filled)}]${percent}`;
}
