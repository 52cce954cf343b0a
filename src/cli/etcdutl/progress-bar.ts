/** A line on standard error that tells how far long work has got. For terminals only. */
import type { Clock } from "../../env/index.ts";
import type { Io } from "../framework/io.ts";
import type { ProgressReport } from "./deps.ts";

const WIDTH = 30;
/** Short work shows no bar; after that it moves at this pace. */
const FIRST_MS = 500;
const INTERVAL_MS = 100;
const CLEAR_LINE = "\r\x1b[K";

export class ProgressBar {
  readonly #io: Pick<Io, "err">;
  readonly #clock: Clock;
  #nextMs: number;
  #isShown = false;

  constructor(io: Pick<Io, "err">, clock: Clock) {
    this.#io = io;
    this.#clock = clock;
    this.#nextMs = clock.nowMs() + FIRST_MS;
  }

  /** A `total` of 0 means that nobody knows it. */
  readonly report: ProgressReport = (label, done, total) => {
    const now = this.#clock.nowMs();
    if (now < this.#nextMs) return;
    this.#nextMs = now + INTERVAL_MS;
    this.#isShown = true;
    this.#io.err(`${CLEAR_LINE}${label} ${total === 0 ? "..." : bar(done, total)}`);
  };

  /** Takes the line away. */
  clear(): void {
    if (this.#isShown) this.#io.err(CLEAR_LINE);
    this.#isShown = false;
  }
}

function bar(done: number, total: number): string {
  const part = Math.min(1, done / total);
  const filled = Math.round(part * WIDTH);
  const percent = `${Math.floor(part * 100)}%`.padStart(4);
  return `[${"=".repeat(filled)}${" ".repeat(WIDTH - filled)}]${percent}`;
}
