/** Collects what a transcript command prints: log lines by level, and the command's own text. */
import type { RaftLogger, RaftLogLevel } from "../types.ts";

const LEVELS = ["debug", "info", "warn", "error", "fatal", "none"] as const;

export type TranscriptLevel = (typeof LEVELS)[number];

export class TranscriptLog implements RaftLogger {
  #level = 0;
  #text = "";

  get level(): TranscriptLevel {
    return LEVELS[this.#level] as TranscriptLevel;
  }

  /** At level "none" the command's own text is swallowed too. False for an unknown level. */
  setLevel(name: string): boolean {
    const level = (LEVELS as readonly string[]).indexOf(name.toLowerCase());
    if (level >= 0) this.#level = level;
    return level >= 0;
  }

  get quiet(): boolean {
    return this.level === "none";
  }

  write(text: string): void {
    if (!this.quiet) this.#text += text;
  }

  /** Returns what was collected, and starts over. */
  take(): string {
    const text = this.#text;
    this.#text = "";
    return text;
  }

  /** Runs `work` and indents what it writes by two spaces, each line ended. */
  indented(work: () => void): void {
    const before = this.take();
    try {
      work();
    } finally {
      const lines = this.take().split("\n");
      if (lines.at(-1) === "") lines.pop();
      this.#text = before + lines.map((line) => `  ${line}\n`).join("");
    }
  }

  enabled(level: RaftLogLevel): boolean {
    return LEVELS.indexOf(level) >= this.#level;
  }

  debug(text: string): void {
    this.#log("debug", "DEBUG", text);
  }

  info(text: string): void {
    this.#log("info", "INFO", text);
  }

  warning(text: string): void {
    this.#log("warn", "WARN", text);
  }

  error(text: string): void {
    this.#log("error", "ERROR", text);
  }

  #log(level: RaftLogLevel, label: string, text: string): void {
    if (this.enabled(level)) this.write(`${label} ${text}\n`);
  }
}
