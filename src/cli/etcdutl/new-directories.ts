/** Directories that a piece of work makes, so that it can take them away again when it fails. */
import type { Disk } from "../../env/disk.ts";

const PRIVATE_MODE = 0o700;

export class NewDirectories {
  readonly #disk: Disk;
  /** In the order of their making. */
  #made: string[] = [];

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  /** Makes what is missing, parents too, with names that survive a loss of power. */
  make(path: string): void {
    const disk = this.#disk;
    if (disk.stat(path) !== undefined) return;
    const parent = disk.join(path, "..");
    if (parent !== path) this.make(parent);
    disk.makeDirectories(path, PRIVATE_MODE);
    this.#made.push(path);
    disk.syncDirectory(parent);
  }

  /** What others are about to make. */
  own(...paths: readonly string[]): void {
    this.#made.push(...paths);
  }

  /** The work is done: nothing is taken away any more. */
  keep(): void {
    this.#made = [];
  }

  removeAll(): void {
    for (const path of this.#made.reverse()) this.#disk.removeAll(path);
    this.#made = [];
  }
}
