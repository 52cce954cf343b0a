/** The last lines of a process, for who asks for them later. */

/** Enough to see why something happened; bounds what a process leaves in the launcher. */
export const MAX_RECENT_LINES = 200;
/** A longer line is cut; all lines of a process fit into one answer of the launcher. */
const MAX_RECENT_CHARACTERS = 2000;

export interface RecentLine {
  readonly wallMs: number;
  readonly text: string;
  /** Said by the launcher, not by the process. */
  readonly isNote: boolean;
}

export class RecentLines {
  readonly #wallMs: () => number;
  readonly #lines: RecentLine[] = [];

  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  get all(): readonly RecentLine[] {
    return this.#lines;
  }

  line(text: string): void {
    this.#add(text, false);
  }

  note(text: string): void {
    this.#add(text, true);
  }

  #add(text: string, isNote: boolean): void {
    if (this.#lines.length === MAX_RECENT_LINES) this.#lines.shift();
    const cut = text.slice(0, MAX_RECENT_CHARACTERS);
    this.#lines.push({ wallMs: this.#wallMs(), text: cut, isNote });
  }
}
