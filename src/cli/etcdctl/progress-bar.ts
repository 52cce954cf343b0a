/** A bar that grows on one line: ` 12 / 60 [====>-----]  20.00% 48s`. */
import type { Io } from "../framework/io.ts";
import { formatDuration } from "../framework/go-text.ts";

const BAR_COLUMNS = 40;
const REDRAW_INTERVAL_MS = 200;

export class ProgressBar {
  readonly #io: Io;
  readonly #total: number;
  readonly #now: () => number;
  readonly #begunMs: number;
  #done = 0;
  #drawnMs = Number.NEGATIVE_INFINITY;

  /** `now` gives milliseconds that only grow. */
  constructor(io: Io, total: number, now: () => number) {
    this.#io = io;
    this.#now = now;
    this.#begunMs = now();
    this.#total = total;
    this.#draw();
  }

  add(count: number): void {
    this.#done += count;
    if (this.#now() - this.#drawnMs >= REDRAW_INTERVAL_MS) this.#draw();
  }

  /** Draws it full and goes to the next line. */
  finish(): void {
    this.#done = this.#total;
    this.#draw();
    this.#io.out("\n");
  }

  #draw(): void {
    this.#drawnMs = this.#now();
    const share = Math.min(1, this.#done / this.#total);
    const full = Math.round(share * BAR_COLUMNS);
    const bar = `${"=".repeat(full)}${"-".repeat(BAR_COLUMNS - full)}`;
    const elapsedMs = this.#drawnMs - this.#begunMs;
    const leftMs = share === 0 ? 0 : share === 1 ? elapsedMs : elapsedMs / share - elapsedMs;
    const seconds = formatDuration(Math.round(leftMs / 1000) * 1e9);
    const percent = `${(share * 100).toFixed(2)}%`.padStart(7);
    this.#io.out(`\r ${this.#done} / ${this.#total} [${bar}] ${percent} ${seconds} `);
  }
}
