/**
 * A value made from files, made anew when one of them has changed. Files are looked at when the
 * value is asked for, which costs some microseconds a file; a rename over the old file and a
 * rewrite in place are both seen.
 *
 * When the new files cannot be used, the last good value stays in force, and `onFailure` is told
 * once for each change.
 */
import { statSync } from "node:fs";

export class WatchedFiles<T> {
  readonly #paths: readonly string[];
  readonly #load: () => T;
  readonly #onFailure: (error: Error) => void;
  #seen: string;
  #value: T;

  /** Loads at once; throws what `load` throws. */
  constructor(options: {
    readonly paths: readonly string[];
    readonly load: () => T;
    readonly onFailure: (error: Error) => void;
  }) {
    this.#paths = options.paths.filter((path) => path !== "");
    this.#load = options.load;
    this.#onFailure = options.onFailure;
    // Looked at before they are read: a change in between is seen at the next call.
    this.#seen = this.#look();
    this.#value = options.load();
  }

  /** The value of the files as they are now, or of the last ones that could be used. */
  current(): T {
    const seen = this.#look();
    if (seen === this.#seen) return this.#value;
    this.#seen = seen;
    try {
      this.#value = this.#load();
    } catch (error) {
      this.#onFailure(error instanceof Error ? error : new Error(String(error)));
    }
    return this.#value;
  }

  #look(): string {
    return this.#paths.map(stateOf).join(" ");
  }
}

function stateOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stat === undefined ? "absent" : `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}`;
}
