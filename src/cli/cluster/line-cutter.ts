/** Cuts the output of a process into lines. A line that never ends is cut at a limit. */

/** Longer lines are shown in pieces; bounds the memory for a process that prints no line feed. */
export const MAX_LINE_BYTES = 256 * 1024;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

export class LineCutter {
  #parts: Buffer[] = [];
  #bytes = 0;

  /** The lines that the chunk completes, without their ends. */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    for (let at = 0; at < chunk.length; ) {
      const feed = chunk.indexOf(LINE_FEED, at);
      const end = Math.min(feed < 0 ? chunk.length : feed, at + (MAX_LINE_BYTES - this.#bytes));
      this.#parts.push(chunk.subarray(at, end));
      this.#bytes += end - at;
      at = end;
      if (end === feed || this.#bytes === MAX_LINE_BYTES) {
        lines.push(this.#take());
        if (end === feed) at++;
      }
    }
    return lines;
  }

  /** What stands behind the last line feed, at the end of the output. */
  rest(): string | undefined {
    return this.#bytes === 0 ? undefined : this.#take();
  }

  #take(): string {
    const line = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#bytes = 0;
    const end = line.at(-1) === CARRIAGE_RETURN ? line.length - 1 : line.length;
    return line.toString("utf8", 0, end);
  }
}
