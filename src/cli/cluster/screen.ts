/**
 * The merged output of all processes: each line behind the name of its process, in the process's
 * colour; JSON log lines as text for people. Never more than one line of one process at a time.
 */
import { type LogEntry, parseLogLine } from "./log-entry.ts";

export interface ScreenOptions {
  readonly names: readonly string[];
  readonly hasColours: boolean;
  /** Lines as the processes wrote them, with neither name nor colour. */
  readonly isRaw: boolean;
  readonly wallMs: () => number;
}

/** Where text goes. */
export interface Output {
  write(text: string): void;
  /** Resolves when the reader has taken most of what was written. */
  drained(): Promise<void>;
}

/** One per process, again from the start after the last. */
const COLOURS = [36, 33, 35, 32, 34, 31] as const;
const BOLD = 1;
const DIM = 2;
const LEVEL_COLOURS: ReadonlyMap<string, number> = new Map([
  ["DEBUG", 2],
  ["WARN", 33],
  ["ERROR", 31],
  ["DPANIC", 31],
  ["PANIC", 31],
  ["FATAL", 31],
]);
const LEVEL_WIDTH = 5;
/** The name in front of the launcher's own remarks. */
export const LAUNCHER_NAME = "cluster";

export class Screen {
  readonly #options: ScreenOptions;
  readonly #output: Output;
  readonly #width: number;

  constructor(options: ScreenOptions, output: Output) {
    this.#options = options;
    this.#output = output;
    this.#width = Math.max(LAUNCHER_NAME.length, ...options.names.map((name) => name.length));
  }

  /** A line that a process wrote. `atMs` is when, for lines that do not say it; default: now. */
  line(name: string, line: string, atMs: number = this.#options.wallMs()): void {
    if (this.#options.isRaw) {
      this.#output.write(`${line}\n`);
      return;
    }
    const entry = parseLogLine(line);
    const wallMs = entry?.wallMs ?? atMs;
    const text = entry === undefined ? line : this.#entryText(entry);
    this.#output.write(`${this.#head(name, wallMs)} ${text}\n`);
  }

  /** What happened to a process, or a remark of the launcher itself; kept out of raw output. */
  note(name: string, text: string, atMs: number = this.#options.wallMs()): void {
    if (this.#options.isRaw) return;
    const head = this.#head(name, atMs);
    this.#output.write(`${head} ${this.#paint(BOLD, text)}\n`);
  }

  drained(): Promise<void> {
    return this.#output.drained();
  }

  #head(name: string, wallMs: number): string {
    const index = this.#options.names.indexOf(name);
    const colour = index < 0 ? BOLD : (COLOURS[index % COLOURS.length] ?? BOLD);
    return this.#paint(colour, `${timeText(wallMs)} ${name.padEnd(this.#width)} |`);
  }

  #entryText({ level, message, fields }: LogEntry): string {
    const colour = LEVEL_COLOURS.get(level);
    const word = level.padEnd(LEVEL_WIDTH);
    const head = colour === undefined ? word : this.#paint(colour, word);
    const tail = fields.length === 0 ? "" : `  ${this.#paint(DIM, fields.join(" "))}`;
    return `${head} ${message}${tail}`;
  }

  #paint(colour: number, text: string): string {
    return this.#options.hasColours ? `\u001b[${colour}m${text}\u001b[0m` : text;
  }
}

/** Time of day in the machine's time zone, to the millisecond. */
export function timeText(wallMs: number): string {
  const date = new Date(wallMs);
  const two = (value: number): string => String(value).padStart(2, "0");
  const milliseconds = String(date.getMilliseconds()).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${milliseconds}`;
}
